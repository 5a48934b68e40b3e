#pragma once

namespace ScoreDynPlugin {

/// What the guard refused. Every refused draw is counted once under its cause.
struct StepCounts {
    long long redraws = 0;        ///< draws made in place of refused ones
    long long rejectedSteps = 0;  ///< steps (of one replica) whose first draw was refused
    long long notFinite = 0;
    long long bond = 0;
    long long chirality = 0;
    long long displacement = 0;
};

}  // namespace ScoreDynPlugin
