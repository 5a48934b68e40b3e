#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "ContextRecord.h"
#include "StepCounts.h"
#include "openmm/serialization/SerializationNode.h"

namespace ScoreDynPlugin {

/// What a State or checkpoint must share with the context that takes it up.
struct SamplerIdentity {
    std::string modelSha256, solver;
    int denoisingSteps = 0;
    double temperature = 0;  ///< K
    double stepSize = 0;     ///< ps
};

/// All that the next step depends on besides the positions of the context, and the counters: what a restart
/// needs to go on bit for bit.
struct SamplerState {
    SamplerIdentity identity;
    uint32_t seed = 0;  ///< the seed in use, chosen when the integrator's is 0
    /// Set on the integrator since, for the next context; written to checkpoints only, because
    /// Context::reinitialize makes one context of another through a checkpoint.
    std::optional<uint32_t> nextSeed;
    uint64_t step = 0;        ///< step of the noise, counted from the creation of the context
    uint64_t handedOver = 0;  ///< steps that another integrator made
    StepCounts counts;
    std::vector<float> history;  ///< (H, N, 3) nm, newest frame last; empty before the first step
    ContextRecord context;       ///< what the State or checkpoint holds besides; filled where one is made

    /// All of it, as it stands in checkpoints and States.
    std::string bytes() const;
    /// Into a checkpoint, with the SHA-256 of the bytes.
    void write(std::ostream& stream) const;
    /// Into a State or its XML, in the same way.
    void serialize(OpenMM::SerializationNode& node) const;
};

/// Read what `write` wrote. Throws OpenMMException for a record that is damaged or cut, that another kind of
/// integrator wrote, or of another identity; `historySize` is the number of floats of a history.
SamplerState readSamplerState(std::istream& stream, const SamplerIdentity& identity, size_t historySize);

/// The same of `serialize`; nothing for a node that another kind of integrator wrote.
std::optional<SamplerState> deserializeSamplerState(const OpenMM::SerializationNode& node,
                                                    const SamplerIdentity& identity, size_t historySize);

}  // namespace ScoreDynPlugin
