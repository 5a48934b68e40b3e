// Steps that are recorded and replayed are the plain ones. The recorder is the test's: its recording does
// what was recorded by calling it again, which a device does without asking the host, so that what the host
// decides in a step (which array is used for what) must be the same in every step.

#include <ATen/record_function.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <string>
#include <vector>

#include "Assertions.h"
#include "RecordedWork.h"
#include "ScoreProgram.h"
#include "StepSampler.h"
#include "TestPrograms.h"

namespace {

using namespace core_tests;
using Values = std::vector<float>;

class TestRecorder : public Recorder {
public:
    std::unique_ptr<Recording> record(const std::function<void()>& work) override {
        ++recordings;
        if (!refusal.empty()) throw OpenMMException(refusal);
        return std::make_unique<TestRecording>(*this, work);
    }
    std::string refusal;
    bool doesNothing = false;
    int recordings = 0, replays = 0;

private:
    struct TestRecording : Recording {
        TestRecording(TestRecorder& recorder, const std::function<void()>& work)
            : recorder(recorder), work(work) {}
        void replay() override {
            ++recorder.replays;
            ASSERT(c10::InferenceMode::is_enabled());  // as all work on a device is done, on its stream, too
            if (!recorder.doesNothing) work();
        }
        TestRecorder& recorder;
        std::function<void()> work;
    };
};

/// Molecules in a row of steps, each from the frame before. The solver uses all arrays there are.
struct Molecules {
    Molecules(const TestProgram& program, TestRecorder& recorder, int maxResamples = 10, int refinements = 0)
        : sampler(std::make_shared<ScoreProgram>(makeArchive(program), Device{.recorder = &recorder}),
                  {1,
                   300,
                   {parseSolver("dpmpp_2m"), program.denoisingSteps == 0 ? 0 : 5, maxResamples, refinements},
                   5}) {}

