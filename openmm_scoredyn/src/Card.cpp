#include "Card.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <sstream>

#include "Json.h"
#include "SolverPlan.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

namespace {

constexpr double relativePrecision = 1e-6;
constexpr double largestAngleDeg = 180;

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

int atLeast(int least, const JsonValue& json, const char* field) {
    const int value = json.at(field).asInt();
    require(value >= least, field, " must be at least ", least, ", found ", value, ".");
    return value;
}

template <typename Number>
std::vector<Number> numbers(const JsonValue& json, const char* field) {
    std::vector<Number> values;
    for (const JsonValue& entry : json.at(field).asArray()) {
        const double value = entry.asNumber();
        require(std::abs(value) <= std::numeric_limits<Number>::max(), field, " holds ", value,
                ", which is too large.");
        values.push_back(static_cast<Number>(value));
    }
    return values;
}

template <typename Number>
std::vector<Number> numbers(const JsonValue& json, const char* field, size_t expected) {
    const std::vector<Number> values = numbers<Number>(json, field);
    require(values.size() == expected, field, " has ", values.size(), " entries, expected ", expected, ".");
    return values;
}

std::vector<std::string> texts(const JsonValue& json, const char* field) {
    std::vector<std::string> values;
    for (const JsonValue& entry : json.at(field).asArray()) values.push_back(entry.asString());
    return values;
}

std::vector<double> positives(const JsonValue& json, const char* field, size_t expected) {
    const std::vector<double> values = numbers<double>(json, field, expected);
    for (const double value : values)
        require(value > 0, field, " holds ", value, ", but these numbers are positive.");
    return values;
}

/// Indices of particles in rows of `width` different ones.
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

void requireSameLength(const char* field, size_t found, const char* other, size_t expected) {
    require(found == expected, field, " has ", found, " entries, expected ", expected, ", one per entry of ",
            other, ".");
}

KnownValues readKnown(const JsonValue& json, const char* field, const char* rangeField) {
    KnownValues known{numbers<double>(json, field), json.at(rangeField).asBool()};
    require(!known.values.empty(), field, " is empty, but a model knows at least one value.");
    require(!known.isRange || known.values.size() == 2, field, " has ", known.values.size(),
            " entries, expected 2, the ends of the range.");
    for (size_t i = 0; i < known.values.size(); ++i) {
        require(known.values[i] > 0, field, " must be positive, found ", known.values[i], ".");
        require(i == 0 || known.values[i - 1] < known.values[i], field, " must ascend, found ",
                known.values[i], " after ", i == 0 ? 0 : known.values[i - 1], ".");
    }
    return known;
}

void readCapabilities(const JsonValue& json, Card& card) {
    card.lagTimesPs = readKnown(json, "lag_times_ps", "lag_time_range");
    card.lagTimePs = json.has("recommended_lag_time_ps") ? positive(json, "recommended_lag_time_ps")
                                                         : card.lagTimesPs.first();
    require(card.lagTimesPs.contains(card.lagTimePs), "recommended_lag_time_ps is ", card.lagTimePs,
            ", which lag_times_ps does not hold.");
    card.temperaturesK = readKnown(json, "temperatures_K", "temperature_range");
    card.historyLength = atLeast(1, json, "history_length");
    card.latentSize = atLeast(1, json, "latent_size");
    card.periodic = json.at("periodic").asBool();
    card.hasStart = json.at("has_start").asBool();
    card.denoisingSteps = atLeast(0, json, "denoising_steps");
    require(card.denoisingSteps > 0 || card.hasStart,
            "denoising_steps is 0, but a model without denoising steps begins by has_start.");
    card.sigmaMin = positive(json, "sigma_min");
    card.sigmaMax = positive(json, "sigma_max");
    card.sigmaData = positive(json, "sigma_data");
    require(card.sigmaMin < card.sigmaMax, "sigma_min must be below sigma_max, found ", card.sigmaMin,
            " and ", card.sigmaMax, ".");
    card.solver = json.at("solver").asString();
    parseSolver(card.solver);
    card.solvers = texts(json, "solvers");
    for (const std::string& solver : card.solvers) parseSolver(solver);
    requireSolver(card, card.solver);
    card.matmulPrecision = parseMatmulPrecision(json.at("matmul_precision").asString());
}

void readContacts(const JsonValue& json, int numParticles, GuardRules& guard) {
    const JsonValue::Array& contacts = json.at("contacts").asArray();
    const std::vector<double> classes = numbers<double>(json, "contact_classes");
    require(contacts.empty() || classes.size() == size_t(numParticles), "contact_classes has ",
            classes.size(), " entries, expected ", numParticles, ".");
    for (const JsonValue& entry : json.at("contact_classes").asArray())
        guard.contactClasses.push_back(entry.asInt());
    for (const JsonValue& entry : contacts) {
        const JsonValue::Array& pair = entry.at("classes").asArray();
        require(pair.size() == 2, "contacts has an entry of ", pair.size(), " classes, expected 2.");
        guard.contacts.push_back({pair[0].asInt(), pair[1].asInt(), positive(entry, "min_distance_nm")});
    }
}

void requireKnownRules(const JsonValue& json) {
    static const std::set<std::string> known{
        "bond_lengths_nm", "bond_tolerance",   "angles",          "angle_limits_deg", "stereocentres",
        "double_bonds",    "double_bonds_cis", "contact_classes", "contacts",         "max_displacement_nm"};
    for (const std::string& field : json.keys())
        require(known.contains(field), "guard has a rule '", field,
                "' that this library does not know; install the release of openmm-scoredyn that wrote it.");
}

void readGuard(const JsonValue& json, int numParticles, GuardRules& guard) {
    requireKnownRules(json);
    guard.bondLengthsNm = positives(json, "bond_lengths_nm", guard.bonds.size());
    guard.bondTolerance = positive(json, "bond_tolerance");
    const auto angles = indexRows(json, "angles", 3, numParticles);
    const JsonValue::Array& limits = json.at("angle_limits_deg").asArray();
    requireSameLength("angle_limits_deg", limits.size(), "angles", angles.size());
    for (size_t k = 0; k < angles.size(); ++k) {
        const JsonValue::Array& ends = limits[k].asArray();
        require(ends.size() == 2, "angle_limits_deg has an entry of ", ends.size(), " numbers, expected 2.");
        const double low = ends[0].asNumber(), high = ends[1].asNumber();
        require(0 <= low && low < high && high <= largestAngleDeg,
                "angle_limits_deg must ascend between 0 and 180, found ", low, " and ", high, ".");
        guard.angles.push_back({angles[k][0], angles[k][1], angles[k][2], low, high});
    }
    for (const auto& row : indexRows(json, "stereocentres", 4, numParticles))
        guard.stereocentres.push_back({row[0], row[1], row[2], row[3]});
    const auto doubleBonds = indexRows(json, "double_bonds", 4, numParticles);
    const JsonValue::Array& cis = json.at("double_bonds_cis").asArray();
    requireSameLength("double_bonds_cis", cis.size(), "double_bonds", doubleBonds.size());
    for (size_t k = 0; k < cis.size(); ++k)
        guard.doubleBonds.push_back(
            {doubleBonds[k][0], doubleBonds[k][1], doubleBonds[k][2], doubleBonds[k][3], cis[k].asBool()});
    readContacts(json, numParticles, guard);
    guard.maxDisplacementNm = positive(json, "max_displacement_nm");
}

void readParticles(const JsonValue& json, Card& card) {
    card.types = texts(json, "types");
    require(!card.types.empty(), "types is empty, but a model needs at least one particle.");
    card.massesAmu = positives(json, "masses_amu", card.types.size());
    for (const auto& row : indexRows(json, "bonds", 2, card.numParticles()))
        card.guard.bonds.emplace_back(row[0], row[1]);
    readGuard(json.at("guard"), card.numParticles(), card.guard);
}

Golden readGolden(const JsonValue& json, const Card& card) {
    const size_t frame = size_t(card.numParticles()) * 3, latent = card.latentSize;
    Golden golden;
    golden.history = numbers<float>(json, "history", card.historyLength * frame);
    golden.box = numbers<float>(json, "box", 9);
    golden.lagTimePs = positive(json, "lag_time_ps");
    golden.temperatureK = positive(json, "temperature_K");
    require(card.lagTimesPs.contains(golden.lagTimePs), "golden has a lag_time_ps of ", golden.lagTimePs,
            ", which lag_times_ps does not hold.");
    require(card.temperaturesK.contains(golden.temperatureK), "golden has a temperature_K of ",
            golden.temperatureK, ", which temperatures_K does not hold.");
    if (card.hasStart) {
        golden.noise = numbers<float>(json, "noise", latent);
        golden.started = numbers<float>(json, "started", latent);
    }
    if (card.denoisingSteps > 0) {
        golden.latent = numbers<float>(json, "latent", latent);
        golden.denoised = numbers<float>(json, "denoised", latent);
        golden.sigma = positive(json, "sigma");
        require(golden.sigma <= std::numeric_limits<float>::max(), "golden has a sigma of ", golden.sigma,
                ", which is too large.");
    }
    golden.positions = numbers<float>(json, "positions", frame);
    return golden;
}

bool near(double a, double b) { return std::abs(a - b) <= relativePrecision * std::abs(b); }

}  // namespace

