#include "SamplerState.h"

#include <array>
#include <cstring>
#include <istream>
#include <ostream>
#include <string>
#include <utility>

#include "Base64.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;
using OpenMM::SerializationNode;

namespace {

constexpr int stateVersion = 1;
// Starts the record in a checkpoint, so that one of another integrator is told from ours.
constexpr uint32_t magic = 0x53447931;

constexpr const char* redraws = "redraws";
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

}  // namespace

void SamplerState::write(std::ostream& stream) const {
    put(stream, magic);
    put(stream, seed);
    put(stream, step);
    put(stream, counts);
    put(stream, static_cast<uint64_t>(history.size()));
    stream.write(reinterpret_cast<const char*>(history.data()), history.size() * sizeof(float));
}

void SamplerState::read(std::istream& stream) {
    if (take<uint32_t>(stream) != magic)
        throw OpenMMException(
            "ScoreDynamicsIntegrator: the checkpoint was not written by a ScoreDynamicsIntegrator of "
            "this version; load a State instead.");
    seed = take<uint32_t>(stream);
    step = take<uint64_t>(stream);
    counts = take<StepCounts>(stream);
    if (take<uint64_t>(stream) != history.size() || !stream)
        throw OpenMMException(
            "ScoreDynamicsIntegrator: the checkpoint was written with another model; "
            "load it with the model that wrote it.");
    stream.read(reinterpret_cast<char*>(history.data()), history.size() * sizeof(float));
    if (!stream)
        throw OpenMMException("ScoreDynamicsIntegrator: the checkpoint is truncated; load an earlier one.");
}

void SamplerState::serialize(SerializationNode& node) const {
    node.setIntProperty("scoreDynVersion", stateVersion);
    node.setLongProperty("seed", seed);
    node.setLongProperty("noiseStep", static_cast<long long>(step));
    node.setLongProperty(redraws, counts.redraws);
    node.setLongProperty(rejectedSteps, counts.rejectedSteps);
    for (size_t i = 0; i < causeNames.size(); ++i) node.setLongProperty(causeNames[i], counts.byCause[i]);
    node.setStringProperty("history", base64Encode(history.data(), history.size() * sizeof(float)));
}

bool SamplerState::deserialize(const SerializationNode& node) {
    if (!node.hasProperty("scoreDynVersion")) return false;
    if (node.getIntProperty("scoreDynVersion") != stateVersion)
        throw OpenMMException("ScoreDynamicsIntegrator: the State has version " +
                              std::to_string(node.getIntProperty("scoreDynVersion")) + "; expected " +
                              std::to_string(stateVersion) + "; load it with the package that wrote it.");
    const std::string bytes = base64Decode(node.getStringProperty("history"));
    if (bytes.size() != history.size() * sizeof(float))
        throw OpenMMException(
            "ScoreDynamicsIntegrator: the State was written with another model; "
            "load it with the model that wrote it.");
    std::memcpy(history.data(), bytes.data(), bytes.size());
    seed = static_cast<uint32_t>(node.getLongProperty("seed"));
    step = static_cast<uint64_t>(node.getLongProperty("noiseStep"));
    counts.redraws = node.getLongProperty(redraws);
    counts.rejectedSteps = node.getLongProperty(rejectedSteps);
    for (size_t i = 0; i < causeNames.size(); ++i) counts.byCause[i] = node.getLongProperty(causeNames[i]);
    return true;
}

}  // namespace ScoreDynPlugin
