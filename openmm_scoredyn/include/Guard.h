#pragma once

#include <optional>
#include <string>
#include <vector>

#include "Card.h"

namespace ScoreDynPlugin {

/// Why a proposed frame was refused.
struct Violation {
    enum class Kind { NotFinite, Bond, Chirality, Displacement };
    Kind kind;
    std::vector<int> atoms;
    double value;  ///< bond length or displacement, nm; triple product, nm^3
    double limit;  ///< what the value was held against, same unit
    std::string describe() const;
};

/// The checks a proposed frame must pass: finite positions, bond lengths and handedness of the card, bounded
/// displacement.
class Guard {
public:
    explicit Guard(const Card& card);
    /// First violation of `after` (N,3), nm, following `before` (N,3), nm; none if the frame is acceptable.
    std::optional<Violation> check(const float* before, const float* after) const;

private:
    std::optional<Violation> checkBonds(const float* positions) const;
    std::optional<Violation> checkChirality(const float* positions) const;

    int numParticles_;
    std::vector<std::pair<int, int>> bonds_;
    std::vector<double> shortest_, longest_;
    std::vector<ChiralCentre> chiralCentres_;
    double maxDisplacement_;
};

}  // namespace ScoreDynPlugin
