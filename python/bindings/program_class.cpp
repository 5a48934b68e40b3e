#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "Rollout.h"
#include "ScoreProgram.h"
#include "arrays.h"
#include "bindings.h"
#include "counts_dict.h"
#include "native_code_permission.h"
#include "openmm/OpenMMException.h"
#include "sampling_options.h"
#include "signal_check.h"

namespace py = pybind11;

namespace ScoreDynPlugin {

namespace {

/// Checks the arrays that every method takes and gives the number of replicas.
int requireBatch(const ScoreProgram& program, const FloatArray& history, const FloatArray& box) {
    const Card& card = program.card();
    requireShape("Program", history, "history", {-1, card.historyLength, card.numParticles(), 3});
    requireShape("Program", box, "box", {history.shape(0), 3, 3});
    return static_cast<int>(history.shape(0));
}

void requireAtLeast(int64_t minimum, int64_t value, const char* name) {
    if (value < minimum)
        throw OpenMM::OpenMMException("Program: " + std::string(name) + " is " + std::to_string(value) +
                                      "; expected " + std::to_string(minimum) +
                                      " or more; give a larger number.");
}

/// Refuse a lag time or a temperature that the model does not know.
void requireKnownHere(const KnownValues& known, double value, const char* name, const std::string& unit) {
    if (known.contains(value)) return;
    std::ostringstream text;
    text << "Program: the model does not know the " << name << "; expected " << known.describe(unit)
         << ", found " << value << ' ' << unit << "; choose one that it knows.";
    throw OpenMM::OpenMMException(text.str());
}

void requireKnownOf(const ScoreProgram& program, double lagTimePs, double temperatureK) {
    requireKnownHere(program.card().lagTimesPs, lagTimePs, "lag time", "ps");
    requireKnownHere(program.card().temperaturesK, temperatureK, "temperature", "K");
}

py::tuple sample(const std::shared_ptr<ScoreProgram>& program, const FloatArray& historyArray,
                 const FloatArray& box, double lagTimePs, double temperatureK, int64_t numSteps,
                 int64_t saveEvery, uint32_t seed, uint64_t firstStep, uint32_t firstReplica, int numThreads,
                 bool guarded, const py::kwargs& options) {
    const Card& card = program->card();
    const int batch = requireBatch(*program, historyArray, box);
    requireKnownOf(*program, lagTimePs, temperatureK);
    requireAtLeast(0, numSteps, "n_steps");
    requireAtLeast(1, saveEvery, "save_every");
    program->setNumThreads(numThreads);

    History history(program->memory(), batch, card.historyLength, card.numParticles());
    StepBuffer copy;
    StepMemory& memory = *program->memory();
    memory.copy(memory.fromHost(historyArray.data(), history.size(), copy), history.size(), history.data());
    FloatArray frames({py::ssize_t(numSteps / saveEvery), py::ssize_t(batch),
                       py::ssize_t(card.numParticles()), py::ssize_t(3)});
    float* out = frames.mutable_data();
    StepSampler sampler(
        program, {lagTimePs, temperatureK, samplingOptions(card, options), seed, firstReplica, guarded});
    {
        SignalCheck checkSignals;
        const py::gil_scoped_release noGil;
        rollout(sampler, history, batch, box.data(), {firstStep, numSteps, saveEvery}, out,
                [&] { checkSignals(); });
    }
    return py::make_tuple(frames, countsDict(sampler.counts()));
}

/// The host for -1, otherwise the GPU of that number.
Device deviceOf(int gpu) {
    if (gpu < 0) return {};
    return {Device::Kind::Gpu, gpu};
}

}  // namespace

void bindProgram(py::module_& m) {
    using namespace py::literals;
    const auto fromFile = [](const std::string& path, const py::object& allowNativeCode, int gpu) {
        return std::make_shared<ScoreProgram>(
            ScoreArchive::fromFile(path, nativeCodePermission(allowNativeCode)), deviceOf(gpu));
    };
    const auto fromBytes = [](const py::bytes& bytes, const py::object& allowNativeCode, int gpu) {
        return std::make_shared<ScoreProgram>(
            ScoreArchive::fromBytes(std::string(bytes), nativeCodePermission(allowNativeCode)),
            deviceOf(gpu));
    };
    const auto onDevice = [](const ScoreProgram& program, int gpu) {
        return std::make_shared<ScoreProgram>(program.archivePointer(), deviceOf(gpu));
    };
    m.def("require_loadable_native_code", &requireLoadableNativeCode,
          "Raise OpenMMException where libraries cannot be loaded from the temporary folder.");
    m.def("trust_native_code", &trustNativeCode, "sha256"_a);
    py::class_<ScoreProgram, std::shared_ptr<ScoreProgram>>(
        m, "Program",
        "A loaded score program. Arrays are float32, C order, in nm; a wrong shape raises OpenMMException.")
        .def(py::init(fromFile), "path"_a, "allow_native_code"_a = false, "gpu"_a = -1)
        .def_static("from_bytes", fromBytes, "data"_a, "allow_native_code"_a = false, "gpu"_a = -1)
        .def("on_device", onDevice, "gpu"_a,
             "The same file loaded onto the GPU of that number, or onto the host for -1.")
        .def_property_readonly("card_json", [](const ScoreProgram& p) { return p.card().json; })
        .def_property_readonly("path", [](const ScoreProgram& p) { return p.archive().path(); })
        .def_property_readonly("sha256", [](const ScoreProgram& p) { return p.archive().sha256(); })
        .def_property_readonly("source", [](const ScoreProgram& p) { return py::bytes(p.archive().bytes()); })
        .def("require_known", &requireKnownOf,
             "Raise OpenMMException for a lag time or a temperature that the model does not know.",
             "lag_time_ps"_a, "temperature_K"_a)
        .def("sample", &sample,
             "Draw n_steps steps for every replica of history (B, H, N, 3), in boxes (B, 3, 3). Returns the "
             "frames\n"
             "(n_steps // save_every, B, N, 3) and a dict of what the guard rejected. Further keywords are\n"
             "sampling options.",
             "history"_a, "box"_a, "lag_time_ps"_a, "temperature_K"_a, "n_steps"_a, "save_every"_a, "seed"_a,
             "first_step"_a, "first_replica"_a, "num_threads"_a = 1, "guarded"_a = true)
        .def_property_readonly(
            "sampling_ranges", [](const ScoreProgram& p) { return samplingRanges(p.card()); },
            "What is used unless another is asked for, the least and the most of every number among the\n"
            "sampling options, by name.");
}

}  // namespace ScoreDynPlugin
