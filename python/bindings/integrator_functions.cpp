#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings.h"
#include "counts_dict.h"
#include "native_code_permission.h"
#include "openmm/OpenMMException.h"
#include "sampling_options.h"
#include "signal_check.h"
#include "swig_bridge.h"

namespace py = pybind11;

namespace ScoreDynPlugin {

namespace {

py::object create(std::shared_ptr<const ScoreArchive> archive) {
    return py::reinterpret_steal<py::object>(
        wrapIntegrator(std::make_unique<ScoreDynamicsIntegrator>(std::move(archive))));
}

void step(const py::object& object, int steps) {
    ScoreDynamicsIntegrator& integrator = unwrapIntegrator(object.ptr());
    SignalCheck checkSignals;
    const py::gil_scoped_release noGil;
    for (int i = 0; i < steps; ++i) {
        integrator.step(1);
        checkSignals();
    }
}

std::optional<std::string> tryStep(const py::object& object) {
    ScoreDynamicsIntegrator& integrator = unwrapIntegrator(object.ptr());
    const py::gil_scoped_release noGil;
    return integrator.tryStep();
}

void handOver(const py::object& object, const py::object& dynamics, int steps) {
    ScoreDynamicsIntegrator& integrator = unwrapIntegrator(object.ptr());
    OpenMM::Integrator& other = unwrapAnyIntegrator(dynamics.ptr());
    const py::gil_scoped_release noGil;
    integrator.handOver(other, steps);
}

using FloatArray = py::array_t<float, py::array::c_style | py::array::forcecast>;

FloatArray getHistory(const ScoreDynamicsIntegrator& integrator) {
    const Card& card = integrator.getModel().card();
    const std::vector<float> frames = integrator.getHistory();
    FloatArray history({py::ssize_t(card.historyLength), py::ssize_t(card.numParticles()), py::ssize_t(3)});
    std::copy(frames.begin(), frames.end(), history.mutable_data());
    return history;
}

void setHistory(ScoreDynamicsIntegrator& integrator, const FloatArray& history) {
    const Card& card = integrator.getModel().card();
    const std::vector<py::ssize_t> expected = {card.historyLength, card.numParticles(), 3};
    const std::vector<py::ssize_t> found(history.shape(), history.shape() + history.ndim());
    if (found != expected)
        throw OpenMM::OpenMMException("ScoreDynamicsIntegrator: the history has the shape " +
                                      std::string(py::str(py::tuple(py::cast(found)))) + "; expected " +
                                      std::string(py::str(py::tuple(py::cast(expected)))) +
                                      " (frames, atoms, 3); give the last frames of the model's atoms.");
    integrator.setHistory({history.data(), history.data() + history.size()});
}

/// A module function of the integrator as the Python class holds it.
template <typename Function>
auto onIntegrator(Function function) {
    return [function](const py::object& object) { return function(unwrapIntegrator(object.ptr())); };
}

/// The same with one argument.
template <typename Argument, typename Function>
auto onIntegratorWith(Function function) {
    return [function](const py::object& object, const Argument& value) {
        function(unwrapIntegrator(object.ptr()), value);
    };
}

}  // namespace

void bindIntegrator(py::module_& m) {
    using I = ScoreDynamicsIntegrator;
    m.def("create_integrator", [](const std::string& path, const py::object& allowNativeCode) {
        return create(ScoreArchive::fromFile(path, nativeCodePermission(allowNativeCode)));
    });
    m.def("create_integrator_from_bytes", [](const py::bytes& bytes, const py::object& allowNativeCode) {
        return create(ScoreArchive::fromBytes(std::string(bytes), nativeCodePermission(allowNativeCode)));
    });
    m.def("is_score_dynamics",
          [](const py::object& object) { return tryUnwrapIntegrator(object.ptr()) != nullptr; });
    m.def("step", &step);
    m.def("try_step", &tryStep);
    m.def("hand_over", &handOver);

    m.def("card_json", onIntegrator([](I& i) { return i.getModel().card().json; }));
    m.def("model_path", onIntegrator([](I& i) { return i.getModel().path(); }));
    m.def("model_sha256", onIntegrator([](I& i) { return i.getModel().sha256(); }));
    m.def("get_num_handed_over_steps", onIntegrator([](I& i) { return i.getNumHandedOverSteps(); }));
    m.def("get_counts", onIntegrator([](I& i) { return countsDict(i.getStepCounts()); }));

    m.def("get_recording_status", onIntegrator([](I& i) { return i.getRecordingStatus(); }));

    m.def("get_temperature", onIntegrator([](I& i) { return i.getTemperature(); }));
    m.def("set_temperature", onIntegratorWith<double>([](I& i, double value) { i.setTemperature(value); }));
    m.def("get_sampling_options",
          onIntegrator([](I& i) { return samplingOptionsDict(i.getSamplingOptions()); }));
    m.def("set_sampling_option", [](const py::object& object, const std::string& name, int value) {
        unwrapIntegrator(object.ptr()).setSamplingOption(name, value);
    });
    m.def("set_solver", onIntegratorWith<std::string>(
                            [](I& i, const std::string& value) { i.setSolver(parseSolver(value)); }));
    m.def("get_random_number_seed", onIntegrator([](I& i) { return i.getRandomNumberSeed(); }));
    m.def("set_random_number_seed",
          onIntegratorWith<int>([](I& i, int value) { i.setRandomNumberSeed(value); }));
    m.def("get_num_threads", onIntegrator([](I& i) { return i.getNumThreads(); }));
    m.def("set_num_threads", onIntegratorWith<int>([](I& i, int value) { i.setNumThreads(value); }));
    m.def("get_particles", onIntegrator([](I& i) { return i.getParticles(); }));
    m.def("set_particles", onIntegratorWith<std::vector<int>>(
                               [](I& i, const std::vector<int>& value) { i.setParticles(value); }));
    m.def("get_forces_only_reported", onIntegrator([](I& i) { return i.getForcesOnlyReported(); }));
    m.def("set_forces_only_reported",
          onIntegratorWith<bool>([](I& i, bool value) { i.setForcesOnlyReported(value); }));
    m.def("get_history", onIntegrator([](I& i) { return getHistory(i); }));
    m.def("set_history",
          onIntegratorWith<FloatArray>([](I& i, const FloatArray& value) { setHistory(i, value); }));
    m.def("get_embed_model", onIntegrator([](I& i) { return i.getEmbedModel(); }));
    m.def("set_embed_model", onIntegratorWith<bool>([](I& i, bool value) { i.setEmbedModel(value); }));
}

}  // namespace ScoreDynPlugin
