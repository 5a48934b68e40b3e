#include "SamplerState.h"

#include <cmath>
#include <cstring>
#include <istream>
#include <limits>
#include <ostream>
#include <sstream>
#include <string>

#include "Base64.h"
#include "Sha256.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;
using OpenMM::SerializationNode;

namespace {

constexpr int stateVersion = 2;
// Starts the record in a checkpoint, so that one of another integrator is told from ours.
constexpr uint32_t magic = 0x53447932;
constexpr size_t longestRecord = size_t(1) << 31;

constexpr const char* rejectedDraws = "rejectedDraws";
constexpr const char* rejectedSteps = "rejectedSteps";

template <typename T>
void put(std::ostream& stream, const T& value) {
    stream.write(reinterpret_cast<const char*>(&value), sizeof(T));
}

template <typename T>
T take(std::istream& stream) {
    T value{};
    stream.read(reinterpret_cast<char*>(&value), sizeof(T));
    return value;
}

void putText(std::ostream& stream, const std::string& text) {
    put(stream, static_cast<uint64_t>(text.size()));
    stream.write(text.data(), static_cast<std::streamsize>(text.size()));
}

/// A text that cannot be read is empty, and the stream has failed.
std::string takeText(std::istream& stream) {
    const auto size = take<uint64_t>(stream);
    if (!stream || size > longestRecord) {
        stream.setstate(std::ios::failbit);
        return {};
    }
    std::string text(size, '\0');
    stream.read(text.data(), static_cast<std::streamsize>(size));
    return stream ? text : std::string();
}

template <typename Value>
void requireEqual(const std::string& saved, const char* what, const Value& expected, const Value& found,
                  const char* advice) {
    if (expected == found) return;
    std::ostringstream text;
    text << "ScoreDynamicsIntegrator: the " << saved << " was written with another " << what << "; expected "
         << expected << ", found " << found << "; " << advice
         << ", or take over its positions and velocities alone.";
    throw OpenMMException(text.str());
}

/// `saved` is "State" or "checkpoint".
void requireIdentity(const std::string& saved, const SamplerIdentity& expected,
                     const SamplerIdentity& found) {
    requireEqual(saved, "model (SHA-256)", expected.modelSha256, found.modelSha256,
                 "use the model that wrote it");
    requireEqual(saved, "solver", expected.solver, found.solver, "call setSolver with that one");
    requireEqual(saved, "number of denoising steps", expected.denoisingSteps, found.denoisingSteps,
                 "call setDenoisingSteps with that one");
    requireEqual(saved, "temperature (K)", expected.temperature, found.temperature,
                 "call setTemperature with that one");
    requireEqual(saved, "step size (ps)", expected.stepSize, found.stepSize,
                 "call setStepSize with that one");
}

std::vector<float> historyOf(const std::string& saved, const std::string& bytes, size_t historySize) {
    if (!bytes.empty() && bytes.size() != historySize * sizeof(float))
        throw OpenMMException("ScoreDynamicsIntegrator: the " + saved + " has a history of " +
                              std::to_string(bytes.size()) + " bytes; expected " +
                              std::to_string(historySize * sizeof(float)) + "; save it again.");
    std::vector<float> history(bytes.size() / sizeof(float));
    std::memcpy(history.data(), bytes.data(), bytes.size());
    for (const float value : history)
        if (!std::isfinite(value))
            throw OpenMMException("ScoreDynamicsIntegrator: the history of the " + saved + " holds " +
                                  std::to_string(value) + "; expected finite numbers; save it again.");
    return history;
}

std::string bytesOf(const std::vector<float>& history) {
    return {reinterpret_cast<const char*>(history.data()), history.size() * sizeof(float)};
}

}  // namespace

void SamplerState::write(std::ostream& stream) const {
    std::ostringstream record;
    putText(record, identity.modelSha256);
    putText(record, identity.solver);
    put(record, identity.denoisingSteps);
    put(record, identity.temperature);
    put(record, identity.stepSize);
    put(record, seed);
    put(record, static_cast<int64_t>(nextSeed ? int64_t(*nextSeed) : -1));
    put(record, step);
    put(record, counts);
    putText(record, bytesOf(history));
    const std::string bytes = record.str();
    put(stream, magic);
    putText(stream, sha256Hex(bytes.data(), bytes.size()));
    putText(stream, bytes);
}

