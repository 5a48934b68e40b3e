#include "SamplerState.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <istream>
#include <ostream>
#include <sstream>
#include <string>

#include "Base64.h"
#include "BinaryText.h"
#include "Sha256.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;
using OpenMM::SerializationNode;

namespace {

constexpr int stateVersion = 5;
// Starts the record in a checkpoint, so that one of another integrator is told from ours.
constexpr uint32_t magic = 0x53447935;

constexpr const char* versionName = "scoreDynVersion";
constexpr const char* recordName = "ScoreDynamicsRecord";

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

/// The record of a State or checkpoint whose bytes were compared with their sum.
SamplerState parse(const std::string& saved, const std::string& bytes, const SamplerIdentity& identity,
                   size_t historySize) {
    std::istringstream record(bytes);
    SamplerState state;
    state.identity.modelSha256 = takeText(record);
    state.identity.solver = takeText(record);
    state.identity.denoisingSteps = take<int>(record);
    state.identity.temperature = take<double>(record);
    state.identity.stepSize = take<double>(record);
    requireIdentity(saved, identity, state.identity);
    state.seed = take<uint32_t>(record);
    const auto next = take<int64_t>(record);
    if (next >= 0) state.nextSeed = static_cast<uint32_t>(next);
    state.step = take<uint64_t>(record);
    state.handedOver = take<uint64_t>(record);
    state.counts = take<StepCounts>(record);
    state.history = historyOf(saved, takeText(record), historySize);
    state.context = ContextRecord::read(record);
    return state;
}

void requireSum(const std::string& saved, const std::string& bytes, const std::string& sum) {
    if (!sum.empty() && sha256Hex(bytes.data(), bytes.size()) == sum) return;
    throw OpenMMException("ScoreDynamicsIntegrator: the " + saved +
                          " is truncated or damaged; load an earlier one.");
}

}  // namespace

std::string SamplerState::bytes() const {
    std::ostringstream record;
    putText(record, identity.modelSha256);
    putText(record, identity.solver);
    put(record, identity.denoisingSteps);
    put(record, identity.temperature);
    put(record, identity.stepSize);
    put(record, seed);
    put(record, static_cast<int64_t>(nextSeed ? int64_t(*nextSeed) : -1));
    put(record, step);
    put(record, handedOver);
    put(record, counts);
    putText(record, bytesOf(history));
    context.write(record);
    return record.str();
}

void SamplerState::write(std::ostream& stream) const {
    const std::string record = bytes();
    put(stream, magic);
    putText(stream, sha256Hex(record.data(), record.size()));
    putText(stream, record);
}

SamplerState readSamplerState(std::istream& stream, const SamplerIdentity& identity, size_t historySize) {
    if (take<uint32_t>(stream) != magic)
        throw OpenMMException(
            "ScoreDynamicsIntegrator: the checkpoint is damaged, or was not written by a "
            "ScoreDynamicsIntegrator of this version; load an earlier one or a State.");
    const std::string sum = takeText(stream), record = takeText(stream);
    requireSum("checkpoint", record, sum);
    return parse("checkpoint", record, identity, historySize);
}

void SamplerState::serialize(SerializationNode& node) const {
    const std::string record = bytes();
    node.setIntProperty(versionName, stateVersion);
    node.createChildNode(recordName)
        .setStringProperty("sha256", sha256Hex(record.data(), record.size()))
        .setStringProperty("base64", base64Encode(record.data(), record.size()));
}

std::optional<SamplerState> deserializeSamplerState(const SerializationNode& node,
                                                    const SamplerIdentity& identity, size_t historySize) {
    // OpenMM's integrators write nothing, or a version of their own. Damage that hides one of our two parts,
    // property and child, leaves something of the other.
    const auto& children = node.getChildren();
    if (node.hasProperty("version") || (node.getProperties().empty() && children.empty()))
        return std::nullopt;
    const auto child =
        std::ranges::find_if(children, [](const auto& one) { return one.getName() == recordName; });
    const std::string version =
        child == children.end() ? "no record" : node.getStringProperty(versionName, "none");
    if (version != std::to_string(stateVersion))
        throw OpenMMException(
            "ScoreDynamicsIntegrator: the State is damaged, or has another version; found " + version +
            ", expected " + std::to_string(stateVersion) +
            "; load an earlier one, or use the package that wrote it.");
    const std::string record = base64Decode(child->getStringProperty("base64", ""));
    requireSum("State", record, child->getStringProperty("sha256", ""));
    return parse("State", record, identity, historySize);
}

}  // namespace ScoreDynPlugin
