#pragma once

#include <array>
#include <optional>
#include <string>
#include <utility>
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
    // With squares beside the limits, so that an acceptable frame takes no roots and no inverse cosines.
    struct Bond {
        std::pair<int, int> atoms;
        double shortestNm, longestNm, leastSquare, largestSquare;
    };
    struct Angle {
        GuardRules::Angle rule;
        double leastCosine, largestCosine;  ///< squared, with the sign of the cosine
    };

    void listContacts(const GuardRules& rules);
    std::optional<Violation> checkFinite(const float* positions) const;
    std::optional<Violation> checkBonds(const float* positions) const;
    std::optional<Violation> checkAngles(const float* positions) const;
    std::optional<Violation> checkStereocentres(const float* positions) const;
    std::optional<Violation> checkDoubleBonds(const float* positions) const;
    std::optional<Violation> checkContacts(const float* positions, const float* box) const;

    int numParticles_;
    double maxDisplacementNm_;
    std::vector<Bond> bonds_;
    std::vector<Angle> angles_;
    std::vector<GuardRules::Stereocentre> stereocentres_;
    std::vector<GuardRules::DoubleBond> doubleBonds_;
    std::vector<float> contactSquares_;  ///< of the least distances of (0,1), (0,2) ... (1,2) ...; 0: none
};

}  // namespace ScoreDynPlugin
