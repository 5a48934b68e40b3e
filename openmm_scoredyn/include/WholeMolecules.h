#pragma once

#include <array>
#include <utility>
#include <vector>

#include "openmm/Vec3.h"

namespace ScoreDynPlugin {

/// Undoes the wrapping of molecules into a periodic box, by walking their bonds: every atom is moved to the
/// image nearest to the atom it was reached from. The first atom of every molecule stays where it is.
class WholeMolecules {
public:
    WholeMolecules(int numParticles, const std::vector<std::pair<int, int>>& bonds);

    /// Positions (N,3) nm, changed in place; box vectors in OpenMM's reduced form, nm.
    void apply(std::vector<OpenMM::Vec3>& positions, const std::array<OpenMM::Vec3, 3>& box) const;

private:
    std::vector<std::pair<int, int>> walk_;  // (atom already placed, atom to place)
};

}  // namespace ScoreDynPlugin
