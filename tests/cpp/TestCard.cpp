#include <string>

#include "Assertions.h"
#include "Card.h"

namespace core_tests {

/// Three atoms are enough for every field but a stereocentre, so there are four.
const std::string whole = R"({
"format_version": "2.3", "name": "test",
"capabilities": {"lag_times_ps": [1.5], "lag_time_range": false, "temperatures_K": [280, 310], "temperature_range": true,
  "history_length": 2, "latent_size": 3, "periodic": false, "has_start": false, "sigma_min": 0.01, "sigma_max": 80,
  "sigma_data": 0.5, "solver": "heun", "solvers": ["heun", "trig_2m"], "denoising_steps": 7, "matmul_precision": "high"},
"particles": {"types": ["C", "H", "F", "EO"], "masses_amu": [12.011, 3, 19, 35.5], "bonds": [[0, 1], [0, 2]],
  "guard": {"bond_lengths_nm": [0.109, 0.135], "bond_tolerance": 0.3, "angles": [[1, 0, 2]],
    "angle_limits_deg": [[85, 140]], "stereocentres": [[0, 3, 2, 1]], "double_bonds": [[1, 0, 2, 3]],
    "double_bonds_cis": [true], "contact_classes": [0, 0, 1, 5], "contacts": [{"classes": [0, 5], "min_distance_nm": 0.2}],
    "max_displacement_nm": 0.75}},
"provenance": {"anything": 1},
"golden": [{"history": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24], "box": [0,0,0,0,0,0,0,0,0],
  "lag_time_ps": 1.5, "temperature_K": 300, "latent": [1,2,3], "sigma": 0.5, "denoised": [4,5,6],
  "positions": [1,2,3,4,5,6,7,8,9,10,11,12]}]})";

std::string changed(std::string text, const std::string& from, const std::string& to) {
    const size_t place = text.find(from);
    ASSERT(place != std::string::npos);
    return text.replace(place, from.size(), to);
}

/// A program with `start`, whose example says what it gives.
std::string withStart() {
    return changed(changed(whole, R"("has_start": false)", R"("has_start": true)"), R"("latent": [1,2,3])",
                   R"("noise": [7,8,9], "started": [3,2,1], "latent": [1,2,3])");
}

void testCapabilities() {
    const Card card = parseCard(whole);
    ASSERT_EQUAL(whole, card.json);
    ASSERT_EQUAL("2.3", card.formatVersion);
    ASSERT_EQUAL("test", card.name);
    ASSERT_EQUAL("heun", card.solver);
    ASSERT_EQUAL(2, card.solvers.size());
    ASSERT_EQUAL(1.5, card.lagTimesPs.first());
    ASSERT_EQUAL(1.5, card.lagTimePs);
    ASSERT_EQUAL(310.0, card.temperaturesK.values.back());
    ASSERT_EQUAL(2, card.historyLength);
    ASSERT_EQUAL(3, card.latentSize);
    ASSERT_EQUAL(7, card.denoisingSteps);
    ASSERT_EQUAL(0.01, card.sigmaMin);
    ASSERT_EQUAL(80.0, card.sigmaMax);
    ASSERT_EQUAL(0.5, card.sigmaData);
    ASSERT(!card.periodic && !card.hasStart);
    ASSERT(card.matmulPrecision == MatmulPrecision::High);
}

void testParticles() {
    const Card card = parseCard(whole);
    ASSERT_EQUAL(4, card.numParticles());
    ASSERT_EQUAL("EO", card.types[3]);
    ASSERT_EQUAL(35.5, card.massesAmu[3]);
    ASSERT_EQUAL(2, card.bonds()[1].second);
    const GuardRules& guard = card.guard;
    ASSERT_EQUAL(0.135, guard.bondLengthsNm[1]);
    ASSERT_EQUAL(0.3, guard.bondTolerance);
    ASSERT_EQUAL(0.75, guard.maxDisplacementNm);
    const auto [i, j, k, low, high] = guard.angles.at(0);
    ASSERT(i == 1 && j == 0 && k == 2 && low == 85 && high == 140);
    const auto [centre, a, b, c] = guard.stereocentres.at(0);
    ASSERT(centre == 0 && a == 3 && b == 2 && c == 1);
    const auto [first, second, third, fourth, cis] = guard.doubleBonds.at(0);
    ASSERT(first == 1 && second == 0 && third == 2 && fourth == 3 && cis);
    ASSERT_EQUAL(5, guard.contactClasses.at(3));
    ASSERT(guard.contacts.at(0).second == 5 && guard.contacts.at(0).minDistanceNm == 0.2);
}

