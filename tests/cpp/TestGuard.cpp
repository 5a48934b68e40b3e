#include <cmath>
#include <limits>
#include <vector>

#include "Assertions.h"
#include "Guard.h"

namespace core_tests {

/// A right-handed corner: atom 0 with three neighbours along x, y and z, nm; every bond may differ by 20 %.
const std::vector<float> corner{0, 0, 0, 0.1f, 0, 0, 0, 0.1f, 0, 0, 0, 0.1f};

Card cornerCard() {
    Card card{};
    card.elements = {"C", "H", "H", "H"};
    card.bonds = {{0, 1}, {0, 2}, {0, 3}};
    card.bondLengthsNm = {0.1, 0.1, 0.1};
    card.bondTolerance = 0.2;
    card.chiralCentres = {{0, 1, 2, 3}};
    card.maxDisplacementNm = 0.25;
    return card;
}

/// The violation of the corner after one coordinate was set.
std::optional<Violation> checkWith(int coordinate, float value) {
    std::vector<float> after = corner;
    after[coordinate] = value;
    return Guard(cornerCard()).check(corner.data(), after.data());
}

void assertViolation(const std::optional<Violation>& found, Violation::Kind kind,
                     const std::vector<int>& atoms, const std::string& description) {
    ASSERT(found.has_value());
    ASSERT(found->kind == kind);
    ASSERT_EQUAL_CONTAINERS(atoms, found->atoms);
    ASSERT_EQUAL(description, found->describe());
}

void testAcceptsWhatIsWithinTheLimits() {
    ASSERT(!checkWith(3, 0.1f));
    ASSERT(!checkWith(3, 0.119f));
    ASSERT(!checkWith(3, 0.081f));
}

/// With numbers that binary fractions hold exactly: the limit itself is allowed, the next float is not.
void testBondLimitsAreExact() {
    Card card{};
    card.elements = {"C", "C"};
    card.bonds = {{0, 1}};
    card.bondLengthsNm = {0.125};
    card.bondTolerance = 0.5;
    card.maxDisplacementNm = 1;
    const auto accepts = [&](float length) {
        const float pair[] = {0, 0, 0, 0, length, 0};
        return !Guard(card).check(pair, pair);
    };
    ASSERT(accepts(0.0625f) && !accepts(std::nextafter(0.0625f, 0.0f)));
    ASSERT(accepts(0.1875f) && !accepts(std::nextafter(0.1875f, 1.0f)));
}

void testDisplacementLimitIsExact() {
    Card card{};
    card.elements = {"C"};
    card.maxDisplacementNm = 0.25;
    const float before[] = {0, 0, 0}, at[] = {0, -0.25f, 0}, beyond[] = {0, std::nextafter(-0.25f, -1.0f), 0};
    ASSERT(!Guard(card).check(before, at));
    ASSERT(Guard(card).check(before, beyond)->kind == Violation::Kind::Displacement);
}

void testBond() {
    assertViolation(checkWith(3, 0.125f), Violation::Kind::Bond, {0, 1},
                    "the bond between atoms 0 and 1 is 0.125 nm long, outside its limit of 0.12 nm.");
    assertViolation(checkWith(11, 0.0625f), Violation::Kind::Bond, {0, 3},
                    "the bond between atoms 0 and 3 is 0.0625 nm long, outside its limit of 0.08 nm.");
}

void testNotFinite() {
    assertViolation(checkWith(7, std::nanf("")), Violation::Kind::NotFinite, {2},
                    "the position of atom 2 is nan.");
    assertViolation(checkWith(9, -std::numeric_limits<float>::infinity()), Violation::Kind::NotFinite, {3},
                    "the position of atom 3 is -inf.");
}

/// The mirror image has the same bonds.
void testChirality() {
    const auto violation = checkWith(11, -0.1f);
    ASSERT(violation.has_value());
    ASSERT_EQUAL_TOL(-1.0, violation->value * 1000, 1e-6);
    assertViolation(
        violation, Violation::Kind::Chirality, {0, 1, 2, 3},
        "the chiral centre at atom 0 changed its hand (triple product -0.001 nm^3, expected above 0).");
}

void testFlatCentreIsNoHand() {
    std::vector<float> flat = corner;
    flat[11] = 0;
    flat[9] = flat[10] = -0.07f;
    const auto violation = Guard(cornerCard()).check(flat.data(), flat.data());
    ASSERT(violation && violation->kind == Violation::Kind::Chirality);
}

void testDisplacement() {
    std::vector<float> after = corner;
    for (int atom = 0; atom < 4; ++atom) after[3 * atom] += 0.25f;
    ASSERT(!Guard(cornerCard()).check(corner.data(), after.data()));
    for (int atom = 0; atom < 4; ++atom) after[3 * atom + 2] += 0.25f;
    const auto violation = Guard(cornerCard()).check(corner.data(), after.data());
    assertViolation(violation, Violation::Kind::Displacement, {0},
                    "atom 0 moved by 0.353553 nm, more than the limit of 0.25 nm.");
}

void testRefusesAFrameAfterOneThatIsNotANumber() {
    std::vector<float> before = corner;
    before[0] = std::nanf("");
    const auto violation = Guard(cornerCard()).check(before.data(), corner.data());
    ASSERT(violation && violation->kind == Violation::Kind::Displacement);
}

/// A molecule far from the origin is judged by its own shape.
void testShiftedMolecule() {
    std::vector<float> shifted = corner;
    for (float& value : shifted) value += 64;
    ASSERT(!Guard(cornerCard()).check(shifted.data(), shifted.data()));
}

}  // namespace core_tests

int main() {
    using namespace core_tests;
    return runTests({testAcceptsWhatIsWithinTheLimits, testBondLimitsAreExact, testDisplacementLimitIsExact,
                     testBond, testNotFinite, testChirality, testFlatCentreIsNoHand, testDisplacement,
                     testRefusesAFrameAfterOneThatIsNotANumber, testShiftedMolecule});
}
