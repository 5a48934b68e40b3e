#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "Assertions.h"
#include "ReplicaThreads.h"

namespace {

using namespace core_tests;
using Ids = std::set<std::thread::id>;

/// The threads that worked on a number of replicas, each of which must be visited once.
Ids threadsOf(ReplicaThreads& threads, int count, int numThreads) {
    std::vector<int> visits(count);
    std::mutex lock;
    Ids ids;
    threads.run(count, numThreads, [&](int begin, int end) {
        for (int i = begin; i < end; ++i) ++visits[i];
        const std::lock_guard<std::mutex> hold(lock);
        ids.insert(std::this_thread::get_id());
    });
    ASSERT_EQUAL_CONTAINERS(std::vector<int>(count, 1), visits);
    return ids;
}

void testEveryReplicaOnceOnAsManyThreadsAsAllowed() {
    ReplicaThreads threads;
    for (const int numThreads : {1, 2, 3, 5})
        for (const int count : {100, 101, 4096}) {
            const Ids ids = threadsOf(threads, count, numThreads);
            ASSERT_EQUAL(numThreads, static_cast<int>(ids.size()));
            ASSERT(ids.count(std::this_thread::get_id()));
            ASSERT(threadsOf(threads, count, numThreads) == ids);  // threads are kept
        }
}

void testFewReplicasStayOnTheCallersThread() {
    ReplicaThreads threads;
    for (const int count : {0, 1, 20}) {
        const Ids ids = threadsOf(threads, count, 8);
        ASSERT(ids == Ids{std::this_thread::get_id()});
    }
}

/// Whichever thread it comes from, and whatever the others throw or finish later.
void testExceptionOfTheFirstRangeArrives() {
    ReplicaThreads threads;
    for (const int first : {0, 400, 999}) {
        const auto work = [&](int begin, int end) {
            for (int i = begin; i < end; ++i)
                if (i >= first) throw OpenMMException("replica " + std::to_string(i));
        };
        assertThrows([&] { threads.run(1000, 4, work); }, "replica " + std::to_string(first));
        ASSERT_EQUAL(4, static_cast<int>(threadsOf(threads, 1000, 4).size()));
    }
}

}  // namespace

int main() {
    return runTests({testEveryReplicaOnceOnAsManyThreadsAsAllowed, testFewReplicasStayOnTheCallersThread,
                     testExceptionOfTheFirstRangeArrives});
}
