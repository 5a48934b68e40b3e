#include "SolverPlan.h"

#include <array>
#include <cmath>
#include <sstream>
#include <utility>

#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

namespace {

constexpr std::array<std::pair<const char*, Solver>, 4> names = {{{"euler_ancestral", Solver::EulerAncestral},
                                                                  {"heun", Solver::Heun},
                                                                  {"dpmpp_2m", Solver::Dpmpp2m},
                                                                  {"dpmpp_sde", Solver::DpmppSde}}};

std::vector<double> karrasLevels(int count, double sigmaMin, double sigmaMax) {
    constexpr double rho = 7;
    std::vector<double> levels{sigmaMax};
    const double high = std::pow(sigmaMax, 1 / rho), low = std::pow(sigmaMin, 1 / rho);
    for (int i = 1; i < count; ++i) levels.push_back(std::pow(high + i * (low - high) / (count - 1), rho));
    return levels;
}

/// First-order step of the reverse SDE from `sigma` to `next`.
Stage ancestral(double sigma, double next) {
    const double keep = next * next / (sigma * sigma);
    return {.sigma = sigma, .current = keep, .denoised = 1 - keep, .noise = next * std::sqrt(1 - keep)};
}

/// First-order step of the probability-flow ODE.
Stage euler(double sigma, double next) {
    return {.sigma = sigma, .current = next / sigma, .denoised = 1 - next / sigma};
}

void appendHeun(std::vector<Stage>& plan, double sigma, double next) {
    Stage predictor = euler(sigma, next);
    predictor.setAnchor = true;
    plan.push_back(predictor);
    const double half = 0.5 * (next - sigma);
    plan.push_back({.sigma = next,
                    .current = half / next,
                    .anchor = 1 + half / sigma,
                    .denoised = -half / next,
                    .previous = -half / sigma});
}

/// The noise of the first half is read back from its result, so that both halves share one Brownian path.
void appendSde(std::vector<Stage>& plan, double sigma, double next) {
    const double middle = std::sqrt(sigma * next);
    const Stage first = ancestral(sigma, middle);
    plan.push_back(first);
    const double keep = next * next / (middle * middle);
    plan.push_back({.sigma = middle,
                    .current = keep,
                    .denoised = 1 - next * next / (sigma * sigma),
                    .previous = -keep * first.denoised,
                    .noise = next * std::sqrt(1 - keep)});
}

void appendMultistep(std::vector<Stage>& plan, double sigma, double next) {
    Stage stage = euler(sigma, next);
    if (!plan.empty()) {
        const double ratio = std::log(plan.back().sigma / sigma) / std::log(sigma / next);
        stage.previous = -stage.denoised / (2 * ratio);
        stage.denoised *= 1 + 1 / (2 * ratio);
    }
    plan.push_back(stage);
}

}  // namespace

Solver parseSolver(const std::string& name) {
    for (const auto& [known, solver] : names)
        if (name == known) return solver;
    throw OpenMM::OpenMMException("Solver: unknown name '" + name +
                                  "'; expected euler_ancestral, heun, dpmpp_2m or dpmpp_sde. Choose one of these.");
}

std::string solverName(Solver solver) {
    for (const auto& [name, known] : names)
        if (solver == known) return name;
    throw OpenMM::OpenMMException("Solver: not one of the four solvers.");
}

std::vector<Stage> makeSolverPlan(Solver solver, int denoisingSteps, double sigmaMin, double sigmaMax) {
    if (denoisingSteps < 1 || !(sigmaMin > 0) || !(sigmaMax > sigmaMin)) {
        std::ostringstream text;
        text << "SolverPlan: expected at least 1 denoising step and 0 < sigma_min < sigma_max, found " << denoisingSteps
             << " steps, sigma_min " << sigmaMin << " and sigma_max " << sigmaMax << ". Correct them.";
        throw OpenMM::OpenMMException(text.str());
    }
    const bool twice = solver == Solver::Heun || solver == Solver::DpmppSde;
    const int count = twice ? denoisingSteps / 2 + 1 : denoisingSteps;
    const std::vector<double> levels = karrasLevels(count, sigmaMin, sigmaMax);
    std::vector<Stage> plan;
    for (int i = 0; i + 1 < count; ++i) {
        const bool single = i + 2 == count && denoisingSteps % 2 == 0;
        if (solver == Solver::Dpmpp2m)
            appendMultistep(plan, levels[i], levels[i + 1]);
        else if (solver == Solver::EulerAncestral || (solver == Solver::DpmppSde && single))
            plan.push_back(ancestral(levels[i], levels[i + 1]));
        else if (solver == Solver::DpmppSde)
            appendSde(plan, levels[i], levels[i + 1]);
        else if (single)
            plan.push_back(euler(levels[i], levels[i + 1]));
        else
            appendHeun(plan, levels[i], levels[i + 1]);
    }
    plan.push_back({.sigma = levels.back(), .denoised = 1});
    return plan;
}

}  // namespace ScoreDynPlugin
