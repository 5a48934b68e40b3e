#include "Threads.h"

#include <pthread.h>

#include <atomic>

#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;

namespace {

std::atomic<bool> usedSeveral{false}, lostThreads{false};

void afterForkInChild() { lostThreads = lostThreads || usedSeveral; }

}  // namespace

void requireThreadCount(const std::string& who, int numThreads) {
    if (numThreads >= 1 && numThreads <= maxThreads) return;
    throw OpenMMException(who + ": the number of threads is " + std::to_string(numThreads) +
                          "; expected 1 to " + std::to_string(maxThreads) + "; give a number in this range.");
}

void requireThreadsAlive(int numThreads) {
    if (numThreads < 2) return;
    if (lostThreads)
        throw OpenMMException(
            "ScoreProgram: this process was forked from one that had used several threads, which are gone; "
            "expected one thread here, found " +
            std::to_string(numThreads) +
            "; set the number of threads to 1, or start the process by 'spawn' instead of 'fork'.");
    if (usedSeveral.exchange(true)) return;
    pthread_atfork(nullptr, nullptr, &afterForkInChild);
}

}  // namespace ScoreDynPlugin
