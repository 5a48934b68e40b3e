#pragma once

namespace ScoreDynPlugin {

/// Device code of CommonIntegrateScoreDynamicsStepKernel (src/kernels/scoreDynamics.cc), in OpenMM's common
/// subset of OpenCL, CUDA and HIP.
///
/// An atom has three numbers: `slot`, its place in the arrays of the context, which changes when OpenMM
/// reorders atoms; `particle`, its index in the System; and `modelIndex`, its place in the model, -1 for a
/// particle that is not modelled. `wide` is double wherever the device has it, so that the position of a
/// molecule that was moved by boxes is the same number that OpenMM itself reports.
extern const char* const commonScoreDynamicsSource;

}  // namespace ScoreDynPlugin
