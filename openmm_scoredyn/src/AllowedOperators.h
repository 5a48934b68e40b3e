#pragma once

#include <string>

namespace ScoreDynPlugin {

/// What a TorchScript program may do with an operator. The lists are in AllowedOperators.cpp, with the rule
/// by which they grow.
enum class OperatorUse {
    Refused,    ///< in no list
    Pure,       ///< makes new values or views of its arguments, as its schema says
    MaybeSame,  ///< may also return an argument itself, which its schema does not say
    GoneLater,  ///< only where freezing takes it out: warnings, state
};

/// What may be done with the operator or node of this name, such as "aten::add".
OperatorUse useOf(const std::string& name);

}  // namespace ScoreDynPlugin