void testGolden() {
    const Golden golden = parseCard(whole).golden.at(0);
    ASSERT_EQUAL(24.0f, golden.history.at(23));
    ASSERT_EQUAL(size_t(9), golden.box.size());
    ASSERT_EQUAL(1.5, golden.lagTimePs);
    ASSERT_EQUAL(300.0, golden.temperatureK);
    ASSERT_EQUAL(3.0f, golden.latent.at(2));
    ASSERT_EQUAL(0.5, golden.sigma);
    ASSERT_EQUAL(6.0f, golden.denoised.at(2));
    ASSERT_EQUAL(12.0f, golden.positions.at(11));
    ASSERT(golden.noise.empty() && golden.started.empty());
    const Golden started = parseCard(withStart()).golden.at(0);
    ASSERT_EQUAL(9.0f, started.noise.at(2));
    ASSERT_EQUAL(3.0f, started.started.at(0));
    const Card inOneGo = parseCard(changed(withStart(), "\"denoising_steps\": 7", "\"denoising_steps\": 0"));
    ASSERT(inOneGo.golden.at(0).latent.empty());
}

void testKnownValues() {
    const KnownValues one{{1}}, several{{1, 10, 100}}, range{{1, 1000}, true};
    ASSERT(one.contains(1 + 1e-9) && !one.contains(1.01));
    ASSERT(several.contains(10) && !several.contains(50));
    ASSERT(range.contains(50) && range.contains(1) && range.contains(1000 + 1e-6) && !range.contains(1001) &&
           !range.contains(0.5));
    ASSERT_EQUAL("1 ps", one.describe("ps"));
    ASSERT_EQUAL("1, 10 or 100 ps", several.describe("ps"));
    ASSERT_EQUAL("1 to 1000 ps", range.describe("ps"));
    const Card card = parseCard(whole);
    requireKnown(card, 1.5, 295);
    assertThrows([&] { requireKnown(card, 2, 295); },
                 "trained for a step of 1.5 ps, but the step size is 2 ps. Call setStepSize(1.5)");
    assertThrows([&] { requireKnown(card, 1.5, 311); },
                 "trained at 280 to 310 K, but the temperature is 311 K. Call setTemperature(280)");
}

/// `whole`, which knows a range of lag times, with another recommended.
std::string recommending(const std::string& lagTimePs) {
    return changed(
        changed(whole, R"([1.5], "lag_time_range": false)", R"([1.5, 30], "lag_time_range": true)"),
        R"("history_length")", R"("recommended_lag_time_ps": )" + lagTimePs + R"(, "history_length")");
}

void testRecommendedLagTime() {
    const Card card = parseCard(recommending("20"));
    ASSERT_EQUAL(20.0, card.lagTimePs);
    assertThrows([&] { requireKnown(card, 31, 295); }, "Call setStepSize(20)");
    assertThrows([] { parseCard(recommending("31")); },
                 "Card: recommended_lag_time_ps is 31, which lag_times_ps does not hold.");
    assertThrows([] { parseCard(recommending("null")); },
                 "capabilities.recommended_lag_time_ps: expected a number, found null");
}

struct Refusal {
    const char *from, *to, *message;
};