bool KnownValues::contains(double value) const {
    if (isRange)
        return (values.front() <= value && value <= values.back()) || near(value, values.front()) ||
               near(value, values.back());
    return std::ranges::any_of(values, [&](double known) { return near(value, known); });
}

std::string KnownValues::describe(const std::string& unit) const {
    std::ostringstream text;
    for (size_t i = 0; i < values.size(); ++i) {
        if (i > 0) text << (isRange ? " to " : i + 1 == values.size() ? " or " : ", ");
        text << values[i];
    }
    text << ' ' << unit;
    return text.str();
}

namespace {

/// All of a card but its golden examples.
Card readCard(const JsonValue& json, const std::string& text) {
    Card card;
    card.json = text;
    if (json.has("kind") && json.at("kind").asString() == "crystal_denoiser")
        throw OpenMM::OpenMMException(
            "Card: the file is a crystal denoiser, which knows no dynamics; expected a model of molecular "
            "dynamics. Give another file, or load this one with CrystalDenoiser.");
    card.formatVersion = json.at("format_version").asString();
    if (card.formatVersion != "2" && card.formatVersion.rfind("2.", 0) != 0)
        throw OpenMM::OpenMMException(
            "Card: the program has format version " + card.formatVersion +
            ", but this library reads version 2. Export the model again, or install the release of "
            "openmm-scoredyn that wrote it.");
    card.name = json.at("name").asString();
    require(card.name.find_first_not_of(' ') != std::string::npos, "name is blank, but a model has one.");
    require(std::ranges::none_of(card.name, [](unsigned char c) { return c < 0x20 || c == 0x7F; }),
            "name holds a line break or another control character, but it is one line of text.");
    readCapabilities(json.at("capabilities"), card);
    readParticles(json.at("particles"), card);
    json.at("provenance").keys();
    json.at("golden").asArray();
    return card;
}

}  // namespace

