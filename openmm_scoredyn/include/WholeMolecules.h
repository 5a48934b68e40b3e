#pragma once

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
    void apply(std::vector<OpenMM::Vec3>& positions, const OpenMM::Vec3* box) const;

    /// The walk as pairs (atom already placed, atom to place), molecule after molecule, each beginning with
    /// its first atom twice; and where every molecule begins in it, with the length of the walk at last.
    const std::vector<std::pair<int, int>>& walk() const { return walk_; }
    const std::vector<int>& firstOfMolecule() const { return first_; }

private:
    std::vector<std::pair<int, int>> walk_;
    std::vector<int> first_;
};

}  // namespace ScoreDynPlugin