const Refusal refusals[] = {
    {R"("2.3")", R"("1.0")", "Card: the program has format version 1.0, but this library reads version 2."},
    {R"("2.3")", R"("20.0")", "format version 20.0"},
    {R"("2.3")", "2.3", "Card.format_version: expected a string, found a number"},
    {R"("test")", "null", "Card.name: expected a string, found null"},
    {"[1.5]", "[0]", "Card: lag_times_ps must be positive, found 0."},
    {"[1.5]", "[]", "Card: lag_times_ps is empty"},
    {"[1.5]", "[1.5, 1]", "Card: lag_times_ps must ascend, found 1 after 1.5."},
    {R"("lag_time_range": false)", R"("lag_time_range": true)",
     "Card: lag_times_ps has 1 entries, expected 2"},
    {"[280, 310]", "[-280, 310]", "Card: temperatures_K must be positive, found -280."},
    {R"("history_length": 2)", R"("history_length": 0)", "Card: history_length must be at least 1, found 0."},
    {R"("history_length": 2)", R"("history_length": 2.5)", "history_length: expected a whole number"},
    {R"("latent_size": 3)", R"("latent_size": -1)", "Card: latent_size must be at least 1, found -1."},
    {R"("denoising_steps": 7)", R"("denoising_steps": -1)",
     "Card: denoising_steps must be at least 0, found -1."},
    {R"("denoising_steps": 7)", R"("denoising_steps": 0)",
     "Card: denoising_steps is 0, but a model without denoising steps begins by has_start."},
    {"0.01", "0", "Card: sigma_min must be positive, found 0."},
    {R"("sigma_max": 80)", R"("sigma_max": 0.001)",
     "Card: sigma_min must be below sigma_max, found 0.01 and 0.001."},
    {R"("sigma_data": 0.5)", R"("sigma_data": 0)", "Card: sigma_data must be positive, found 0."},
    {R"("heun")", R"("rk4")", ", found 'rk4'; choose one of these."},
    {R"("heun")", R"("dpmpp_2m")", "is right with heun or trig_2m only, found dpmpp_2m"},
    {R"("high")", R"("tf32")",
     "matmul_precision is not valid; expected highest, high or medium, found 'tf32'"},
    {R"(["C", "H", "F", "EO"])", "[]", "Card: types is empty"},
    {R"("F")", "9", "types[2]: expected a string, found a number"},
    {", 35.5", "", "Card: masses_amu has 3 entries, expected 4."},
    {"35.5", "0", "Card: masses_amu holds 0, but these numbers are positive."},
    {"[0, 2]]", "[0, 4]]", "Card: bonds names atom 4, but the model has 4 atoms."},
    {"[0, 2]]", "[0, -1]]", "Card: bonds names atom -1"},
    {"[0, 2]]", "[0, 0]]", "Card: bonds names atom 0 twice in one entry."},
    {"[0, 2]]", "[0, 2, 3]]", "Card: bonds has an entry of 3 atoms, expected 2."},
    {"[0.109, 0.135]", "[0.109]", "Card: bond_lengths_nm has 1 entries, expected 2."},
    {"0.135", "-0.135", "Card: bond_lengths_nm holds -0.135, but these numbers are positive."},
    {R"("bond_tolerance": 0.3)", R"("bond_tolerance": 0)", "Card: bond_tolerance must be positive, found 0."},
    {"[[85, 140]]", "[]", "Card: angle_limits_deg has 0 entries, expected 1, one per entry of angles."},
    {"[[85, 140]]", "[[85]]", "Card: angle_limits_deg has an entry of 1 numbers, expected 2."},
    {"[[85, 140]]", "[[140, 85]]", "Card: angle_limits_deg must ascend between 0 and 180, found 140 and 85."},
    {"[[0, 3, 2, 1]]", "[[0, 3, 2]]", "Card: stereocentres has an entry of 3 atoms, expected 4."},
    {"[true]", "[]", "Card: double_bonds_cis has 0 entries, expected 1, one per entry of double_bonds."},
    {"[0, 0, 1, 5]", "[0, 0, 1]", "Card: contact_classes has 3 entries, expected 4."},
    {"[0, 5]", "[0]", "Card: contacts has an entry of 1 classes, expected 2."},
    {"0.2}", "0}", "Card: min_distance_nm must be positive, found 0."},
    {"0.75", "0", "Card: max_displacement_nm must be positive, found 0."},
    {R"("contacts")", R"("magic": 1, "contacts")",
     "Card: guard has a rule 'magic' that this library does not know"},
    {R"({"anything": 1})", "[]", "provenance: expected an object, found an array"},
    {R"("periodic": false)", R"("periodic": 0)", "periodic: expected true or false, found a number"},
    {"\"history\": [1,", "\"history\": [", "Card: history has 23 entries, expected 24."},
    {"\"box\": [0,", "\"box\": [", "Card: box has 8 entries, expected 9."},
    {"\"lag_time_ps\": 1.5", "\"lag_time_ps\": 2", "Card: golden has a lag_time_ps of 2, which lag_times_ps"},
    {"\"temperature_K\": 300", "\"temperature_K\": 400", "Card: golden has a temperature_K of 400"},
    {"\"latent\": [1,", "\"latent\": [1,1,", "Card: latent has 4 entries, expected 3."},
    {"\"sigma\": 0.5", "\"sigma\": -0.5", "Card: sigma must be positive, found -0.5."},
    {"\"sigma\": 0.5", "\"sigma\": 1e300", "Card: golden has a sigma of 1e+300, which is too large."},
    {"[4,5,6]", "[4,5]", "Card: denoised has 2 entries, expected 3."},
    {"[4,5,6]", "[4,5,1e39]", "Card: denoised holds 1e+39, which is too large."},
    {"\"positions\": [1,", "\"positions\": [", "Card: positions has 11 entries, expected 12."},
    {"\"golden\"", "golden", "Card: not valid JSON"},
};

