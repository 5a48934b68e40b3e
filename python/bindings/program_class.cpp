#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "Rollout.h"
#include "ScoreProgram.h"
#include "SolverPlan.h"
#include "bindings.h"
#include "counts_dict.h"
#include "native_code_permission.h"
#include "openmm/OpenMMException.h"
#include "signal_check.h"

namespace py = pybind11;

namespace ScoreDynPlugin {

namespace {

using FloatArray = py::array_t<float, py::array::c_style | py::array::forcecast>;
using Shape = std::vector<py::ssize_t>;

std::string text(const Shape& shape) { return std::string(py::str(py::cast(shape))); }

/// Refuse an array of another shape; -1 stands for any positive length.
void requireShape(const FloatArray& array, const char* name, const Shape& expected) {
    const Shape found(array.shape(), array.shape() + array.ndim());
    bool fits = found.size() == expected.size();
    for (size_t i = 0; fits && i < found.size(); ++i)
        fits = expected[i] == found[i] || (expected[i] == -1 && found[i] > 0);
    if (!fits)
        throw OpenMM::OpenMMException("Program: " + std::string(name) + " has the wrong shape; expected " +
                                      text(expected) + " (-1: any), found " + text(found) +
                                      "; reshape the array.");
}

/// Checks the arrays that every method takes and gives the number of replicas.
int requireBatch(const ScoreProgram& program, const FloatArray& history, const FloatArray& box) {
    const Card& card = program.card();
    requireShape(history, "history", {-1, card.historyLength, card.numParticles(), 3});
    requireShape(box, "box", {3, 3});
    return static_cast<int>(history.shape(0));
}

/// Call a method of the program with arrays in its memory: call(inputs, output).
template <typename Call>
FloatArray evaluate(const ScoreProgram& program, const std::array<const FloatArray*, 3>& inputs,
                    const Shape& shape, Call call) {
    StepMemory& memory = *program.memory();
    FloatArray result(shape);
    float* const out = result.mutable_data();
    const size_t size = result.size();
    const py::gil_scoped_release noGil;
    std::array<StepBuffer, 3> buffers;
    std::array<const float*, 3> there;
    for (int i = 0; i < 3; ++i) there[i] = memory.fromHost(inputs[i]->data(), inputs[i]->size(), buffers[i]);
    StepBuffer output;
    std::vector<float> copy;
    memory.reserve(output, size);
    call(there, output.get());
    std::copy_n(memory.toHost(output.get(), size, copy), size, out);
    return result;
}

FloatArray denoise(const ScoreProgram& program, const FloatArray& latent, double sigma,
                   const FloatArray& history, const FloatArray& box) {
    const int batch = requireBatch(program, history, box);
    requireShape(latent, "latent", {batch, program.card().latentSize, 3});
    return evaluate(program, {&latent, &history, &box}, {batch, program.card().latentSize, 3},
                    [&](const auto& in, float* out) {
                        program.denoise(batch, in[0], sigma, *program.condition(batch, in[1], in[2]), out);
                    });
}

FloatArray advance(const ScoreProgram& program, const FloatArray& latent, const FloatArray& history,
                   const FloatArray& box) {
    const int batch = requireBatch(program, history, box);
    requireShape(latent, "latent", {batch, program.card().latentSize, 3});
    return evaluate(program, {&latent, &history, &box}, {batch, program.card().numParticles(), 3},
                    [&](const auto& in, float* out) {
                        program.advance(batch, in[0], *program.condition(batch, in[1], in[2]), out);
                    });
}

FloatArray propose(const ScoreProgram& program, const FloatArray& noise, const FloatArray& history,
                   const FloatArray& box) {
    const Card& card = program.card();
    const int batch = requireBatch(program, history, box);
    requireShape(noise, "noise", {batch, card.noiseCount, card.latentSize, 3});
    return evaluate(program, {&noise, &history, &box}, {batch, card.numParticles(), 3},
                    [&](const auto& in, float* out) { program.propose(batch, in[0], in[1], in[2], out); });
}

void requireAtLeast(int64_t minimum, int64_t value, const char* name) {
    if (value < minimum)
        throw OpenMM::OpenMMException("Program: " + std::string(name) + " is " + std::to_string(value) +
                                      "; expected " + std::to_string(minimum) +
                                      " or more; give a larger number.");
}

py::tuple sample(const std::shared_ptr<ScoreProgram>& program, const FloatArray& historyArray,
                 const FloatArray& box, int64_t numSteps, int64_t saveEvery, uint32_t seed,
                 uint64_t firstStep, uint32_t firstReplica, const std::string& solver, int denoisingSteps,
                 int maxRedraws, int numThreads) {
    const Card& card = program->card();
    const int batch = requireBatch(*program, historyArray, box);
    requireAtLeast(0, numSteps, "n_steps");
    requireAtLeast(1, saveEvery, "save_every");
    requireAtLeast(1, denoisingSteps, "denoising_steps");
    requireAtLeast(0, maxRedraws, "max_redraws");
    program->setNumThreads(numThreads);

    History history(program->memory(), batch, card.historyLength, card.numParticles());
    StepBuffer copy;
    StepMemory& memory = *program->memory();
    memory.copy(memory.fromHost(historyArray.data(), history.size(), copy), history.size(), history.data());
    FloatArray frames({py::ssize_t(numSteps / saveEvery), py::ssize_t(batch),
                       py::ssize_t(card.numParticles()), py::ssize_t(3)});
    float* out = frames.mutable_data();
    StepSampler sampler(program, {parseSolver(solver), denoisingSteps, maxRedraws, seed, firstReplica});
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
        .def("denoise", &denoise, "latent"_a, "sigma"_a, "history"_a, "box"_a)
        .def("advance", &advance, "latent"_a, "history"_a, "box"_a)
        .def("propose", &propose, "noise"_a, "history"_a, "box"_a)
        .def("sample", &sample,
             "Draw n_steps steps for every replica of history (B, H, N, 3). Returns the frames\n"
             "(n_steps // save_every, B, N, 3) and a dict of what the guard refused.",
             "history"_a, "box"_a, "n_steps"_a, "save_every"_a, "seed"_a, "first_step"_a, "first_replica"_a,
             "solver"_a, "denoising_steps"_a, "max_redraws"_a = 10, "num_threads"_a = 1);
}

}  // namespace ScoreDynPlugin
