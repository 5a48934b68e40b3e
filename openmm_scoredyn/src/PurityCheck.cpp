#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "AllowedOperators.h"
#include "OperatorCheck.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;
namespace jit = torch::jit;

namespace {

constexpr double maxOperations = 1e6;  // of one call, as far as the loops count to a constant

bool isView(const jit::Node* node) {
    static const c10::Symbol views[] = {c10::aten::select,  c10::aten::slice,     c10::aten::unsqueeze,
                                        c10::aten::squeeze, c10::aten::permute,   c10::aten::transpose,
                                        c10::aten::flatten, c10::aten::reshape,   c10::aten::view,
                                        c10::aten::to,      c10::aten::contiguous};
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
    bool bounded(const jit::Value* value) {
        const auto [place, isNew] = known_.emplace(value, false);
        if (isNew) known_[value] = isBounded(value);
        return known_[value];
    }

private:
    bool isBounded(const jit::Value* value) {
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
        const auto one = [&](const jit::Value* input) { return bounded(input); };
        return isMin ? std::any_of(inputs.begin(), inputs.end(), one)
                     : std::all_of(inputs.begin(), inputs.end(), one);
    }

    std::map<const jit::Value*, bool> known_;
};

class PurityCheck {
public:
    PurityCheck(const std::shared_ptr<jit::Graph>& graph, const std::string& method, const std::string& name)
        : what_("ScoreProgram: the method `" + method + "` of " + name + " "), aliases_(graph) {
        for (jit::Value* input : graph->inputs()) kept_.insert(input);
        collectKept(graph->block());
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

    /// Values that outlive the call: inputs, weights, and what may be either.
    void collectKept(jit::Block* block) {
        for (jit::Node* node : block->nodes()) {
            const bool kept = node->kind() == c10::prim::Constant ||
                              useOf(node->kind().toQualString()) == OperatorUse::MaybeSame;
            for (jit::Value* value : node->outputs())
                if (kept) kept_.insert(value);
            for (jit::Block* inner : node->blocks()) collectKept(inner);
        }
    }

    /// Number of operations, as far as loops count to a constant.
    double check(jit::Block* block) {
        double operations = 0;
        for (jit::Node* node : block->nodes()) {
            const std::string kind = node->kind().toQualString();
            double inside = 0;
            for (jit::Block* inner : node->blocks()) inside += check(inner);
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

    void checkNode(jit::Node* node, const std::string& kind) const {
        if (node->kind() == c10::prim::GetAttr || node->kind() == c10::prim::SetAttr)
            refuse("changes the attribute '" + node->s(c10::attr::name) + "'", "a program without state",
                   "return what it holds instead");
        if (useOf(kind) == OperatorUse::GoneLater || trains(node))
            refuse("uses " + kind + ", which draws random numbers, warns or changes weights",
                   "a program that does none of that", "take it out");
        if (aliases_.writesToAlias(node, kept_))
            refuse("writes with " + kind + " to its inputs or weights", "a program that changes neither",
                   "write to a copy (clone)");
        if (growsText(node))
            refuse("makes text of other text with " + kind, "text in messages of errors alone",
                   "use numbers");
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

    static bool isText(const jit::Value* value) { return value->type()->kind() == c10::TypeKind::StringType; }

    /// Text of text could double again and again.
    static bool growsText(const jit::Node* node) {
        return node->kind() != c10::prim::Constant && node->kind() != c10::prim::Uninitialized &&
               std::ranges::any_of(node->outputs(), isText) &&
               std::ranges::any_of(node->inputs(), [](const jit::Value* value) {
                   return isText(value) && value->node()->kind() != c10::prim::Constant;
               });
    }

    std::string what_;
    jit::AliasDb aliases_;
    jit::ValueSet kept_;
    Counts counts_;
};

}  // namespace

void requirePureMethod(const std::shared_ptr<torch::jit::Graph>& graph, const std::string& method,
                       const std::string& name) {
    const PurityCheck check(graph, method, name);
}

}  // namespace ScoreDynPlugin
