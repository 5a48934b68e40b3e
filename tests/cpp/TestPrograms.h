#pragma once

#include <memory>
#include <string>

#include "ScoreArchive.h"

// Score programs whose answers are known, for a molecule of two bonded atoms: carbon at the origin and oxygen
// at x = 0.125 nm. They are compiled here from TorchScript, so that the C++ tests need no Python.

/// What may differ from one test program to the next.
struct TestProgram {
    std::string code;  ///< TorchScript methods; `condition` gives the newest frame unless it is among them
    int denoisingSteps = 4;
    bool hasStart = false;
    std::string formatVersion = "2.0";
    bool periodic = false;
    double maxDisplacementNm = 2.0;
    int historyLength = 1;
    std::string recommendedLagTimePs = "";                    ///< nothing where it is not said
    std::string lagTimesPs = "1.0", temperaturesK = "300.0";  ///< the values that it knows, as JSON
    std::string matmulPrecision = "highest";
};

/// Compile the program, compute its golden triple and pack both with a card.
std::shared_ptr<const ScoreDynPlugin::ScoreArchive> makeArchive(const TestProgram& program);

/// Every atom moves along x by a constant, nm, in every step; the identity for 0.
TestProgram driftProgram(double velocity);

constexpr double ouDecay = 0.6, ouStep = 0.002;

/// x' = centre + ouDecay (x - centre) + ouStep eps about the molecule's own structure, in one go by `start`.
TestProgram ouInOneGo();

/// The same by denoising, whose optimal answer for a unit Gaussian is closed form.
TestProgram ouDenoiser();

/// The identity, but where the first atom is beyond x = 50 nm `denoise` returns `result` (TorchScript).
TestProgram failingProgram(const std::string& result);

/// Every atom moves along x by 0.25 nm * (c + 2 m), where c and m are how torch multiplies float32 matrices
/// during the step on a GPU and a processor: 0 in float32, 1 with TF32, 2 with bfloat16.
TestProgram precisionProgram(const std::string& matmulPrecision);

/// torch.set_float32_matmul_precision, and its getter.
void setProcessPrecision(const std::string& name);
std::string processPrecision();
