#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include "Assertions.h"
#include "FreeList.h"

namespace {

using namespace core_tests;

void testWhatWasGivenBackIsTakenAgain() {
    FreeList<int, int> list;
    int made = 0;
    const auto make = [&] { return ++made; };
    ASSERT_EQUAL(1, list.take(0, make));
    ASSERT_EQUAL(2, list.take(0, make));
    list.giveBack(0, 1);
    ASSERT_EQUAL(1, list.take(0, make));
    ASSERT_EQUAL(3, list.take(0, make));
}

void testKeysHaveTheirOwn() {
    FreeList<int, int> list;
    list.giveBack(0, 7);
    ASSERT_EQUAL(8, list.take(1, [] { return 8; }));
    ASSERT_EQUAL(7, list.take(0, [] { return 9; }));
}

/// Nothing is kept of one that could not be made.
void testFailureIsPassedOn() {
    FreeList<int, int> list;
    assertThrows([&] { list.take(0, []() -> int { throw OpenMMException("none left"); }); }, "none left");
    ASSERT_EQUAL(4, list.take(0, [] { return 4; }));
}

/// A number that another thread may overtake on its way.
struct Slow {
    int number;
    explicit Slow(int number) : number(number) {}
    Slow(Slow&& other) noexcept : number(other.number) { std::this_thread::yield(); }
    Slow& operator=(Slow&&) = default;
};

/// No two threads have the same one at a time.
void testThreadsShareNone() {
    constexpr int numThreads = 4;
    FreeList<int, Slow> list;
    std::atomic<int> made = 0, shared = 0;
    std::atomic<bool> inUse[numThreads] = {};
    std::latch begin(numThreads);
    const auto turns = [&] {
        begin.arrive_and_wait();
        for (int turn = 0; turn < 50; ++turn) {
            Slow mine = list.take(0, [&] { return Slow(made++); });
            if (mine.number >= numThreads) return;  // told below
            shared += inUse[mine.number].exchange(true);
            std::this_thread::yield();
            inUse[mine.number] = false;
            list.giveBack(0, std::move(mine));
        }
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < numThreads; ++i) threads.emplace_back(turns);
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQUAL(0, shared.load());
    ASSERT(made <= numThreads);
}

}  // namespace

int main() {
    return runTests({testWhatWasGivenBackIsTakenAgain, testKeysHaveTheirOwn, testFailureIsPassedOn,
                     testThreadsShareNone});
}
