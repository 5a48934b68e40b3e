#include "swig_bridge.h"

#include <string>

#include "openmm/OpenMMException.h"
#include "swig_runtime.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;

namespace {

swig_type_info* integratorType() {
    static swig_type_info* type = nullptr;
    if (type != nullptr) return type;
    // Two SWIG runtimes of different versions keep separate type tables, so ours would be empty.
    if (SWIG_GetModule(nullptr) != nullptr) type = SWIG_TypeQuery("OpenMM::Integrator *");
    PyErr_Clear();
    if (type == nullptr)
        throw OpenMMException(
            "openmm_scoredyn: the installed openmm was wrapped with another SWIG runtime; expected "
            "version " SWIG_RUNTIME_VERSION "; install another version of swig and build again.");
    return type;
}

}  // namespace

PyObject* wrapIntegrator(std::unique_ptr<ScoreDynamicsIntegrator> integrator) {
    swig_type_info* type = integratorType();
    // With a shadow object CompoundIntegrator.addIntegrator would find one without the method `own`.
    OpenMM::Integrator* base = integrator.release();
    return SWIG_NewPointerObj(base, type, SWIG_POINTER_NEW | SWIG_POINTER_NOSHADOW);
}

OpenMM::Integrator& unwrapAnyIntegrator(PyObject* object) {
    void* pointer = nullptr;
    if (!SWIG_IsOK(SWIG_ConvertPtr(object, &pointer, integratorType(), 0)) || pointer == nullptr) {
        PyErr_Clear();
        throw OpenMMException("ScoreDynamicsIntegrator: the object is a " +
                              std::string(Py_TYPE(object)->tp_name) +
                              "; expected an openmm.Integrator; pass the integrator itself.");
    }
    return *static_cast<OpenMM::Integrator*>(pointer);
}

ScoreDynamicsIntegrator* tryUnwrapIntegrator(PyObject* object) {
    return dynamic_cast<ScoreDynamicsIntegrator*>(&unwrapAnyIntegrator(object));
}

ScoreDynamicsIntegrator& unwrapIntegrator(PyObject* object) {
    if (auto* integrator = tryUnwrapIntegrator(object)) return *integrator;
    throw OpenMMException(
        "ScoreDynamicsIntegrator: the integrator is of another class; expected a "
        "ScoreDynamicsIntegrator; pass one that was created as such.");
}

}  // namespace ScoreDynPlugin
