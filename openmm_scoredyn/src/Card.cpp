#include "Card.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "Json.h"
#include "SolverPlan.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

namespace {

template <typename... Parts>
void require(bool condition, const Parts&... parts) {
    if (condition) return;
    std::ostringstream text;
    text << "Card: ";
    (text << ... << parts);
    text << " Export the model again.";
    throw OpenMM::OpenMMException(text.str());
}

double positive(const JsonValue& json, const char* field) {
    const double value = json.at(field).asNumber();
    require(value > 0, field, " must be positive, found ", value, ".");
    return value;
}

int atLeastOne(const JsonValue& json, const char* field) {
    const int value = json.at(field).asInt();
    require(value >= 1, field, " must be at least 1, found ", value, ".");
    return value;
}

template <typename Number>
std::vector<Number> numbers(const JsonValue& json, const char* field, size_t expected) {
    std::vector<Number> values;
    for (const JsonValue& entry : json.at(field).asArray()) {
        const double value = entry.asNumber();
        require(std::abs(value) <= std::numeric_limits<Number>::max(), field, " holds ", value,
                ", which is too large.");
        values.push_back(static_cast<Number>(value));
    }
    require(values.size() == expected, field, " has ", values.size(), " entries, expected ", expected, ".");
    return values;
}

/// Atom indices in rows of `width` different ones.
std::vector<std::vector<int>> indexRows(const JsonValue& json, const char* field, size_t width,
                                        int numParticles) {
    std::vector<std::vector<int>> rows;
    for (const JsonValue& entry : json.at(field).asArray()) {
        std::vector<int> row;
        for (const JsonValue& index : entry.asArray()) {
            const int atom = index.asInt();
            require(atom >= 0 && atom < numParticles, field, " names atom ", atom, ", but the model has ",
                    numParticles, " atoms.");
            for (const int other : row)
                require(other != atom, field, " names atom ", atom, " twice in one entry.");
            row.push_back(atom);
        }
        require(row.size() == width, field, " has an entry of ", row.size(), " atoms, expected ", width, ".");
        rows.push_back(row);
    }
    return rows;
}

Golden readGolden(const JsonValue& json, const Card& card) {
    const size_t frame = size_t(card.numParticles()) * 3, latent = size_t(card.latentSize) * 3;
    Golden golden;
    golden.history = numbers<float>(json, "history", card.historyLength * frame);
    golden.box = numbers<float>(json, "box", 9);
    golden.positions = numbers<float>(json, "positions", frame);
    if (card.kind == "transition") {
        golden.noise = numbers<float>(json, "noise", card.noiseCount * latent);
    } else {
        golden.latent = numbers<float>(json, "latent", latent);
        golden.denoised = numbers<float>(json, "denoised", latent);
        golden.sigma = positive(json, "sigma");
    }
    return golden;
}

void readMolecule(const JsonValue& json, Card& card) {
    for (const JsonValue& element : json.at("elements").asArray())
        card.elements.push_back(element.asString());
    require(!card.elements.empty(), "elements is empty, but a model needs at least one atom.");
    card.massesAmu = numbers<double>(json, "masses_amu", card.elements.size());
    for (const double mass : card.massesAmu)
        require(mass > 0, "masses_amu holds ", mass, ", but masses are positive.");
    for (const auto& row : indexRows(json, "bonds", 2, card.numParticles()))
        card.bonds.emplace_back(row[0], row[1]);
    card.bondLengthsNm = numbers<double>(json, "bond_lengths_nm", card.bonds.size());
    for (const double length : card.bondLengthsNm)
        require(length > 0, "bond_lengths_nm holds ", length, ", but lengths are positive.");
    card.bondTolerance = positive(json, "bond_tolerance");
    for (const auto& row : indexRows(json, "chiral_centres", 4, card.numParticles()))
        card.chiralCentres.push_back({row[0], row[1], row[2], row[3]});
    card.maxDisplacementNm = positive(json, "max_displacement_nm");
    card.periodic = json.at("periodic").asBool();
}

}  // namespace

Card parseCard(const std::string& text) {
    const JsonValue json = parseJson(text, "Card");
    Card card;
    card.json = text;
    if (json.has("kind") && json.at("kind").asString() == "crystal_denoiser")
        throw OpenMM::OpenMMException(
            "Card: the file is a crystal denoiser, which knows no dynamics; expected a model of molecular "
            "dynamics. Give another file, or load this one with CrystalDenoiser.");
    card.formatVersion = json.at("format_version").asString();
    if (card.formatVersion != "1" && card.formatVersion.rfind("1.", 0) != 0)
        throw OpenMM::OpenMMException(
            "Card: the program has format version " + card.formatVersion +
            ", but this library reads version 1. Install the release of openmm-scoredyn that "
            "wrote it.");
    card.kind = json.at("kind").asString();
    require(card.kind == "denoiser" || card.kind == "transition",
            "kind must be denoiser or transition, found '", card.kind, "'.");
    card.name = json.at("name").asString();
    card.lagTimePs = positive(json, "lag_time_ps");
    card.temperatureK = positive(json, "temperature_K");
    card.historyLength = atLeastOne(json, "history_length");
    card.latentSize = atLeastOne(json, "latent_size");
    card.noiseCount = json.has("noise_count") ? atLeastOne(json, "noise_count") : 1;
    card.denoisingSteps = atLeastOne(json, "denoising_steps");
    card.sigmaMin = positive(json, "sigma_min");
    card.sigmaMax = positive(json, "sigma_max");
    card.sigmaData = positive(json, "sigma_data");
    require(card.sigmaMin < card.sigmaMax, "sigma_min must be below sigma_max, found ", card.sigmaMin,
            " and ", card.sigmaMax, ".");
    card.solver = json.at("solver").asString();
    parseSolver(card.solver);
    if (json.has("solvers"))
        for (const JsonValue& allowed : json.at("solvers").asArray()) {
            card.solvers.push_back(allowed.asString());
            parseSolver(card.solvers.back());
        }
    if (json.has("matmul_precision"))
        card.matmulPrecision = parseMatmulPrecision(json.at("matmul_precision").asString());
    readMolecule(json, card);
    card.golden = readGolden(json.at("golden"), card);
    return card;
}

void requireSolver(const Card& card, const std::string& solver) {
    if (card.solvers.empty() || std::ranges::find(card.solvers, solver) != card.solvers.end()) return;
    std::string allowed;
    for (const std::string& name : card.solvers) allowed += (allowed.empty() ? "" : " or ") + name;
    throw OpenMM::OpenMMException("Solver: the model '" + card.name + "' is right with " + allowed +
                                  " only, found " + solver + ". Leave the solver as the model sets it.");
}

}  // namespace ScoreDynPlugin
