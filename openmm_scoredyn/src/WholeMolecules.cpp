#include "WholeMolecules.h"

#include <cmath>

namespace ScoreDynPlugin {

using OpenMM::Vec3;

WholeMolecules::WholeMolecules(int numParticles, const std::vector<std::pair<int, int>>& bonds) {
    std::vector<std::vector<int>> neighbours(numParticles);
    for (const auto& [i, j] : bonds) {
        neighbours[i].push_back(j);
        neighbours[j].push_back(i);
    }
    std::vector<bool> placed(numParticles, false);
    for (int root = 0; root < numParticles; ++root) {
        if (placed[root]) continue;
        placed[root] = true;
        first_.push_back(static_cast<int>(walk_.size()));
        walk_.emplace_back(root, root);
        std::vector<int> queue{root};
        for (size_t next = 0; next < queue.size(); ++next) {
            const int from = queue[next];
            for (int atom : neighbours[from]) {
                if (placed[atom]) continue;
                placed[atom] = true;
                walk_.emplace_back(from, atom);
                queue.push_back(atom);
            }
        }
    }
    first_.push_back(static_cast<int>(walk_.size()));
}

void WholeMolecules::apply(std::vector<Vec3>& positions, const Vec3* box) const {
    for (const auto& [from, atom] : walk_) {
        // From the last vector to the first, because in the reduced form each one changes the components
        // before it.
        for (int axis = 2; axis >= 0; --axis) {
            const double images =
                std::round((positions[atom][axis] - positions[from][axis]) / box[axis][axis]);
            if (images != 0) positions[atom] -= box[axis] * images;
        }
    }
}

}  // namespace ScoreDynPlugin
