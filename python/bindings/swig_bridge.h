#pragma once

#include <Python.h>

#include "ScoreDynamicsIntegrator.h"

namespace ScoreDynPlugin {

/// Wrap an integrator as the SWIG object that openmm.Integrator keeps in its attribute `this`; Python owns
/// it. Returns a new reference. Throws OpenMMException when openmm's SWIG runtime is not the one we were
/// built with.
PyObject* wrapIntegrator(std::unique_ptr<ScoreDynamicsIntegrator> integrator);

/// The C++ object of any openmm.Integrator. Throws OpenMMException when the Python object is none.
OpenMM::Integrator& unwrapAnyIntegrator(PyObject* object);

/// The C++ object of an openmm.Integrator, or null when it is of another class.
/// Throws OpenMMException when the Python object is no openmm.Integrator.
ScoreDynamicsIntegrator* tryUnwrapIntegrator(PyObject* object);

/// The same, but throws for an integrator of another class.
ScoreDynamicsIntegrator& unwrapIntegrator(PyObject* object);

}  // namespace ScoreDynPlugin
