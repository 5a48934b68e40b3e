#pragma once

#include <string>
#include <vector>

namespace ScoreDynPlugin {

/// One network evaluation D = denoise(x, sigma) and the linear update that follows it:
///
///     x' = current x + anchor a + denoised D + previous D_previous + noise eps
///
/// with the anchor a := x (the latent the stage began with) after the update if `setAnchor`, D_previous the D
/// of the stage before, and eps unit normals of this stage's own. Every solver is a list of such stages, so
/// it is executed by one loop on any device.
struct Stage {
    double sigma;
    double current = 0, anchor = 0, denoised = 0, previous = 0, noise = 0;
    bool setAnchor = false;
};

/// A way to integrate from noise to a clean latent: what its name stands for, and the stages of one draw.
struct SolverMethod {
    std::string name, description;
    std::vector<Stage> (*plan)(int denoisingSteps, double sigmaMin, double sigmaMax, double sigmaData);
};

/// All methods, the default first. A new one is an entry of this table and nothing else.
const std::vector<SolverMethod>& solverMethods();

/// One of the table's methods.
using Solver = const SolverMethod*;

/// Throws OpenMMException, with the names there are, for another one.
Solver parseSolver(const std::string& name);
std::string solverName(Solver solver);

/// The stages of one draw: exactly `denoisingSteps` of them, from x = sigmaMax eps to the clean estimate, so
/// no residual noise is left.
///
/// trig_2m integrates what is not Gaussian and is exact for the rest, whatever the number of steps: with
/// sigma = sigmaData tan(angle) and F the unit-variance output of EDM, the scaled latent
/// x / sqrt(sigma^2 + sigmaData^2) obeys dx/dangle = -F (Karras et al. 2022, table 1; the angle of Lu and
/// Song 2024), and F = 0 for normal latents of spread sigmaData. Two-step Adams-Bashforth, equal steps in the
/// angle down to 0.
///
/// The others step over the noise levels of Karras et al. 2022 (eq. 5, rho = 7), and the last stage returns D
/// itself. euler_ancestral: ancestral sampling. heun: Karras et al. 2022, algorithm 1 without churn.
/// dpmpp_2m: Lu et al. 2022, DPM-Solver++(2M). dpmpp_sde: the single-step second-order SDE solver of the same
/// work, midpoint in ln(sigma), with the noise of both halves from one Brownian path in 1/sigma^2. Heun and
/// dpmpp_sde take two evaluations between two levels; where `denoisingSteps` is even, the last interval
/// before sigmaMin takes one, at first order.
///
/// Throws OpenMMException unless 1 <= denoisingSteps < 65535, 0 < sigmaMin < sigmaMax and sigmaData > 0.
std::vector<Stage> makeSolverPlan(Solver solver, int denoisingSteps, double sigmaMin, double sigmaMax,
                                  double sigmaData);

}  // namespace ScoreDynPlugin
