#pragma once

#include <cstdint>
#include <iosfwd>
#include <vector>

#include "StepCounts.h"
#include "openmm/serialization/SerializationNode.h"

namespace ScoreDynPlugin {

/// All that the next step depends on besides the positions of the context, and the counters: what a restart
/// needs to go on bit for bit.
struct SamplerState {
    uint32_t seed = 0;  ///< the seed in use, chosen when the integrator's is 0
    uint64_t step = 0;  ///< step of the noise, counted from the creation of the context
    StepCounts counts;
    std::vector<float> history;  ///< (H, N, 3) nm, newest frame last

    /// Binary form, for checkpoints.
    void write(std::ostream& stream) const;
    /// Throws OpenMMException when the stream ends early or was written for another model.
    void read(std::istream& stream);

    /// Form for State objects and their XML.
    void serialize(OpenMM::SerializationNode& node) const;
    /// Returns false, with nothing changed, for a node that another kind of integrator wrote.
    bool deserialize(const OpenMM::SerializationNode& node);
};

}  // namespace ScoreDynPlugin
