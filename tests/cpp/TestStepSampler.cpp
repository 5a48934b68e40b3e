// Steps of many replicas in one batch, through the program, as ScoreModel.sample makes them.

#include <vector>

#include "Assertions.h"
#include "History.h"
#include "Rollout.h"
#include "TestPrograms.h"
#include "TorchMemory.h"

namespace {

using namespace core_tests;
using Values = std::vector<float>;

/// Host memory that counts what on a GPU would be a kernel launch or a transfer.
class CountingMemory : public StepMemory {
public:
    void reserve(StepBuffer& buffer, size_t count) override { host_.reserve(buffer, count); }
    void copy(const float* from, size_t count, float* to) override { ++count_, host_.copy(from, count, to); }
    void copyRows(const float* from, size_t fromStride, size_t width, size_t rows, float* to,
                  size_t toStride) override {
        ++count_, host_.copyRows(from, fromStride, width, rows, to, toStride);
    }
    const float* fromHost(const float* values, size_t count, StepBuffer& buffer) override {
        return ++count_, host_.fromHost(values, count, buffer);
    }
    const float* toHost(const float* values, size_t count, std::vector<float>& buffer) override {
        return ++count_, host_.toHost(values, count, buffer);
    }
    void combine(std::initializer_list<Term> terms, size_t count, float* out) override {
        ++count_, host_.combine(terms, count, out);
    }
    int count() const { return count_; }

private:
    StepMemory& host_ = *StepMemory::host();
    int count_ = 0;
};

/// Noise of `spread` nm about the middle between the oldest and the newest frame of the history; the guard
/// allows moves of 0.01 nm.
TestProgram halfwayBack(int historyLength, double spread) {
    return {.code =
                "def start(self, noise, condition: List[Tensor]):\n    return noise\n"
                "def advance(self, latent, condition: List[Tensor], history, box):\n"
                "    return 0.5 * (history[:, 0] + history[:, -1]) + " +
                std::to_string(spread) + " * latent.reshape(-1, 2, 3)\n",
            .denoisingSteps = 0,
            .hasStart = true,
            .maxDisplacementNm = 0.01,
            .historyLength = historyLength};
}

/// Frames (steps, batch, 2, 3) of replicas that start at different places; the guard's counts go to `counts`.
Values draw(const TestProgram& test, int batch, const std::shared_ptr<StepMemory>& memory = nullptr,
            uint32_t firstReplica = 0, StepCounts* counts = nullptr, int numThreads = 1) {
    constexpr int steps = 3;
    const auto program = std::make_shared<ScoreProgram>(makeArchive(test));
    program->setNumThreads(numThreads);
    StepSampler sampler(
        program, {1, 300, {parseSolver("dpmpp_2m"), test.denoisingSteps, 1000}, 7, firstReplica}, memory);
    History history(program->memory(), batch, test.historyLength, 2);
    Values start;
    for (int replica = 0; replica < batch; ++replica)
        for (const float x : {0.0f, 0.125f})
            start.insert(start.end(), {x, 0.001f * (firstReplica + replica), 0.0f});
    history.fill(start.data());
    Values frames(steps * start.size());
    const Values box(9 * batch, 0);
    rollout(sampler, history, batch, box.data(), {0, steps, 1}, frames.data(), [] {});
    if (counts) *counts = sampler.counts();
    return frames;
}

int operationsOf(const TestProgram& test, int batch) {
    const auto memory = std::make_shared<CountingMemory>();
    StepCounts counts;
    draw(test, batch, memory, 0, &counts);
    ASSERT_EQUAL(0, counts.rejectedDraws);
    return memory->count();
}

void testOperationsDoNotGrowWithReplicas() {
    for (const TestProgram& test : {halfwayBack(1, 1e-5), halfwayBack(3, 1e-5), ouDenoiser()})
        ASSERT_EQUAL(operationsOf(test, 2), operationsOf(test, 1000));
}

/// Each replica of a batch with refusals is what it would have been alone, in either memory.
void testBatchWithRefusalsEqualsSingleRuns() {
    constexpr size_t batch = 50, frame = 6;
    for (const int historyLength : {1, 3}) {
        const TestProgram test = halfwayBack(historyLength, 0.006);
        StepCounts counts, sum;
        const Values frames = draw(test, batch, nullptr, 0, &counts);
        ASSERT(counts.rejectedSteps > 20 && counts.rejectedDraws > counts.rejectedSteps);
        ASSERT(draw(test, batch, std::make_shared<TorchMemory>(Device{})) == frames);
        for (size_t replica = 0; replica < batch; ++replica) {
            StepCounts own;
            const Values alone = draw(test, 1, nullptr, replica, &own);
            for (size_t step = 0; step < alone.size() / frame; ++step)
                for (size_t i = 0; i < frame; ++i)
                    ASSERT_EQUAL(alone[step * frame + i], frames[(step * batch + replica) * frame + i]);
            sum.rejectedDraws += own.rejectedDraws;
            sum.rejectedSteps += own.rejectedSteps;
        }
        ASSERT_EQUAL(sum.rejectedDraws, counts.rejectedDraws);
        ASSERT_EQUAL(sum.rejectedSteps, counts.rejectedSteps);
    }
}

void testThreadsChangeNothing() {
    for (const TestProgram& test : {halfwayBack(3, 0.006), ouDenoiser()}) {
        StepCounts counts, others;
        const Values frames = draw(test, 200, nullptr, 0, &counts);
        for (const int numThreads : {2, 3, 8}) {
            ASSERT(draw(test, 200, nullptr, 0, &others, numThreads) == frames);
            ASSERT(others == counts);
        }
    }
}

/// What a first step of three draws at most complains of; empty if every replica found an acceptable one.
std::string complaint(const std::shared_ptr<ScoreProgram>& program, uint32_t firstReplica, int batch,
                      StepCounts& counts) {
    StepSampler sampler(program, {1, 300, {parseSolver("dpmpp_2m"), 0, 2}, 7, firstReplica});
    Values frames(batch * 6), after(batch * 6), box(9 * batch, 0);
    for (size_t i = 3; i < frames.size(); i += 6) frames[i] = 0.125f;
    std::string text;
    try {
        sampler.step(0, batch, frames.data(), box.data(), after.data());
    } catch (const OpenMMException& error) {
        text = error.what();
    }
    counts = sampler.counts();
    return text;
}

/// Several replicas have no acceptable draw: the first of them is named, and nothing after it is counted.
void testTheSameReplicaGivesUpOnAnyNumberOfThreads() {
    constexpr int batch = 200;
    const auto program = std::make_shared<ScoreProgram>(makeArchive(halfwayBack(1, 0.0045)));
    StepCounts counts, others;
    const std::string text = complaint(program, 0, batch, counts);
    uint32_t first = 0, later = batch - 1;
    while (complaint(program, first, 1, others).empty()) ++first;
    while (complaint(program, later, 1, others).empty()) --later;
    ASSERT(0 < first && first < later);
    ASSERT_EQUAL(complaint(program, first, 1, others), text);
    for (const int numThreads : {2, 8}) {
        program->setNumThreads(numThreads);
        ASSERT_EQUAL(text, complaint(program, 0, batch, others));
        ASSERT(others == counts);
    }
}

/// The guard holds a step against the newest frame of its own replica, whatever lies before that.
void testGuardSeesTheNewestFrames() {
    constexpr size_t batch = 50, atoms = 2 * batch;
    const Values frames = draw(halfwayBack(3, 0.006), batch);
    for (size_t atom = atoms; atom < frames.size() / 3; ++atom) {
        const float *now = &frames[3 * atom], *before = now - 3 * atoms;
        ASSERT(std::hypot(now[0] - before[0], now[1] - before[1], now[2] - before[2]) < 0.01f + 1e-6f);
    }
}

}  // namespace

int main() {
    return runTests({testOperationsDoNotGrowWithReplicas, testBatchWithRefusalsEqualsSingleRuns,
                     testThreadsChangeNothing, testTheSameReplicaGivesUpOnAnyNumberOfThreads,
                     testGuardSeesTheNewestFrames});
}
