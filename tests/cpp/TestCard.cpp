#include <string>

#include "Assertions.h"
#include "Card.h"

namespace core_tests {

/// Three atoms are enough for every field but a chiral centre, so there are four.
const std::string denoiser = R"({
"format_version": "1.3", "kind": "denoiser", "name": "test", "lag_time_ps": 1.5, "temperature_K": 310,
"history_length": 2, "latent_size": 1, "sigma_min": 0.01, "sigma_max": 80, "sigma_data": 0.5,
"solver": "heun", "denoising_steps": 7, "elements": ["C", "H", "F", "Cl"], "masses_amu": [12.011, 3, 19, 35.5],
"bonds": [[0, 1], [0, 2]], "bond_lengths_nm": [0.109, 0.135], "bond_tolerance": 0.3,
"chiral_centres": [[0, 3, 2, 1]], "max_displacement_nm": 0.75, "periodic": false,
"golden": {"history": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24], "box": [0,0,0,0,0,0,0,0,0],
           "latent": [1,2,3], "sigma": 0.5, "denoised": [4,5,6], "positions": [1,2,3,4,5,6,7,8,9,10,11,12]}})";

std::string changed(std::string text, const std::string& from, const std::string& to) {
    const size_t place = text.find(from);
    ASSERT(place != std::string::npos);
    return text.replace(place, from.size(), to);
}

std::string transition() {
    std::string text =
        changed(denoiser, R"("kind": "denoiser")", R"("kind": "transition", "noise_count": 2)");
    return changed(text, R"("latent": [1,2,3], "sigma": 0.5, "denoised": [4,5,6])",
                   R"("noise": [1,2,3,4,5,6])");
}

void testFields() {
    const Card card = parseCard(denoiser);
    ASSERT_EQUAL(denoiser, card.json);
    ASSERT_EQUAL("1.3", card.formatVersion);
    ASSERT_EQUAL("denoiser", card.kind);
    ASSERT_EQUAL("test", card.name);
    ASSERT_EQUAL("heun", card.solver);
    ASSERT_EQUAL(1.5, card.lagTimePs);
    ASSERT_EQUAL(310.0, card.temperatureK);
    ASSERT_EQUAL(2, card.historyLength);
    ASSERT_EQUAL(1, card.latentSize);
    ASSERT_EQUAL(1, card.noiseCount);
    ASSERT_EQUAL(7, card.denoisingSteps);
    ASSERT_EQUAL(0.01, card.sigmaMin);
    ASSERT_EQUAL(80.0, card.sigmaMax);
    ASSERT_EQUAL(0.5, card.sigmaData);
    ASSERT_EQUAL(4, card.numParticles());
    ASSERT_EQUAL("Cl", card.elements[3]);
    ASSERT_EQUAL(35.5, card.massesAmu[3]);
    ASSERT_EQUAL(2, card.bonds[1].second);
    ASSERT_EQUAL(0.135, card.bondLengthsNm[1]);
    ASSERT_EQUAL(0.3, card.bondTolerance);
    ASSERT_EQUAL(0.75, card.maxDisplacementNm);
    ASSERT(!card.periodic);
    ASSERT(card.matmulPrecision == MatmulPrecision::Highest);
    const ChiralCentre chiral = card.chiralCentres.at(0);
    ASSERT(chiral.centre == 0 && chiral.a == 3 && chiral.b == 2 && chiral.c == 1);
}

void testGolden() {
    const Golden golden = parseCard(denoiser).golden;
    ASSERT_EQUAL(24.0f, golden.history.at(23));
    ASSERT_EQUAL(size_t(9), golden.box.size());
    ASSERT_EQUAL(3.0f, golden.latent.at(2));
    ASSERT_EQUAL(0.5, golden.sigma);
    ASSERT_EQUAL(6.0f, golden.denoised.at(2));
    ASSERT_EQUAL(12.0f, golden.positions.at(11));
    const Card card = parseCard(transition());
    ASSERT_EQUAL(2, card.noiseCount);
    ASSERT_EQUAL(6.0f, card.golden.noise.at(5));
}

void testMatmulPrecision() {
    const std::string text =
        changed(denoiser, "\"periodic\"", "\"matmul_precision\": \"high\", \"periodic\"");
    ASSERT(parseCard(text).matmulPrecision == MatmulPrecision::High);
    assertThrows(
        [&] { parseCard(changed(text, "\"high\"", "\"tf32\"")); },
        "Card: matmul_precision is not valid; expected highest, high or medium, found 'tf32'; export");
    assertThrows([&] { parseCard(changed(text, "\"high\"", "1")); },
                 "Card.matmul_precision: expected a string, found a number");
}

struct Refusal {
    const char *from, *to, *message;
};

