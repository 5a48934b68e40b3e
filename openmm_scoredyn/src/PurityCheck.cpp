#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "AllowedOperators.h"
#include "OperatorCheck.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;
namespace jit = torch::jit;

namespace {

constexpr double maxOperations = 1e6;  // of one call, as far as the loops count to a constant

bool isView(const jit::Node* node) {
    static const c10::Symbol views[] = {c10::aten::select,  c10::aten::slice,      c10::aten::unsqueeze,
                                        c10::aten::squeeze, c10::aten::permute,    c10::aten::transpose,
                                        c10::aten::flatten, c10::aten::reshape,    c10::aten::view,
                                        c10::aten::to,      c10::aten::contiguous, c10::aten::unflatten};
    return std::ranges::find(views, node->kind()) != std::end(views);
}

/// Whether a tensor is an input, or a part of one: its shape is then that of real memory. (A tensor can be
/// expanded to any length without memory.)
bool isInput(const jit::Value* value) {
    while (isView(value->node())) value = value->node()->input(0);
    return value->node()->kind() == c10::prim::Param && value->node()->owningBlock()->owningNode() == nullptr;
}

/// Which numbers a loop may count to.
class Counts {
public:
    bool bounded(const jit::Value* value, int depth = 0) {
        const auto [place, isNew] = known_.emplace(value, false);
        if (isNew && depth < maxDepth) known_[value] = isBounded(value, depth + 1);
        return known_[value];
    }

private:
    static constexpr int maxDepth = 64;  // of arithmetic

    bool isBounded(const jit::Value* value, int depth) {
        if (const auto constant = jit::toIValue(value))
            return constant->isInt() && std::abs(double(constant->toInt())) <= maxOperations;
        const jit::Node* node = value->node();
        const std::string kind = node->kind().toQualString();
        if (kind == "aten::size" || kind == "aten::sym_size") return isInput(node->input(0));
        if (kind == "aten::len")
            return node->input(0)->type()->kind() != c10::TypeKind::TensorType || isInput(node->input(0));
        if (kind == "aten::__getitem__") {
            const jit::Node* shape = node->input(0)->node();
            return shape->kind() == c10::aten::size && isInput(shape->input(0));
        }
        static const std::string arithmetic[] = {"aten::add", "aten::sub", "aten::mul", "aten::floordiv",
                                                 "aten::__range_length"};
        const bool isMin = kind == "prim::min";
        if (!isMin && std::ranges::find(arithmetic, kind) == std::end(arithmetic)) return false;
        const bool ofList = isMin && node->inputs().size() == 1;
        const at::ArrayRef<const jit::Value*> inputs =
            ofList ? std::as_const(*node->input(0)->node()).inputs() : node->inputs();
        if (ofList && node->input(0)->node()->kind() != c10::prim::ListConstruct) return false;
        const auto one = [&](const jit::Value* input) { return bounded(input, depth); };
        return isMin ? std::any_of(inputs.begin(), inputs.end(), one)
                     : std::all_of(inputs.begin(), inputs.end(), one);
    }

    std::map<const jit::Value*, bool> known_;
};

const c10::AliasInfo* aliasOf(const c10::FunctionSchema& schema, size_t argument) {
    return argument < schema.arguments().size() ? schema.arguments()[argument].alias_info() : nullptr;
}

/// Which tensors and containers are new in this call, whatever is done with them later; the others may be
/// inputs or weights.
class Origins {
public:
    bool isNew(const jit::Value* value) {
        std::set<const jit::Value*> seen;
        std::vector<const jit::Value*> waiting = {value};
        while (!waiting.empty()) {
            const jit::Value* next = waiting.back();
            waiting.pop_back();
            if (known_.contains(next) || !seen.insert(next).second) continue;
            if (!addSources(next, waiting)) return false;
        }
        known_.merge(seen);
        return true;
    }

private:
    /// What a value may be another name of, or a part; false if it may be an input or a weight.
    static bool addSources(const jit::Value* value, std::vector<const jit::Value*>& sources) {
        const jit::Node* node = value->node();
        const size_t i = value->offset();
        switch (node->kind()) {
            case c10::prim::ListConstruct:
            case c10::prim::DictConstruct:
            case c10::prim::NumToTensor:
            case c10::prim::Uninitialized:
                return true;
            case c10::prim::unchecked_cast:
            case c10::prim::unchecked_unwrap_optional:
            case c10::prim::ConstantChunk:
                sources.push_back(node->input(0));
                return true;
            case c10::prim::If:
                for (const jit::Block* branch : node->blocks()) sources.push_back(branch->outputs()[i]);
                return true;
            case c10::prim::Loop:
                addCarried(node, i, sources);
                return true;
            case c10::prim::Param: {
                const jit::Node* loop = node->owningBlock()->owningNode();
                if (loop == nullptr || loop->kind() != c10::prim::Loop || i == 0) return false;
                addCarried(loop, i - 1, sources);
                return true;
            }
            default:
                return node->kind().is_aten() && addArguments(node, i, sources);
        }
    }

