#pragma once

#include <pybind11/pybind11.h>

namespace ScoreDynPlugin {

/// Adds the class Program to the module.
void bindProgram(pybind11::module_& m);

/// Adds the class ModelFile and the functions of archives to the module.
void bindModelFile(pybind11::module_& m);

/// Adds the functions behind the Python class ScoreDynamicsIntegrator to the module.
void bindIntegrator(pybind11::module_& m);

/// Adds the solvers by name, and the stages of each.
void bindSolvers(pybind11::module_& m);

/// Adds FullPrecision, a context manager: torch multiplies float32 matrices in float32, whatever the process
/// asked for.
void bindFullPrecision(pybind11::module_& m);

}  // namespace ScoreDynPlugin
