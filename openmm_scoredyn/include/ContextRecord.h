#pragma once

#include <array>
#include <cstdint>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "openmm/internal/ContextImpl.h"

namespace ScoreDynPlugin {

/// What OpenMM itself writes into a State or a checkpoint, without a checksum: kept in the integrator's
/// record, too, so that a damaged one is told when it is loaded. What is set later is the user's and compared
/// with nothing.
struct ContextRecord {
    /// How near a position that was loaded comes to the one that was saved.
    struct Rounding {
        double relative = 0;  ///< of the box edge and the coordinate; 0: that of float32
        bool images = false;  ///< whether a particle may come back as its image in another cell
    };

    double time = 0;  ///< ps
    int64_t stepCount = 0;
    std::array<double, 9> box{};                ///< rows a, b, c, nm
    std::vector<double> positions, velocities;  ///< (N,3) nm, nm/ps, of all particles of the System
    std::map<std::string, double> parameters;   ///< global parameters of the System's forces

    static ContextRecord of(OpenMM::ContextImpl& context);

    /// What a context that loaded a checkpoint, bit for bit, holds otherwise; nothing if it is all the same.
    std::optional<std::string> differenceOfCheckpoint(const ContextRecord& found) const;
    /// The same of a State, which passed through the precision of a platform. `given` are the parts that it
    /// holds (State::Velocities, State::Parameters); positions, box and times it must hold.
    std::optional<std::string> differenceOfState(const ContextRecord& found, int given,
                                                 const Rounding& rounding) const;

    void write(std::ostream& stream) const;
    /// Read what `write` wrote. The caller has compared it with a checksum.
    static ContextRecord read(std::istream& stream);
};

}  // namespace ScoreDynPlugin
