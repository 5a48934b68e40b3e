// The memory of a torch device does what host memory does. Tested on torch's CPU device: its code knows no
// other difference between devices than their names.

#include <vector>

#include "Assertions.h"
#include "History.h"
#include "StepMemory.h"
#include "TorchMemory.h"

namespace {

using namespace core_tests;
using Values = std::vector<float>;

Values read(StepMemory& memory, const float* data, size_t count) {
    Values copy;
    const float* values = memory.toHost(data, count, copy);
    return Values(values, values + count);
}

void testCopiesThereAndBack() {
    TorchMemory memory({});
    StepBuffer there, other;
    Values values{1, -2, 3.5f};
    const float* data = memory.fromHost(values.data(), 3, there);
    ASSERT(data != values.data());
    values[0] = 7;
    memory.reserve(other, 3);
    memory.copy(data, 3, other.get());
    ASSERT(read(memory, other.get(), 3) == Values({1, -2, 3.5f}));
    memory.copy(data + 1, 2, other.get());
    ASSERT(read(memory, other.get(), 3) == Values({-2, 3.5f, 3.5f}));
}

void testBuffersGrowAndAreKept() {
    TorchMemory memory({});
    StepBuffer buffer;
    memory.reserve(buffer, 100);
    const float* first = buffer.get();
    memory.reserve(buffer, 50);
    ASSERT(buffer.get() == first);
    ASSERT_EQUAL(100, buffer.size);
    memory.reserve(buffer, 1000);
    ASSERT_EQUAL(1000, buffer.size);
}

/// Every other pair of a row of pairs, into a wider array, whose other floats stay.
void testRowsAsOnTheHost() {
    TorchMemory device({});
    for (StepMemory* memory : {static_cast<StepMemory*>(&device), StepMemory::host().get()}) {
        const Values pairs{1, 2, 0, 0, 3, 4, 0, 0, 5, 6}, blank(8, -1);
        StepBuffer from, to, wide;
        const float* source = memory->fromHost(pairs.data(), pairs.size(), from);
        memory->reserve(wide, 8);
        memory->copy(memory->fromHost(blank.data(), 8, to), 8, wide.get());
        memory->copyRows(source, 4, 2, 3, wide.get(), 3);
        ASSERT(read(*memory, wide.get(), 8) == Values({1, 2, -1, 3, 4, -1, 5, 6}));
        memory->copyRows(source, 4, 2, 0, wide.get(), 3);
        ASSERT(read(*memory, wide.get(), 8) == Values({1, 2, -1, 3, 4, -1, 5, 6}));
    }
}

/// The frames of a history move on by one, of every replica.
void testHistoryMovesOn() {
    for (const auto& memory : {StepMemory::host(), std::shared_ptr<StepMemory>(new TorchMemory({}))}) {
        History history(memory, 2, 3, 1);
        for (const float t : {1.0f, 2.0f, 3.0f, 4.0f}) {
            const Values frames{t, t + 0.1f, t + 0.2f, -t, -t - 0.1f, -t - 0.2f};
            StepBuffer there;
            history.push(memory->fromHost(frames.data(), frames.size(), there));
        }
        const Values six(6, 9);
        StepBuffer there;
        history.setNewest(memory->fromHost(six.data(), six.size(), there));
        ASSERT(read(*memory, history.data(), 18) == Values({2, 2.1f, 2.2f, 3, 3.1f, 3.2f, 9, 9, 9,  //
                                                            -2, -2.1f, -2.2f, -3, -3.1f, -3.2f, 9, 9, 9}));
    }
}

/// What a solver's stage does, with what it leaves out: a term of factor 0 may point to anything.
void testCombineAsOnTheHost() {
    TorchMemory device({});
    StepMemory& host = *StepMemory::host();
    const Values a{0.1f, 0.2f, -3e5f}, b{7, -1e-3f, 2}, nothing(3, std::nanf(""));
    for (StepMemory* memory : {static_cast<StepMemory*>(&device), &host}) {
        StepBuffer there[3], out;
        memory->reserve(out, 3);
        const float* x = memory->fromHost(a.data(), 3, there[0]);
        const float* y = memory->fromHost(b.data(), 3, there[1]);
        const float* z = memory->fromHost(nothing.data(), 3, there[2]);
        memory->combine({{0.3f, x}, {0, z}, {-1.7f, y}}, 3, out.get());
        const Values found = read(*memory, out.get(), 3);
        for (int i = 0; i < 3; ++i) ASSERT_EQUAL_TOL(0.3f * a[i] - 1.7f * b[i], found[i], 1e-6);
        memory->combine({{0, z}}, 3, out.get());
        ASSERT(read(*memory, out.get(), 3) == Values({0, 0, 0}));
    }
}

void testErrorsAreSentences() {
    TorchMemory memory({});
    StepBuffer buffer;
    assertThrows([&] { memory.reserve(buffer, size_t(1) << 60); },
                 "ScoreProgram: an array operation on the device");
}

}  // namespace

int main() {
    return runTests({testCopiesThereAndBack, testBuffersGrowAndAreKept, testRowsAsOnTheHost,
                     testHistoryMovesOn, testCombineAsOnTheHost, testErrorsAreSentences});
}