SamplerState readSamplerState(std::istream& stream, const SamplerIdentity& identity, size_t historySize) {
    if (take<uint32_t>(stream) != magic)
        throw OpenMMException(
            "ScoreDynamicsIntegrator: the checkpoint was not written by a ScoreDynamicsIntegrator of "
            "this version; load a State instead.");
    const std::string sum = takeText(stream), bytes = takeText(stream);
    if (sum.empty() || sha256Hex(bytes.data(), bytes.size()) != sum)
        throw OpenMMException(
            "ScoreDynamicsIntegrator: the checkpoint is truncated or damaged; load an earlier one.");
    std::istringstream record(bytes);
    SamplerState state;
    state.identity.modelSha256 = takeText(record);
    state.identity.solver = takeText(record);
    state.identity.denoisingSteps = take<int>(record);
    state.identity.temperature = take<double>(record);
    state.identity.stepSize = take<double>(record);
    requireIdentity("checkpoint", identity, state.identity);
    state.seed = take<uint32_t>(record);
    const auto next = take<int64_t>(record);
    if (next >= 0) state.nextSeed = static_cast<uint32_t>(next);
    state.step = take<uint64_t>(record);
    state.counts = take<StepCounts>(record);
    state.history = historyOf("checkpoint", takeText(record), historySize);
    return state;
}

void SamplerState::serialize(SerializationNode& node) const {
    node.setIntProperty("scoreDynVersion", stateVersion);
    node.setStringProperty("modelSha256", identity.modelSha256);
    node.setStringProperty("solver", identity.solver);
    node.setIntProperty("denoisingSteps", identity.denoisingSteps);
    node.setDoubleProperty("temperature", identity.temperature);
    node.setDoubleProperty("stepSize", identity.stepSize);
    node.setLongProperty("seed", seed);
    node.setLongProperty("noiseStep", static_cast<long long>(step));
    node.setLongProperty(rejectedDraws, counts.rejectedDraws);
    node.setLongProperty(rejectedSteps, counts.rejectedSteps);
    for (size_t i = 0; i < causeNames.size(); ++i) node.setLongProperty(causeNames[i], counts.byCause[i]);
    const std::string bytes = bytesOf(history);
    node.setStringProperty("history", base64Encode(bytes.data(), bytes.size()));
}

std::optional<SamplerState> deserializeSamplerState(const SerializationNode& node,
                                                    const SamplerIdentity& identity, size_t historySize) {
    if (!node.hasProperty("scoreDynVersion")) return std::nullopt;
    if (node.getIntProperty("scoreDynVersion") != stateVersion)
        throw OpenMMException("ScoreDynamicsIntegrator: the State has version " +
                              std::to_string(node.getIntProperty("scoreDynVersion")) + "; expected " +
                              std::to_string(stateVersion) + "; load it with the package that wrote it.");
    SamplerState state;
    state.identity = {node.getStringProperty("modelSha256"), node.getStringProperty("solver"),
                      node.getIntProperty("denoisingSteps"), node.getDoubleProperty("temperature"),
                      node.getDoubleProperty("stepSize")};
    requireIdentity("State", identity, state.identity);
    const long long seed = node.getLongProperty("seed"), step = node.getLongProperty("noiseStep");
    if (seed < 1 || seed > std::numeric_limits<int>::max() || step < 0)
        throw OpenMMException(
            "ScoreDynamicsIntegrator: the State has the seed " + std::to_string(seed) +
            " and the step of the noise " + std::to_string(step) +
            "; expected a seed from 1 to 2147483647 and a step of 0 or more; save it again.");
    state.seed = static_cast<uint32_t>(seed);
    state.step = static_cast<uint64_t>(step);
    state.counts.rejectedDraws = node.getLongProperty(rejectedDraws);
    state.counts.rejectedSteps = node.getLongProperty(rejectedSteps);
    for (size_t i = 0; i < causeNames.size(); ++i)
        state.counts.byCause[i] = node.getLongProperty(causeNames[i]);
    state.history = historyOf("State", base64Decode(node.getStringProperty("history")), historySize);
    return state;
}

}  // namespace ScoreDynPlugin
