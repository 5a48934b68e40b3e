// The memory of a torch device does what host memory does. Tested on torch's CPU device: its code knows no
// other difference between devices than their names.

#include <vector>

#include "Assertions.h"
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
    return runTests(
        {testCopiesThereAndBack, testBuffersGrowAndAreKept, testCombineAsOnTheHost, testErrorsAreSentences});
}