    /// The value that a loop carries at this place comes from before it, or from the round before.
    static void addCarried(const jit::Node* loop, size_t place, std::vector<const jit::Value*>& sources) {
        sources.push_back(loop->input(place + 2));                   // after trips and condition
        sources.push_back(loop->blocks()[0]->outputs()[place + 1]);  // after the condition
    }

    /// The arguments that an operator may hand on.
    static bool addArguments(const jit::Node* node, size_t output, std::vector<const jit::Value*>& sources) {
        const c10::FunctionSchema* schema = node->maybeSchema();
        if (schema == nullptr || output >= schema->returns().size()) return false;
        const bool maybeSame = useOf(node->kind().toQualString()) == OperatorUse::MaybeSame;
        const c10::AliasInfo* alias = schema->returns()[output].alias_info();
        if (alias != nullptr && alias->isWildcardAfter()) return false;
        for (size_t i = 0; i < node->inputs().size(); ++i) {
            const c10::AliasInfo* given = aliasOf(*schema, i);
            const bool handedOn =
                alias != nullptr && given != nullptr &&
                std::ranges::any_of(given->beforeSets(), [&](const c10::Symbol& set) {
                    return alias->beforeSets().contains(set) || alias->afterSets().contains(set);
                });
            const bool tensor = node->input(i)->type()->isSubtypeOf(*c10::TensorType::get());
            if (handedOn || (maybeSame && tensor)) sources.push_back(node->input(i));
        }
        return true;
    }

    std::set<const jit::Value*> known_;
};

class PurityCheck {
public:
    PurityCheck(const std::shared_ptr<jit::Graph>& graph, const std::string& method, const std::string& name)
        : what_("ScoreProgram: the method `" + method + "` of " + name + " ") {
        const double operations = check(graph->block());
        if (operations > maxOperations)
            refuse("takes more than a million operations", "fewer",
                   "work on tensors instead of numbers one by one");
    }

private:
    [[noreturn]] void refuse(const std::string& found, const std::string& expected,
                             const std::string& advice) const {
        throw OpenMMException(what_ + found + "; expected " + expected + "; " + advice +
                              " and export the model again.");
    }

    /// Number of operations, as far as loops count to a constant.
    double check(const jit::Block* block) {
        double operations = 0;
        for (const jit::Node* node : block->nodes()) {
            const std::string kind = node->kind().toQualString();
            double inside = 0;
            for (const jit::Block* inner : node->blocks()) inside += check(inner);
            if (node->kind() == c10::prim::Loop) inside *= trips(node);
            operations += 1 + inside;
            if (node->blocks().empty()) checkNode(node, kind);
        }
        return operations;
    }

    double trips(const jit::Node* loop) {
        if (!counts_.bounded(loop->input(0)))
            refuse("has a loop that nothing bounds", "loops over lists, sizes of the inputs or constants",
                   "write no `while`, and `for i in range(n)` with such an n,");
        const auto constant = jit::toIValue(loop->input(0));
        return constant ? std::max(1.0, double(constant->toInt())) : 1.0;
    }

    void checkNode(const jit::Node* node, const std::string& kind) {
        if (node->kind() == c10::prim::GetAttr || node->kind() == c10::prim::SetAttr)
            refuse("changes the attribute '" + node->s(c10::attr::name) + "'", "a program without state",
                   "return what it holds instead");
        if (useOf(kind) == OperatorUse::GoneLater || trains(node))
            refuse("uses " + kind + ", which draws random numbers, warns or changes weights",
                   "a program that does none of that", "take it out");
        if (!writesToNew(node))
            refuse("writes with " + kind + " to its inputs or weights", "a program that changes neither",
                   "write to a copy (clone)");
    }

    bool writesToNew(const jit::Node* node) {
        const c10::FunctionSchema* schema = node->maybeSchema();
        for (size_t i = 0; schema != nullptr && i < node->inputs().size(); ++i) {
            const c10::AliasInfo* alias = aliasOf(*schema, i);
            if (alias != nullptr && alias->isWrite() && !origins_.isNew(node->input(i))) return false;
        }
        return true;
    }

    static bool trains(const jit::Node* node) {
        const c10::FunctionSchema* schema = node->maybeSchema();
        if (schema == nullptr) return false;
        for (size_t i = 0; i < schema->arguments().size() && i < node->inputs().size(); ++i) {
            const std::string& name = schema->arguments()[i].name();
            const auto value = jit::toIValue(node->input(i));
            if (name == "dropout_p" && (!value || value->toDouble() != 0)) return true;
            if (name != "train" && name != "training" && name != "use_input_stats") continue;
            if (!value || !value->isBool() || value->toBool()) return true;
        }
        return false;
    }

    std::string what_;
    Counts counts_;
    Origins origins_;
};

}  // namespace

void requirePureMethod(const std::shared_ptr<torch::jit::Graph>& graph, const std::string& method,
                       const std::string& name) {
    const PurityCheck check(graph, method, name);
}

}  // namespace ScoreDynPlugin
