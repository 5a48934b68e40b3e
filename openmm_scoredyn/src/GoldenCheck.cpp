#include "GoldenCheck.h"

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

}  // namespace

void checkGolden(const ScoreProgram& program) {
    const Card& card = program.card();
    const Golden& golden = card.golden;
    std::vector<float> positions(golden.positions.size());
    if (card.kind == "transition") {
        program.propose(1, golden.noise.data(), golden.history.data(), golden.box.data(), positions.data());
    } else {
        std::vector<float> denoised(golden.denoised.size());
        program.denoise(1, golden.latent.data(), golden.sigma, golden.history.data(), golden.box.data(),
                        denoised.data());
        compare(program, "latent", golden.denoised, denoised, 1e-3, 1e-3);
        program.advance(1, golden.denoised.data(), golden.history.data(), golden.box.data(),
                        positions.data());
    }
    compare(program, "positions", golden.positions, positions, 1e-4, 0.0);
}

}  // namespace ScoreDynPlugin
