#pragma once

namespace ScoreDynPlugin {

class ScoreProgram;

/// Run a program on the golden input of its card and compare: latents to 1e-3 (1 + |x|), positions to 1e-4
/// nm. Throws OpenMMException naming the first value that differs, because a program that does not give here
/// what it gave where it was exported gives wrong physics without any other sign.
void checkGolden(const ScoreProgram& program);

}  // namespace ScoreDynPlugin