    /// The frame after a number of steps, (batch,2,3).
    Values run(int batch, int steps) {
        Values frames(6 * batch);
        for (int replica = 0; replica < batch; ++replica) frames[6 * replica + 3] = 0.125f;
        const Values box(9 * batch, 0);
        for (int i = 0; i < steps; ++i, ++step) {
            std::copy(frames.begin(), frames.end(), history.begin());  // the same arrays, as in a context
            sampler.step(step, batch, history.data(), box.data(), after.data());
            std::copy_n(after.begin(), frames.size(), frames.begin());
        }
        return frames;
    }
    StepSampler sampler;
    Values history = Values(12), after = Values(12);
    uint64_t step = 0;
};

/// What records nothing; arrays are torch's all the same, whose sums round as the others' do.
TestRecorder refusing() {
    TestRecorder recorder;
    recorder.refusal = "an operation waits for the device.";
    return recorder;
}

void testRecordedStepsArePlainSteps() {
    for (const TestProgram& program : {ouDenoiser(), ouInOneGo()}) {
        TestRecorder recorder, none = refusing();
        Molecules plain(program, none), recorded(program, recorder);
        ASSERT(plain.run(1, 10) == recorded.run(1, 10));
        ASSERT_EQUAL(1, recorder.recordings);
        ASSERT_EQUAL(9, recorder.replays);  // one to see what it is worth, and steps 3 to 10
        ASSERT_EQUAL("recorded", recorded.sampler.recordingStatus());
        ASSERT_EQUAL(1, none.recordings);  // not tried again
        ASSERT_EQUAL("plain: an operation waits for the device.", plain.sampler.recordingStatus());
    }
}

void testResamplesAreReplayed() {
    TestProgram program = ouInOneGo();
    program.maxDisplacementNm = 1.5 * ouStep;
    TestRecorder recorder, none = refusing();
    Molecules plain(program, none, 100), recorded(program, recorder, 100);
    ASSERT(plain.run(1, 50) == recorded.run(1, 50));
    ASSERT(plain.sampler.counts().rejectedDraws > 0);
    ASSERT_EQUAL(plain.sampler.counts().rejectedDraws, recorded.sampler.counts().rejectedDraws);
}

void testResamplesOfABatchKeepItsRecording() {
    TestProgram program = ouInOneGo();
    program.maxDisplacementNm = 1.5 * ouStep;
    TestRecorder recorder, none = refusing();
    Molecules plain(program, none, 100), recorded(program, recorder, 100);
    ASSERT(plain.run(2, 50) == recorded.run(2, 50));
    ASSERT(recorded.sampler.counts().rejectedSteps > 10);
    ASSERT_EQUAL(plain.sampler.counts().rejectedDraws, recorded.sampler.counts().rejectedDraws);
    ASSERT_EQUAL(1, recorder.recordings);
    ASSERT(recorder.replays >= 49);  // one to see what it is worth, and at least once in steps 3 to 50
    ASSERT_EQUAL("recorded", recorded.sampler.recordingStatus());
}

/// What is refined is done operation by operation, in the buffers of what is recorded.
void testRefinementsStandBesideARecording() {
    TestProgram program = ouDenoiser();
    program.maxDisplacementNm = 1.5 * ouStep;
    for (const int batch : {1, 2}) {
        TestRecorder recorder, none = refusing();
        Molecules plain(program, none, 100, 3), recorded(program, recorder, 100, 3);
        ASSERT(plain.run(batch, 50) == recorded.run(batch, 50));
        ASSERT(recorded.sampler.counts().refinedDraws > 10);
        ASSERT(plain.sampler.counts() == recorded.sampler.counts());
        ASSERT_EQUAL("recorded", recorded.sampler.recordingStatus());
    }
}

void testAnotherBatchIsRecordedAnew() {
    TestRecorder recorder, none = refusing();
    Molecules plain(ouDenoiser(), none), recorded(ouDenoiser(), recorder);
    for (const int batch : {1, 2, 1}) ASSERT(plain.run(batch, 4) == recorded.run(batch, 4));
    ASSERT_EQUAL(3, recorder.recordings);
}

void testRecordingThatDiffersIsDropped() {
    TestRecorder recorder, none = refusing();
    recorder.doesNothing = true;
    Molecules plain(ouDenoiser(), none), dropped(ouDenoiser(), recorder);
    ASSERT(plain.run(1, 10) == dropped.run(1, 10));
    ASSERT_EQUAL(1, recorder.replays);
    ASSERT_EQUAL(0, dropped.sampler.recordingStatus().find("plain: what was recorded does not give"));
}

std::vector<const void*> written;

/// Where the answers of the program are copied to: it copies nothing itself, and torch's scalars do not
/// count.
std::unique_ptr<at::ObserverContext> noteWhere(const at::RecordFunction& function) {
    if (std::string(function.name()) != "aten::copy_") return nullptr;
    const at::Tensor& target = function.inputs()[0].toTensor();
    if (target.numel() == 6) written.push_back(target.data_ptr());
    return nullptr;
}

void testEveryStepUsesTheSameArrays() {
    TestRecorder recorder;
    Molecules molecules(ouDenoiser(), recorder);
    molecules.run(1, 3);
    const auto handle = at::addGlobalCallback(
        at::RecordFunctionCallback(noteWhere).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
    std::vector<const void*> first;
    for (int i = 0; i < 4; ++i) {
        written.clear();
        molecules.run(1, 1);
        if (i == 0) first = written;
        ASSERT(written.size() > 6 && written == first);
    }
    at::removeCallback(handle);
}

}  // namespace

int main() {
    return runTests({testRecordedStepsArePlainSteps, testResamplesAreReplayed,
                     testResamplesOfABatchKeepItsRecording, testRefinementsStandBesideARecording,
                     testAnotherBatchIsRecordedAnew, testRecordingThatDiffersIsDropped,
                     testEveryStepUsesTheSameArrays});
}
