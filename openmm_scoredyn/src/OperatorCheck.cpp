#include "OperatorCheck.h"

#include <torch/csrc/jit/api/function_impl.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <vector>

#include "AllowedOperators.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;
namespace jit = torch::jit;

namespace {

constexpr double maxNodes = 1e6;  // of a method with all that it calls
constexpr int maxCalls = 100;     // of each other, one inside the other

bool writesToOut(const jit::Node* node) {
    const c10::FunctionSchema* schema = node->maybeSchema();
    return schema != nullptr && std::ranges::any_of(schema->arguments(), [](const c10::Argument& argument) {
               return argument.kwarg_only() && argument.alias_info() != nullptr &&
                      argument.alias_info()->isWrite();
           });
}

/// Goes through everything that running any method of a module could reach.
class OperatorWalk {
public:
    explicit OperatorWalk(const std::string& name) : name_(name) {}

    void visit(const jit::Module& module) {
        visitClass(module.type());
        while (!classes_.empty()) {
            const c10::ClassTypePtr type = classes_.back();
            classes_.pop_back();
            for (jit::Function* method : type->methods()) count(*method, 0);
            if (!type->getForwardHooks().empty() || !type->getForwardPreHooks().empty())
                refuse("has a hook of `forward`", "methods alone", "call its content in the method");
            for (size_t i = 0; i < type->numAttributes(); ++i) visitType(type->getAttribute(i));
        }
    }

private:
    [[noreturn]] void refuse(const std::string& what, const std::string& expected,
                             const std::string& advice) const {
        throw OpenMMException("ScoreProgram: " + name_ + " " + what + "; expected " + expected + "; " +
                              advice + " and export it again.");
    }

    [[noreturn]] void refuseOperator(const std::string& kind, const std::string& method) const {
        throw OpenMMException(
            "ScoreProgram: " + name_ + " uses the operator " + kind + " in `" + method +
            "`; expected operators of the list alone that compute tensors and touch neither files nor random "
            "numbers nor anything else outside; do not use the file if you do not know who wrote it, or "
            "write the module without it and export it again.");
    }

    void visitType(const c10::TypePtr& type) {
        if (const auto cls = type->cast<c10::ClassType>()) visitClass(cls);
        for (const c10::TypePtr& inner : type->containedTypes()) visitType(inner);
    }

    void visitClass(const c10::ClassTypePtr& type) {
        if (!seen_.insert(type.get()).second) return;
        const std::string full = type->name() ? type->name()->qualifiedName() : "a class without a name";
        if (full.find("torch.classes") != std::string::npos)
            refuse("holds an object of the compiled class " + full, "tensors, numbers and modules",
                   "write the module without it");
        classes_.push_back(type);
    }

    /// The number of nodes that a function has when all it calls is inlined.
    double count(jit::Function& function, int depth) {
        const auto known = counts_.find(&function);
        if (known != counts_.end()) return known->second;
        auto* graphFunction = jit::tryToGraphFunction(function);
        if (graphFunction == nullptr || depth > maxCalls) refuseOperator(function.name(), function.name());
        const double nodes = count(graphFunction->graph()->block(), function.name(), depth);
        if (nodes > maxNodes)
            refuse("has more than a million operators in `" + function.name() + "`", "fewer",
                   "write loops instead of copies");
        return counts_[&function] = nodes;
    }

    double count(const jit::Block* block, const std::string& method, int depth) {
        double nodes = 0;
        for (const jit::Node* node : block->nodes()) {
            const std::string kind = node->kind().toQualString();
            if (useOf(kind) == OperatorUse::Refused) refuseOperator(kind, method);
            if (writesToOut(node)) refuseOperator(kind + " with out=", method);
            nodes += 1;
            if (node->kind() == c10::prim::CallFunction || node->kind() == c10::prim::CallMethod)
                nodes += count(callee(node, method), depth + 1);
            for (const jit::Value* value : node->outputs()) visitType(value->type());
            for (const jit::Block* inner : node->blocks()) nodes += count(inner, method, depth);
        }
        return nodes;
    }

    jit::Function& callee(const jit::Node* node, const std::string& method) const {
        const c10::TypePtr& type = node->input(0)->type();
        if (node->kind() == c10::prim::CallFunction) {
            if (const auto function = type->cast<c10::FunctionType>()) return *function->function();
        } else if (const auto cls = type->cast<c10::ClassType>()) {
            if (jit::Function* found = cls->findMethod(node->s(c10::attr::name))) return *found;
        }
        refuseOperator("call of " + type->str(), method);  // an interface: known only when it runs
    }

    std::string name_;
    std::set<const c10::ClassType*> seen_;
    std::vector<c10::ClassTypePtr> classes_;
    std::map<const jit::Function*, double> counts_;
};

}  // namespace

void requireQuietLoading(const RecordArchive& records, const std::string& name) {
    for (const auto& [record, content] : records.records()) {
        const bool code = record.ends_with(".py"), pickle = record.ends_with(".pkl");
        if (code && content.find("__setstate__") != std::string_view::npos)
            throw OpenMMException("ScoreProgram: " + name + " has a method __setstate__ in " + record +
                                  ", which would run while the file is loaded; expected none; write the "
                                  "module without it and export it again.");
        // The name of a class may be cut at any dot in a pickle.
        for (const std::string_view classes : {"torch.classes", "torch\nclasses"})
            if ((code || pickle) && content.find(classes) != std::string_view::npos)
                throw OpenMMException("ScoreProgram: " + name + " names a compiled class in " + record +
                                      "; expected tensors, numbers and modules; write the module without it "
                                      "and export it again.");
    }
}

void requireAllowedOperators(const torch::jit::Module& module, const std::string& name) {
    OperatorWalk(name).visit(module);
}

}  // namespace ScoreDynPlugin
