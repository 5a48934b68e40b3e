#include "ReferenceScoreDynamicsKernels.h"

#include <cmath>
#include <sstream>
#include <utility>

#include "openmm/OpenMMException.h"
#include "openmm/reference/SimTKOpenMMRealType.h"

namespace ScoreDynPlugin {

using OpenMM::ContextImpl;
using OpenMM::System;
using OpenMM::Vec3;

void ReferenceIntegrateScoreDynamicsStepKernel::initialize(const System& system,
                                                           const std::vector<int>& particles) {
    particles_ = particles;
    for (int i = 0; i < system.getNumParticles(); ++i) {
        masses_.push_back(system.getParticleMass(i));
        inverseMasses_.push_back(masses_[i] == 0 ? 0 : 1 / masses_[i]);
    }
    for (int i = 0; i < system.getNumConstraints(); ++i) {
        Constraint c;
        system.getConstraintParameters(i, c.particle1, c.particle2, c.distance);
        constraints_.push_back(c);
    }
}

void ReferenceIntegrateScoreDynamicsStepKernel::gather(ContextImpl&, std::vector<Vec3>& positions) {
    for (size_t i = 0; i < particles_.size(); ++i) positions[i] = (*data_.positions)[particles_[i]];
}

void ReferenceIntegrateScoreDynamicsStepKernel::finish(ContextImpl& context,
                                                       const std::vector<float>& positions,
                                                       const std::vector<float>& normals, double temperature,
                                                       double stepSize, double constraintTolerance) {
    // Everything is computed beside the context's own arrays, which are touched last, when nothing can fail
    // any more.
    newPositions_ = *data_.positions;
    newVelocities_.assign(newPositions_.size(), Vec3());
    for (size_t i = 0; i < particles_.size(); ++i) {
        const int particle = particles_[i];
        const double speed = std::sqrt(BOLTZ * temperature * inverseMasses_[particle]);
        newPositions_[particle] = Vec3(positions[3 * i], positions[3 * i + 1], positions[3 * i + 2]);
        newVelocities_[particle] = Vec3(normals[3 * i], normals[3 * i + 1], normals[3 * i + 2]) * speed;
    }
    constrainPositions(constraintTolerance);
    data_.constraints->applyToVelocities(newPositions_, newVelocities_, inverseMasses_, constraintTolerance);
    data_.virtualSites->computePositions(context.getSystem(), newPositions_, data_.periodicBoxVectors);

    std::swap(*data_.positions, newPositions_);
    std::swap(*data_.velocities, newVelocities_);
    data_.time += stepSize;
    data_.stepCount++;
}

void ReferenceIntegrateScoreDynamicsStepKernel::constrainPositions(double tolerance) {
    if (constraints_.empty()) return;
    // The directions of the constraints are those of the proposal: over a whole lag time a bond turns too far
    // for its old direction to be of use.
    unconstrained_ = newPositions_;
    data_.constraints->apply(unconstrained_, newPositions_, inverseMasses_, tolerance);
    for (const Constraint& c : constraints_) {
        const Vec3 delta = newPositions_[c.particle1] - newPositions_[c.particle2];
        const double distance = std::sqrt(delta.dot(delta));
        // The algorithms measure the squared distance, hence a little more than the tolerance itself.
        if (std::abs(distance - c.distance) <= 2 * tolerance * c.distance) continue;
        std::ostringstream text;
        text << "ScoreDynamicsIntegrator: the constraint between particles " << c.particle1 << " and "
             << c.particle2 << " cannot be satisfied; expected a distance of " << c.distance << " nm, found "
             << distance << " nm; use the constraints of the training data, or another model.";
        throw OpenMM::OpenMMException(text.str());
    }
}

double ReferenceIntegrateScoreDynamicsStepKernel::computeKineticEnergy(ContextImpl&) {
    double energy = 0;
    const std::vector<Vec3>& velocities = *data_.velocities;
    for (size_t i = 0; i < velocities.size(); ++i) energy += masses_[i] * velocities[i].dot(velocities[i]);
    return 0.5 * energy;
}

}  // namespace ScoreDynPlugin
