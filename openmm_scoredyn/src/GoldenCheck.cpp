#include "GoldenCheck.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "ScoreProgram.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

namespace {

void compare(const ScoreProgram& program, const char* what, const std::vector<float>& expected,
             const std::vector<float>& found, double absolute, double relative) {
    for (size_t i = 0; i < expected.size(); ++i) {
        const double limit = absolute + relative * std::abs(expected[i]);
        // Written so that NaN fails too.
        if (std::abs(expected[i] - found[i]) <= limit) continue;
        std::ostringstream text;
        text << "ScoreProgram: '" << program.card().name << "' does not reproduce the golden " << what
             << " of its card; expected " << expected[i] << " at element " << i << ", found " << found[i]
             << "; the file is damaged or torch computes it differently here: export the model again.";
        throw OpenMM::OpenMMException(text.str());
    }
}

void checkExample(const ScoreProgram& program, const Golden& golden) {
    StepMemory& memory = *program.memory();
    StepBuffer buffers[5], out;
    const auto input = [&](const std::vector<float>& values, StepBuffer& buffer) {
        return memory.fromHost(values.data(), values.size(), buffer);
    };
    const auto output = [&](const std::vector<float>& expected) {
        std::vector<float> copy;
        const float* values = memory.toHost(out.get(), expected.size(), copy);
        return std::vector<float>(values, values + expected.size());
    };
    memory.reserve(out, std::max<size_t>(golden.positions.size(), program.card().latentSize));
    const auto condition =
        program.condition({1, input(golden.history, buffers[0]), input(golden.box, buffers[1]),
                           golden.lagTimePs, golden.temperatureK});
    if (!golden.noise.empty()) {
        program.start(1, input(golden.noise, buffers[2]), *condition, out.get());
        compare(program, "first latent", golden.started, output(golden.started), 1e-3, 1e-3);
    }
    if (!golden.latent.empty()) {
        program.denoise(1, input(golden.latent, buffers[3]), golden.sigma, *condition, out.get());
        compare(program, "latent", golden.denoised, output(golden.denoised), 1e-3, 1e-3);
    }
    const std::vector<float>& clean = golden.denoised.empty() ? golden.started : golden.denoised;
    program.advance(1, input(clean, buffers[4]), *condition, out.get());
    compare(program, "positions", golden.positions, output(golden.positions), 1e-4, 0.0);
}

}  // namespace

void checkGolden(const ScoreProgram& program) {
    for (const Golden& golden : program.card().golden) checkExample(program, golden);
}

}  // namespace ScoreDynPlugin
