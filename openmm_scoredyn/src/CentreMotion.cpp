#include "CentreMotion.h"

#include <cmath>

#include "openmm/CMMotionRemover.h"

namespace ScoreDynPlugin {

namespace {

bool hasMotionRemover(const OpenMM::System& system) {
    for (int i = 0; i < system.getNumForces(); ++i)
        if (dynamic_cast<const OpenMM::CMMotionRemover*>(&system.getForce(i))) return true;
    return false;
}

}  // namespace

CentreMotion::CentreMotion(const OpenMM::System& system, const std::vector<int>& particles) {
    if (!hasMotionRemover(system)) return;
    double total = 0;
    for (const int particle : particles) total += system.getParticleMass(particle);
    for (const int particle : particles)
        weights_.push_back(std::sqrt(system.getParticleMass(particle) / total));
}

void CentreMotion::remove(std::vector<float>& normals) const {
    for (int axis = 0; axis < 3; ++axis) {
        double along = 0;
        for (size_t i = 0; i < weights_.size(); ++i) along += weights_[i] * normals[3 * i + axis];
        for (size_t i = 0; i < weights_.size(); ++i)
            normals[3 * i + axis] = static_cast<float>(normals[3 * i + axis] - weights_[i] * along);
    }
}

}  // namespace ScoreDynPlugin
