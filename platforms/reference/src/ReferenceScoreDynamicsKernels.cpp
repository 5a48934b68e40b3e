#include "ReferenceScoreDynamicsKernels.h"

#include <cmath>
#include <utility>

#include "openmm/reference/SimTKOpenMMRealType.h"

namespace ScoreDynPlugin {

using OpenMM::ContextImpl;
using OpenMM::System;
using OpenMM::Vec3;

void ReferenceIntegrateScoreDynamicsStepKernel::initialize(const System& system, const Model& model) {
    model_ = model;
    gathered_.resize(model.particles.size());
    frame_.resize(3 * model.particles.size());
    for (int i = 0; i < system.getNumParticles(); ++i) {
        masses_.push_back(system.getParticleMass(i));
        inverseMasses_.push_back(masses_[i] == 0 ? 0 : 1 / masses_[i]);
    }
    constraints_ = constraintsOf(system);
}

float* ReferenceIntegrateScoreDynamicsStepKernel::gather(ContextImpl&) {
    for (size_t i = 0; i < gathered_.size(); ++i) gathered_[i] = (*data_.positions)[model_->particles[i]];
    if (model_->periodic) model_->wholeMolecules.apply(gathered_, data_.periodicBoxVectors);
    for (size_t i = 0; i < gathered_.size(); ++i)
        for (int axis = 0; axis < 3; ++axis) frame_[3 * i + axis] = static_cast<float>(gathered_[i][axis]);
    return frame_.data();
}

void ReferenceIntegrateScoreDynamicsStepKernel::finish(ContextImpl& context, const float* positions,
                                                       const StepEnd& end) {
    // Everything is computed beside the context's own arrays, which are touched last, when nothing can fail
    // any more.
    newPositions_ = *data_.positions;
    newVelocities_.assign(newPositions_.size(), Vec3());
    const float* const normals = end.normals.data();
    for (size_t i = 0; i < model_->particles.size(); ++i) {
        const int particle = model_->particles[i];
        const double speed = std::sqrt(BOLTZ * end.temperature * inverseMasses_[particle]);
        newPositions_[particle] = Vec3(positions[3 * i], positions[3 * i + 1], positions[3 * i + 2]);
        newVelocities_[particle] = Vec3(normals[3 * i], normals[3 * i + 1], normals[3 * i + 2]) * speed;
    }
    constrainPositions(end.constraintTolerance);
    data_.constraints->applyToVelocities(newPositions_, newVelocities_, inverseMasses_,
                                         end.constraintTolerance);
    data_.virtualSites->computePositions(context.getSystem(), newPositions_, data_.periodicBoxVectors);

    std::swap(*data_.positions, newPositions_);
    std::swap(*data_.velocities, newVelocities_);
    data_.time += end.stepSize;
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
        checkConstraint(c, std::sqrt(delta.dot(delta)), tolerance);
    }
}

double ReferenceIntegrateScoreDynamicsStepKernel::computeKineticEnergy(ContextImpl&) {
    double energy = 0;
    const std::vector<Vec3>& velocities = *data_.velocities;
    for (size_t i = 0; i < velocities.size(); ++i) energy += masses_[i] * velocities[i].dot(velocities[i]);
    return 0.5 * energy;
}

}  // namespace ScoreDynPlugin
