#include <pybind11/pybind11.h>

#include <string_view>

#include "ScoreProgram.h"
#include "bindings.h"
#include "openmm/OpenMMException.h"

namespace py = pybind11;

namespace {

py::handle newExceptionType() {
    const py::object base = py::module_::import("openmm").attr("OpenMMException");
    const py::tuple bases = py::make_tuple(base, py::handle(PyExc_RuntimeError));
    PyObject* type = PyErr_NewException("openmm_scoredyn.OpenMMException", bases.ptr(), nullptr);
    if (type == nullptr) throw py::error_already_set();
    return type;
}

}  // namespace

PYBIND11_MODULE(_scoredyn, m) {
    m.doc() =
        "Compiled part of openmm_scoredyn: score programs, and the integrator behind "
        "ScoreDynamicsIntegrator.";
    m.attr("TORCH_VERSION") = ScoreDynPlugin::ScoreProgram::torchVersion();

    // Caught by `except openmm.OpenMMException`, as what OpenMM's own wrappers raise, and by `except
    // RuntimeError`. Never freed, because an exception can still be raised while the interpreter shuts down.
    static const py::handle exceptionType = newExceptionType();
    m.add_object("OpenMMException", exceptionType);
    py::register_local_exception_translator([](std::exception_ptr pointer) {
        try {
            if (pointer) std::rethrow_exception(pointer);
        } catch (const OpenMM::OpenMMException& error) {
            // Text of a file may be in it, and need not be UTF-8.
            const std::string_view what = error.what();
            PyObject* text =
                PyUnicode_DecodeUTF8(what.data(), static_cast<py::ssize_t>(what.size()), "backslashreplace");
            PyErr_SetObject(exceptionType.ptr(), text);
            Py_XDECREF(text);
        }
    });

    ScoreDynPlugin::bindModelFile(m);
    ScoreDynPlugin::bindProgram(m);
    ScoreDynPlugin::bindIntegrator(m);
    ScoreDynPlugin::bindSolvers(m);
    ScoreDynPlugin::bindFullPrecision(m);
}
