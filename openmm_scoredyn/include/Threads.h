#pragma once

#include <string>

namespace ScoreDynPlugin {

/// More threads than one operation of a network can use, and fewer than OpenMP needs to end the process.
constexpr int maxThreads = 256;

/// Throw OpenMMException unless the number is from 1 to maxThreads; `who` begins the sentence.
void requireThreadCount(const std::string& who, int numThreads);

/// To be called before work on that many threads. Throws OpenMMException in a process that was forked from
/// one which had used several: it has none of its threads, and OpenMP would wait for them without end.
void requireThreadsAlive(int numThreads);

}  // namespace ScoreDynPlugin