const Refusal refusals[] = {
    {R"("1.3")", R"("2.0")", "Card: the program has format version 2.0, but this library reads version 1."},
    {R"("1.3")", R"("10.0")", "format version 10.0"},
    {R"("1.3")", "1.3", "Card.format_version: expected a string, found a number"},
    {R"("kind": "denoiser", )", "", "Card: the field 'kind' is missing"},
    {R"("denoiser")", R"("score")", "Card: kind must be denoiser or transition, found 'score'."},
    {R"("test")", "null", "Card.name: expected a string, found null"},
    {"1.5", "0", "Card: lag_time_ps must be positive, found 0."},
    {"310", "-3", "Card: temperature_K must be positive, found -3."},
    {R"("history_length": 2)", R"("history_length": 0)", "Card: history_length must be at least 1, found 0."},
    {R"("history_length": 2)", R"("history_length": 2.5)", "Card.history_length: expected a whole number"},
    {R"("latent_size": 1)", R"("latent_size": -1)", "Card: latent_size must be at least 1, found -1."},
    {R"("latent_size": 1)", R"("latent_size": 1, "noise_count": 0)",
     "Card: noise_count must be at least 1, found 0."},
    {R"("denoising_steps": 7)", R"("denoising_steps": 0)",
     "Card: denoising_steps must be at least 1, found 0."},
    {"0.01", "0", "Card: sigma_min must be positive, found 0."},
    {R"("sigma_max": 80)", R"("sigma_max": 0.001)",
     "Card: sigma_min must be below sigma_max, found 0.01 and 0.001."},
    {R"("sigma_data": 0.5)", R"("sigma_data": 0)", "Card: sigma_data must be positive, found 0."},
    {R"("heun")", R"("rk4")",
     "Solver: expected one of trig_2m, dpmpp_2m, heun, dpmpp_sde, euler_ancestral, found 'rk4'"},
    {R"(["C", "H", "F", "Cl"])", "[]", "Card: elements is empty"},
    {R"("F")", "9", "Card.elements[2]: expected a string, found a number"},
    {", 35.5", "", "Card: masses_amu has 3 entries, expected 4."},
    {"35.5", "0", "Card: masses_amu holds 0, but masses are positive."},
    {"[0, 2]]", "[0, 4]]", "Card: bonds names atom 4, but the model has 4 atoms."},
    {"[0, 2]]", "[0, -1]]", "Card: bonds names atom -1"},
    {"[0, 2]]", "[0, 0]]", "Card: bonds names atom 0 twice in one entry."},
    {"[0, 2]]", "[0, 2, 3]]", "Card: bonds has an entry of 3 atoms, expected 2."},
    {"[0.109, 0.135]", "[0.109]", "Card: bond_lengths_nm has 1 entries, expected 2."},
    {"0.135", "-0.135", "Card: bond_lengths_nm holds -0.135, but lengths are positive."},
    {R"("bond_tolerance": 0.3)", R"("bond_tolerance": 0)", "Card: bond_tolerance must be positive, found 0."},
    {"[[0, 3, 2, 1]]", "[[0, 3, 2]]", "Card: chiral_centres has an entry of 3 atoms, expected 4."},
    {"0.75", "0", "Card: max_displacement_nm must be positive, found 0."},
    {"false", "0", "Card.periodic: expected true or false, found a number"},
    {"\"golden\": {", "\"silver\": {", "Card: the field 'golden' is missing"},
    {"\"history\": [1,", "\"history\": [", "Card: history has 23 entries, expected 24."},
    {"\"box\": [0,", "\"box\": [", "Card: box has 8 entries, expected 9."},
    {"\"latent\": [1,", "\"latent\": [1,1,", "Card: latent has 4 entries, expected 3."},
    {"\"sigma\": 0.5", "\"sigma\": -0.5", "Card: sigma must be positive, found -0.5."},
    {"[4,5,6]", "[4,5]", "Card: denoised has 2 entries, expected 3."},
    {"[4,5,6]", "[4,5,1e39]", "Card: denoised holds 1e+39, which is too large."},
    {"\"positions\": [1,", "\"positions\": [", "Card: positions has 11 entries, expected 12."},
    {"\"golden\"", "golden", "Card: not valid JSON"},
};

/// noise_count and matmul_precision alone may be left out.
void testNoFieldMayBeMissing() {
    const char* fields[] = {"format_version",
                            "kind",
                            "name",
                            "lag_time_ps",
                            "temperature_K",
                            "history_length",
                            "latent_size",
                            "sigma_min",
                            "sigma_max",
                            "sigma_data",
                            "solver",
                            "denoising_steps",
                            "elements",
                            "masses_amu",
                            "bonds",
                            "bond_lengths_nm",
                            "bond_tolerance",
                            "chiral_centres",
                            "max_displacement_nm",
                            "periodic",
                            "golden"};
    for (const std::string field : fields) {
        const std::string text = changed(denoiser, '"' + field + '"', "\"other\"");
        assertThrows([&] { parseCard(text); }, "Card: the field '" + field + "' is missing. Export");
    }
    for (const std::string field : {"history", "box", "latent", "sigma", "denoised", "positions"}) {
        const std::string text = changed(denoiser, '"' + field + "\": ", "\"other\": ");
        assertThrows([&] { parseCard(text); }, "Card.golden: the field '" + field + "' is missing. Export");
    }
    const std::string text = changed(transition(), "\"noise\"", "\"other\"");
    assertThrows([&] { parseCard(text); }, "Card.golden: the field 'noise' is missing. Export");
}

void testRefusals() {
    for (const auto& [from, to, message] : refusals) {
        const std::string text = changed(denoiser, from, to);
        assertThrows([&] { parseCard(text); }, message);
    }
    const std::string text = changed(transition(), "\"noise\": [1,", "\"noise\": [");
    assertThrows([&] { parseCard(text); }, "Card: noise has 5 entries, expected 6.");
}

}  // namespace core_tests

int main() {
    using namespace core_tests;
    return runTests({testFields, testGolden, testMatmulPrecision, testNoFieldMayBeMissing, testRefusals});
}
