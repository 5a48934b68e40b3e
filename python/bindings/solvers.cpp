#include <pybind11/stl.h>

#include <string>

#include "SolverPlan.h"
#include "bindings.h"

namespace py = pybind11;

namespace ScoreDynPlugin {

namespace {

py::list solverPlan(const std::string& solver, int denoisingSteps, double sigmaMin, double sigmaMax,
                    double sigmaData) {
    using namespace py::literals;
    py::list plan;
    for (const Stage& stage :
         makeSolverPlan(parseSolver(solver), denoisingSteps, sigmaMin, sigmaMax, sigmaData))
        plan.append(py::dict("sigma"_a = stage.sigma, "current"_a = stage.current, "anchor"_a = stage.anchor,
                             "denoised"_a = stage.denoised, "previous"_a = stage.previous,
                             "noise"_a = stage.noise, "set_anchor"_a = stage.setAnchor));
    return plan;
}

py::dict solverMethodsDict() {
    py::dict methods;
    for (const SolverMethod& method : solverMethods()) methods[py::str(method.name)] = method.description;
    return methods;
}

}  // namespace

void bindSolvers(py::module_& m) {
    using namespace py::literals;
    m.def("solver_methods", &solverMethodsDict, "Name and description of every solver, the default first.");
    m.def("solver_plan", &solverPlan,
          "The stages of one draw, each a dict with the fields of the C++ struct Stage.", "solver"_a,
          "denoising_steps"_a, "sigma_min"_a, "sigma_max"_a, "sigma_data"_a);
}

}  // namespace ScoreDynPlugin