void testNoFieldMayBeMissing() {
    for (const std::string field : {"format_version",
                                    "name",
                                    "capabilities",
                                    "particles",
                                    "provenance",
                                    "golden",
                                    "lag_times_ps",
                                    "lag_time_range",
                                    "temperatures_K",
                                    "temperature_range",
                                    "history_length",
                                    "latent_size",
                                    "periodic",
                                    "has_start",
                                    "sigma_min",
                                    "sigma_max",
                                    "sigma_data",
                                    "solver",
                                    "solvers",
                                    "denoising_steps",
                                    "matmul_precision",
                                    "types",
                                    "masses_amu",
                                    "bonds",
                                    "guard",
                                    "history",
                                    "box",
                                    "lag_time_ps",
                                    "temperature_K",
                                    "latent",
                                    "sigma",
                                    "denoised",
                                    "positions",
                                    "min_distance_nm",
                                    "classes"}) {
        const std::string text = changed(whole, '"' + field + "\": ", "\"other\": ");
        assertThrows([&] { parseCard(text); }, "the field '" + field + "' is missing. Export");
    }
    for (const std::string field : {"noise", "started"}) {
        const std::string text = changed(withStart(), '"' + field + "\": ", "\"other\": ");
        assertThrows([&] { parseCard(text); }, "the field '" + field + "' is missing. Export");
    }
    // A rule that is missing under its name is one under an unknown name, too.
    assertThrows([] { parseCard(changed(whole, R"("angles")", R"("other")")); }, "guard has a rule 'other'");
    assertThrows([] { parseCard(changed(whole, R"("bond_tolerance": 0.3, )", "")); },
                 "the field 'bond_tolerance' is missing");
}

void testRefusals() {
    for (const auto& [from, to, message] : refusals) {
        const std::string text = changed(whole, from, to);
        assertThrows([&] { parseCard(text); }, message);
    }
    const size_t golden = whole.find("\"golden\": ");
    assertThrows([&] { parseCard(whole.substr(0, golden) + "\"golden\": []}"); }, "Card: golden is empty");
}

}  // namespace core_tests

int main() {
    using namespace core_tests;
    return runTests({testCapabilities, testParticles, testGolden, testKnownValues, testRecommendedLagTime,
                     testNoFieldMayBeMissing, testRefusals});
}
