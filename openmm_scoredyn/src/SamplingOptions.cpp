#include "SamplingOptions.h"

#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;

const SamplingOptions::Number& SamplingOptions::number(const std::string& name) {
    std::string known;
    for (const Number& entry : numbers()) {
        if (entry.name == name) return entry;
        known += (known.empty() ? "" : ", ") + entry.name;
    }
    throw OpenMMException("SamplingOptions: expected one of " + known + ", found '" + name +
                          "'; choose one of these.");
}

void SamplingOptions::set(const std::string& who, const Card& card, const Number& number, int value) {
    const int least = number.least(card), most = number.most(card);
    if (value < least || value > most)
        throw OpenMMException(who + ": the " + number.meaning + " is " + std::to_string(value) +
                              "; expected " + std::to_string(least) + " to " + std::to_string(most) +
                              "; give one in this range.");
    this->*number.value = value;
}

void SamplingOptions::set(const Card& card, Solver chosen) {
    requireSolver(card, solverName(chosen));
    solver = chosen;
}

}  // namespace ScoreDynPlugin