Card parseIncompleteCard(const std::string& text) { return readCard(parseJson(text, "Card"), text); }

Card parseParticles(const std::string& text) {
    Card card;
    readParticles(parseJson(text, "Card"), card);
    return card;
}

Card parseCard(const std::string& text) {
    const JsonValue json = parseJson(text, "Card");
    Card card = readCard(json, text);
    for (const JsonValue& entry : json.at("golden").asArray()) card.golden.push_back(readGolden(entry, card));
    require(!card.golden.empty(), "golden is empty, but a program is checked against at least one example.");
    return card;
}

void requireSolver(const Card& card, const std::string& solver) {
    if (card.solvers.empty() || std::ranges::find(card.solvers, solver) != card.solvers.end()) return;
    std::string allowed;
    for (const std::string& name : card.solvers) allowed += (allowed.empty() ? "" : " or ") + name;
    throw OpenMM::OpenMMException("Solver: the model '" + card.name + "' is right with " + allowed +
                                  " only, found " + solver + ". Leave the solver as the model sets it.");
}

void requireKnown(const Card& card, double lagTimePs, double temperatureK) {
    std::ostringstream text;
    if (!card.lagTimesPs.contains(lagTimePs))
        text << "the model was trained for a step of " << card.lagTimesPs.describe("ps")
             << ", but the step size is " << lagTimePs << " ps. Call setStepSize(" << card.lagTimePs
             << ") or use another model.";
    else if (!card.temperaturesK.contains(temperatureK))
        text << "the model was trained at " << card.temperaturesK.describe("K") << ", but the temperature is "
             << temperatureK << " K. Call setTemperature(" << card.temperaturesK.first()
             << ") or use another model.";
    else
        return;
    throw OpenMM::OpenMMException("ScoreDynamicsIntegrator: " + text.str());
}

}  // namespace ScoreDynPlugin
