#include <pybind11/stl.h>

#include <optional>
#include <string>

#include "Card.h"
#include "Guard.h"
#include "arrays.h"
#include "bindings.h"

namespace py = pybind11;

namespace ScoreDynPlugin {

namespace {

/// A guard, and the number of particles it expects.
struct CardGuard {
    explicit CardGuard(const Card& card)
        : numParticles(card.numParticles()), guard(numParticles, card.guard) {}
    int numParticles;
    Guard guard;
};

py::array_t<int> check(const CardGuard& self, const FloatArray& before, const FloatArray& after) {
    requireShape("Guard", before, "before", {-1, self.numParticles, 3});
    requireShape("Guard", after, "after", {before.shape(0), self.numParticles, 3});
    py::array_t<int> causes(before.shape(0));
    const size_t frame = size_t(self.numParticles) * 3;
    for (py::ssize_t i = 0; i < before.shape(0); ++i) {
        const auto violation = self.guard.check(before.data() + i * frame, after.data() + i * frame);
        causes.mutable_at(i) = violation ? static_cast<int>(violation->cause) : -1;
    }
    return causes;
}

std::optional<std::string> describeFrame(const CardGuard& self, const FloatArray& frame) {
    requireShape("Guard", frame, "frame", {self.numParticles, 3});
    const auto violation = self.guard.checkFrame(frame.data());
    if (!violation) return std::nullopt;
    return violation->describe();
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
    py::class_<CardGuard>(m, "Guard", "The guard of a card, for arrays in nm.")
        .def(py::init([](const std::string& json) { return CardGuard(parseIncompleteCard(json)); }),
             "card_json"_a)
        .def(
            "check", &check, "before"_a, "after"_a,
            "For frames (B, N, 3) after (B, N, 3): the index in CAUSES of the first rule each breaks, or -1.")
        .def("describe_frame", &describeFrame, "frame"_a,
             "A sentence about the first rule that a frame (N, 3) breaks by itself, or None.");
}

}  // namespace ScoreDynPlugin
