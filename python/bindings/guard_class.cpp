#include <pybind11/stl.h>

#include <algorithm>
#include <optional>
#include <string>

#include "Card.h"
#include "Guard.h"
#include "arrays.h"
#include "bindings.h"

namespace py = pybind11;

namespace ScoreDynPlugin {

namespace {

/// The guard of the particles of a card, and their number.
struct CardGuard {
    explicit CardGuard(const Card& card)
        : numParticles(card.numParticles()), guard(numParticles, card.guard) {}
    int numParticles;
    Guard guard;
};

/// Boxes (3,3) nm of frames: of each its own, one for all, or none.
class Boxes {
public:
    Boxes(const std::optional<FloatArray>& box, py::ssize_t frames) {
        if (!box) return;
        first_ = box->data();
        if (box->ndim() == 3) {
            requireShape("Guard", *box, "box", {frames, 3, 3});
            stride_ = 9;
        } else {
            requireShape("Guard", *box, "box", {3, 3});
        }
    }
    const float* of(py::ssize_t frame) const { return first_ ? first_ + frame * stride_ : nullptr; }

private:
    const float* first_ = nullptr;
    py::ssize_t stride_ = 0;
};

py::array_t<int> check(const CardGuard& self, const FloatArray& before, const FloatArray& after,
                       const std::optional<FloatArray>& box) {
    requireShape("Guard", before, "before", {-1, self.numParticles, 3});
    requireShape("Guard", after, "after", {before.shape(0), self.numParticles, 3});
    const Boxes boxes(box, before.shape(0));
    py::array_t<int> causes(before.shape(0));
    const size_t frame = size_t(self.numParticles) * 3;
    for (py::ssize_t i = 0; i < before.shape(0); ++i) {
        const auto violation =
            self.guard.check(before.data() + i * frame, after.data() + i * frame, boxes.of(i));
        causes.mutable_at(i) = violation ? static_cast<int>(violation->cause) : -1;
    }
    return causes;
}

py::array_t<bool> brokenRules(const CardGuard& self, const FloatArray& frames,
                              const std::optional<FloatArray>& box) {
    requireShape("Guard", frames, "frames", {-1, self.numParticles, 3});
    const Boxes boxes(box, frames.shape(0));
    const auto causes = static_cast<py::ssize_t>(causeNames.size());
    py::array_t<bool> broken({frames.shape(0), causes});
    std::fill_n(broken.mutable_data(), broken.size(), false);
    const size_t frame = size_t(self.numParticles) * 3;
    for (py::ssize_t i = 0; i < frames.shape(0); ++i)
        for (const Cause cause : self.guard.causesOf(frames.data() + i * frame, boxes.of(i)))
            broken.mutable_at(i, static_cast<py::ssize_t>(cause)) = true;
    return broken;
}

}  // namespace

void bindGuard(py::module_& m) {
    using namespace py::literals;
    m.attr("CAUSES") = py::tuple(py::cast(causeNames));
    m.def(
        "check_card",
        [](const std::string& json, bool complete) {
            complete ? parseCard(json) : parseIncompleteCard(json);
        },
        "json"_a, "complete"_a, "Raise OpenMMException, in one sentence, where a card is not right.");
    py::class_<CardGuard>(
        m, "Guard",
        "The guard of the particles of a card, for arrays in nm; boxes are (3, 3), or (B, 3, 3) where there "
        "are B frames, and None where the system is not periodic.")
        .def(py::init([](const std::string& json) { return CardGuard(parseParticles(json)); }),
             "particles_json"_a)
        .def(
            "check", &check, "before"_a, "after"_a, "box"_a = py::none(),
            "For frames (B, N, 3) after (B, N, 3): the index in CAUSES of the first rule each breaks, or -1.")
        .def("broken_rules", &brokenRules, "frames"_a, "box"_a = py::none(),
             "For frames (B, N, 3), each by itself: whether each breaks the rule of each of CAUSES, (B, 7).");
}

}  // namespace ScoreDynPlugin
