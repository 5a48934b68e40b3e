#include "CommonScoreDynamicsKernels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "CommonScoreDynamicsSource.h"
#include "openmm/common/ContextSelector.h"
#include "openmm/common/IntegrationUtilities.h"
#include "openmm/reference/SimTKOpenMMRealType.h"

namespace ScoreDynPlugin {

using OpenMM::ComputeArray;
using OpenMM::ComputeKernel;
using OpenMM::ComputeProgram;
using OpenMM::ContextImpl;
using OpenMM::ContextSelector;
using OpenMM::mm_int2;
using OpenMM::mm_int4;
using OpenMM::System;
using OpenMM::Vec3;

void CommonIntegrateScoreDynamicsStepKernel::initialize(const System& system, const Model& model) {
    cc_.initializeContexts();
    const ContextSelector selector(cc_);
    constraints_ = constraintsOf(system);
    createArrays(system, model);
    createKernels();
}

void CommonIntegrateScoreDynamicsStepKernel::createArrays(const System& system, const Model& model) {
    numModelled_ = static_cast<int>(model.particles.size());
    numMolecules_ = model.periodic ? static_cast<int>(model.wholeMolecules.firstOfMolecule().size()) - 1 : 0;
    const int wide = cc_.getSupportsDoublePrecision() ? sizeof(double) : sizeof(float);
    const auto upload = [&](ComputeArray& array, const auto& values, const char* name) {
        array.initialize(cc_, values.size(), sizeof(values[0]), name);
        array.upload(values);
    };
    std::vector<int> modelIndex(system.getNumParticles(), -1);
    for (int i = 0; i < numModelled_; ++i) modelIndex[model.particles[i]] = i;
    upload(modelIndex_, modelIndex, "scoreDynamicsModelIndex");
    box_.initialize(cc_, 9, wide, "scoreDynamicsBox");
    cellOffsets_.initialize<mm_int4>(cc_, cc_.getPaddedNumAtoms(), "scoreDynamicsCellOffsets");
    frame_.initialize<float>(cc_, 3 * numModelled_, "scoreDynamicsFrame");
    normals_.initialize<float>(cc_, 3 * numModelled_, "scoreDynamicsNormals");
    slots_.initialize<int>(cc_, system.getNumParticles(), "scoreDynamicsSlots");
    if (numMolecules_ > 0) {
        std::vector<mm_int2> walk;
        for (const auto& [from, atom] : model.wholeMolecules.walk()) walk.emplace_back(from, atom);
        upload(walk_, walk, "scoreDynamicsWalk");
        upload(firstOfMolecule_, model.wholeMolecules.firstOfMolecule(), "scoreDynamicsFirstOfMolecule");
        gathered_.initialize(cc_, 3 * numModelled_, wide, "scoreDynamicsGathered");
    }
    if (constraints_.empty()) return;
    std::vector<mm_int2> atoms;
    for (const Constraint& c : constraints_) atoms.emplace_back(c.particle1, c.particle2);
    upload(constraintAtoms_, atoms, "scoreDynamicsConstraintAtoms");
    measured_.initialize(cc_, 2 * constraints_.size(), wide, "scoreDynamicsMeasured");
    const auto likeArray = [&](ComputeArray& array, const OpenMM::ArrayInterface& other, const char* name) {
        array.initialize(cc_, other.getSize(), other.getElementSize(), name);
    };
    likeArray(oldPosq_, cc_.getPosq(), "scoreDynamicsOldPosq");
    if (cc_.getUseMixedPrecision())
        likeArray(oldCorrection_, cc_.getPosqCorrection(), "scoreDynamicsOldCorrection");
}

void CommonIntegrateScoreDynamicsStepKernel::createKernels() {
    const std::string wide = cc_.getSupportsDoublePrecision() ? "double" : "float";
    ComputeProgram program = cc_.compileProgram(
        commonScoreDynamicsSource, {{"WIDE", wide}, {"GATHERED", numMolecules_ > 0 ? wide : "float"}});
    const auto positionKernel = [&](const char* name, int size) {
        ComputeKernel kernel = program->createKernel(name);
        kernel->addArg(size);
        kernel->addArg(cc_.getPosq());
        if (cc_.getUseMixedPrecision()) kernel->addArg(cc_.getPosqCorrection());
        return kernel;
    };
    const auto addArrays = [](ComputeKernel& kernel, std::initializer_list<OpenMM::ArrayInterface*> arrays) {
        for (OpenMM::ArrayInterface* array : arrays) kernel->addArg(*array);
    };
    gatherKernel_ = positionKernel("gatherPositions", cc_.getNumAtoms());
    addArrays(gatherKernel_, {&cc_.getAtomIndexArray(), &modelIndex_, &cellOffsets_, &box_,
                              numMolecules_ > 0 ? &gathered_ : &frame_});
    positionsKernel_ = positionKernel("setPositions", cc_.getNumAtoms());
    addArrays(positionsKernel_,
              {&cc_.getAtomIndexArray(), &modelIndex_, &cellOffsets_, &box_, &frame_, &slots_});
    velocitiesKernel_ = program->createKernel("setVelocities");
    velocitiesKernel_->addArg(cc_.getNumAtoms());
    addArrays(velocitiesKernel_, {&cc_.getVelm(), &cc_.getAtomIndexArray(), &modelIndex_, &normals_});
    velocitiesKernel_->addArg();
    if (numMolecules_ > 0) {
        wholeKernel_ = program->createKernel("makeWhole");
        wholeKernel_->addArg(numMolecules_);
        addArrays(wholeKernel_, {&firstOfMolecule_, &walk_, &box_, &gathered_, &frame_});
    }
    if (constraints_.empty()) return;
    OpenMM::ArrayInterface& delta = cc_.getIntegrationUtilities().getPosDelta();
    measureKernel_ = positionKernel("measureConstraints", static_cast<int>(constraints_.size()));
    addArrays(measureKernel_, {&delta, &constraintAtoms_, &slots_, &measured_});
    moveKernel_ = positionKernel("movePositions", cc_.getNumAtoms());
    addArrays(moveKernel_, {&delta});
}

float* CommonIntegrateScoreDynamicsStepKernel::gather(ContextImpl&) {
    const ContextSelector selector(cc_);
    waitForProgram();
    uploadBox();
    uploadCellOffsets();
    gatherKernel_->execute(cc_.getNumAtoms());
    if (numMolecules_ > 0) wholeKernel_->execute(numMolecules_);
    return handOver(frame_);
}

float* CommonIntegrateScoreDynamicsStepKernel::handOver(ComputeArray& array) {
    array.download(hostFrame_);
    return hostFrame_.data();
}

void CommonIntegrateScoreDynamicsStepKernel::takeBack(ComputeArray& array, const float* positions) {
    array.upload(positions, true);
}

void CommonIntegrateScoreDynamicsStepKernel::uploadBox() {
    Vec3 vectors[3];
    cc_.getPeriodicBoxVectors(vectors[0], vectors[1], vectors[2]);
    const auto at = [&](int i) { return vectors[i / 3][i % 3]; };
    bool same = !boxThere_.empty();
    for (int i = 0; same && i < 9; ++i) same = boxThere_[i] == at(i);
    if (same) return;
    boxThere_.resize(9);
    for (int i = 0; i < 9; ++i) boxThere_[i] = at(i);
    box_.upload(boxThere_, true);
}

void CommonIntegrateScoreDynamicsStepKernel::uploadCellOffsets() {
    // Nobody tells when setPositions or a checkpoint changes them.
    const std::vector<mm_int4>& offsets = cc_.getPosCellOffsets();
    const auto equal = [](const mm_int4& a, const mm_int4& b) {
        return a.x == b.x && a.y == b.y && a.z == b.z;
    };
    if (cellOffsetsThere_.size() == offsets.size() &&
        std::equal(offsets.begin(), offsets.end(), cellOffsetsThere_.begin(), equal))
        return;
    cellOffsetsThere_ = offsets;
    cellOffsets_.uploadSubArray(offsets.data(), 0, static_cast<int>(offsets.size()));
}

void CommonIntegrateScoreDynamicsStepKernel::finish(ContextImpl&, const float* positions,
                                                    const StepEnd& end) {
    const ContextSelector selector(cc_);
    takeBack(frame_, positions);
    if (!constraints_.empty()) {
        cc_.getPosq().copyTo(oldPosq_);
        if (cc_.getUseMixedPrecision()) cc_.getPosqCorrection().copyTo(oldCorrection_);
    }
    positionsKernel_->execute(cc_.getNumAtoms());
    if (!constraints_.empty()) constrainPositions(end.constraintTolerance);

    OpenMM::IntegrationUtilities& integration = cc_.getIntegrationUtilities();
    integration.computeVirtualSites();
    normals_.upload(end.normals);
    const double kT = BOLTZ * end.temperature;
    const int kTArgument = 5;
    if (mixedIsDouble())
        velocitiesKernel_->setArg(kTArgument, kT);
    else
        velocitiesKernel_->setArg(kTArgument, static_cast<float>(kT));
    velocitiesKernel_->execute(cc_.getNumAtoms());
    integration.applyVelocityConstraints(end.constraintTolerance);

    cc_.setTime(cc_.getTime() + end.stepSize);
    cc_.setStepCount(cc_.getStepCount() + 1);
    cc_.reorderAtoms();
}

void CommonIntegrateScoreDynamicsStepKernel::constrainPositions(double tolerance) {
    // The directions of the constraints are those of the proposal: over a whole lag time a bond turns too far
    // for its old direction to be of use. So the proposal counts as the old positions, and nothing moves yet.
    OpenMM::IntegrationUtilities& integration = cc_.getIntegrationUtilities();
    cc_.clearBuffer(integration.getPosDelta());
    // OpenMM makes a few iterations, meant for the small steps of MD; called again it goes on from there.
    const int maxCalls = 10;
    for (int call = 1; call <= maxCalls; ++call) {
        integration.applyConstraints(tolerance);
        if (constraintsHold(tolerance)) break;
    }
    try {
        for (size_t c = 0; c < constraints_.size(); ++c)
            checkConstraint(constraints_[c], measuredThere_[2 * c], tolerance, roundingOf(c));
    } catch (...) {
        oldPosq_.copyTo(cc_.getPosq());
        if (cc_.getUseMixedPrecision()) oldCorrection_.copyTo(cc_.getPosqCorrection());
        throw;
    }
    moveKernel_->execute(cc_.getNumAtoms());
}

bool CommonIntegrateScoreDynamicsStepKernel::constraintsHold(double tolerance) {
    measureKernel_->execute(static_cast<int>(constraints_.size()));
    measured_.download(measuredThere_, true);
    for (size_t c = 0; c < constraints_.size(); ++c)
        if (!isWithin(constraints_[c], measuredThere_[2 * c], tolerance, roundingOf(c))) return false;
    return true;
}

/// What rounding of the two positions can make of the length of a constraint, nm.
double CommonIntegrateScoreDynamicsStepKernel::roundingOf(size_t constraint) const {
    const double unit =
        mixedIsDouble() ? std::numeric_limits<double>::epsilon() : std::numeric_limits<float>::epsilon();
    return 4 * unit * measuredThere_[2 * constraint + 1];
}

double CommonIntegrateScoreDynamicsStepKernel::computeKineticEnergy(ContextImpl&) {
    const ContextSelector selector(cc_);
    return cc_.getIntegrationUtilities().computeKineticEnergy(0.0);
}

}  // namespace ScoreDynPlugin
