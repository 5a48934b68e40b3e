#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "GuardRules.h"

namespace ScoreDynPlugin {

/// Why a proposed frame was rejected, in the order in which the rules are checked.
enum class Cause { NotFinite, Bond, Angle, Stereochemistry, DoubleBond, Contact, Displacement };

/// The names of the causes, for counters, states and messages alike.
constexpr std::array<const char*, 7> causeNames{"not_finite",  "bond",    "angle",       "stereochemistry",
                                                "double_bond", "contact", "displacement"};

/// A rule that a frame breaks.
struct Violation {
    Cause cause;
    std::vector<int> atoms;
    double value;  ///< length or distance, nm; angle, degrees; triple product, nm^3; cosine of a dihedral
    double limit;  ///< what the value was held against, same unit
    std::string describe() const;
};

/// The checks a proposed frame must pass: finite positions and the rules of the particles.
class Guard {
public:
    Guard(int numParticles, const GuardRules& rules);

    /// First violation of `after` (N,3), nm, following `before` (N,3), nm; none if the frame is acceptable.
    /// The box (3,3), nm, matters for contacts alone; null or zeros where the system is not periodic.
    std::optional<Violation> check(const float* before, const float* after, const float* box = nullptr) const;

    /// As `check`, for a frame without one before it, such as a start structure.
    std::optional<Violation> checkFrame(const float* frame, const float* box = nullptr) const;

    /// All rules that a frame breaks by itself, each judged on its own.
    std::vector<Cause> causesOf(const float* frame, const float* box = nullptr) const;

private:
    /// Two particles that must not come nearer than the limit.
    struct Pair {
        int i, j;
        float minSquared;
    };

    void listPairs();
    std::optional<Violation> checkFinite(const float* positions) const;
    std::optional<Violation> checkBonds(const float* positions) const;
    std::optional<Violation> checkAngles(const float* positions) const;
    std::optional<Violation> checkStereocentres(const float* positions) const;
    std::optional<Violation> checkDoubleBonds(const float* positions) const;
    std::optional<Violation> checkContacts(const float* positions, const float* box) const;

    int numParticles_;
    GuardRules rules_;
    std::vector<double> shortest_, longest_;  // of the bonds
    std::vector<Pair> pairs_;
};

}  // namespace ScoreDynPlugin
