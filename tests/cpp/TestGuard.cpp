#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "Assertions.h"
#include "Guard.h"

namespace core_tests {

/// A right-handed corner: atom 0 with three neighbours along x, y and z, nm; every bond may differ by 20 %.
const std::vector<float> corner{0, 0, 0, 0.1f, 0, 0, 0, 0.1f, 0, 0, 0, 0.1f};

GuardRules cornerRules() {
    GuardRules rules;
    rules.bonds = {{0, 1}, {0, 2}, {0, 3}};
    rules.bondLengthsNm = {0.1, 0.1, 0.1};
    rules.bondTolerance = 0.2;
    rules.stereocentres = {{0, 1, 2, 3}};
    rules.maxDisplacementNm = 0.25;
    return rules;
}

/// The violation of the corner after one coordinate was set.
std::optional<Violation> checkWith(int coordinate, float value) {
    std::vector<float> after = corner;
    after[coordinate] = value;
    return Guard(4, cornerRules()).check(corner.data(), after.data());
}

void assertViolation(const std::optional<Violation>& found, Cause cause, const std::vector<int>& atoms,
                     const std::string& description) {
    ASSERT(found.has_value());
    ASSERT(found->cause == cause);
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
    GuardRules rules;
    rules.bonds = {{0, 1}};
    rules.bondLengthsNm = {0.125};
    rules.bondTolerance = 0.5;
    rules.maxDisplacementNm = 1;
    const auto accepts = [&](float length) {
        const float pair[] = {0, 0, 0, 0, length, 0};
        return !Guard(2, rules).check(pair, pair);
    };
    ASSERT(accepts(0.0625f) && !accepts(std::nextafter(0.0625f, 0.0f)));
    ASSERT(accepts(0.1875f) && !accepts(std::nextafter(0.1875f, 1.0f)));
}

void testDisplacementLimitIsExact() {
    GuardRules rules;
    rules.maxDisplacementNm = 0.25;
    const float before[] = {0, 0, 0}, at[] = {0, -0.25f, 0}, beyond[] = {0, std::nextafter(-0.25f, -1.0f), 0};
    ASSERT(!Guard(1, rules).check(before, at));
    ASSERT(Guard(1, rules).check(before, beyond)->cause == Cause::Displacement);
}

void testBond() {
    assertViolation(checkWith(3, 0.125f), Cause::Bond, {0, 1},
                    "the bond between atoms 0 and 1 is 0.125 nm long, outside its limit of 0.12 nm.");
    assertViolation(checkWith(11, 0.0625f), Cause::Bond, {0, 3},
                    "the bond between atoms 0 and 3 is 0.0625 nm long, outside its limit of 0.08 nm.");
}

void testNotFinite() {
    assertViolation(checkWith(7, std::nanf("")), Cause::NotFinite, {2}, "the position of atom 2 is nan.");
    assertViolation(checkWith(9, -std::numeric_limits<float>::infinity()), Cause::NotFinite, {3},
                    "the position of atom 3 is -inf.");
}

/// The mirror image has the same bonds.
void testStereochemistry() {
    const auto violation = checkWith(11, -0.1f);
    ASSERT(violation.has_value());
    ASSERT_EQUAL_TOL(-1.0, violation->value * 1000, 1e-6);
    assertViolation(violation, Cause::Stereochemistry, {0, 1, 2, 3},
                    "the stereocentre at atom 0 is inverted (triple product -0.001 nm^3, expected above 0).");
}

void testFlatCentreIsRejected() {
    std::vector<float> flat = corner;
    flat[11] = 0;
    flat[9] = flat[10] = -0.07f;
    const auto violation = Guard(4, cornerRules()).check(flat.data(), flat.data());
    ASSERT(violation && violation->cause == Cause::Stereochemistry);
}

void testDisplacement() {
    std::vector<float> after = corner;
    for (int atom = 0; atom < 4; ++atom) after[3 * atom] += 0.25f;
    ASSERT(!Guard(4, cornerRules()).check(corner.data(), after.data()));
    for (int atom = 0; atom < 4; ++atom) after[3 * atom + 2] += 0.25f;
    const auto violation = Guard(4, cornerRules()).check(corner.data(), after.data());
    assertViolation(violation, Cause::Displacement, {0},
                    "atom 0 moved by 0.353553 nm, more than the limit of 0.25 nm.");
}

void testRefusesAFrameAfterOneThatIsNotANumber() {
    std::vector<float> before = corner;
    before[0] = std::nanf("");
    const auto violation = Guard(4, cornerRules()).check(before.data(), corner.data());
    ASSERT(violation && violation->cause == Cause::Displacement);
}

/// A molecule far from the origin is judged by its own shape.
void testShiftedMolecule() {
    std::vector<float> shifted = corner;
    for (float& value : shifted) value += 64;
    ASSERT(!Guard(4, cornerRules()).check(shifted.data(), shifted.data()));
}

/// A chain 0-1-2-3 in the xy-plane whose dihedral and angles are set, nm and degrees.
std::vector<float> chain(double dihedralDeg, double firstAngleDeg = 90) {
    const double degree = std::acos(-1.0) / 180, angle = firstAngleDeg * degree, turn = dihedralDeg * degree;
    return {float(0.1 * std::cos(angle)), float(0.1 * std::sin(angle)), 0, 0, 0, 0, 0.1f, 0, 0, 0.1f,
            float(0.1 * std::cos(turn)),  float(0.1 * std::sin(turn))};
}

GuardRules chainRules() {
    GuardRules rules;
    rules.maxDisplacementNm = 1;
    return rules;
}

void testAngle() {
    GuardRules rules = chainRules();
    rules.angles = {{0, 1, 2, 80, 120}};
    const Guard guard(4, rules);
    for (const double inside : {80.1, 100.0, 119.9}) ASSERT(!guard.checkFrame(chain(180, inside).data()));
    const auto narrow = guard.checkFrame(chain(180, 60).data()),
               wide = guard.checkFrame(chain(180, 150).data());
    ASSERT(narrow && wide);
    ASSERT_EQUAL_TOL(60.0, narrow->value, 1e-5);
    ASSERT_EQUAL(80.0, narrow->limit);
    ASSERT_EQUAL_TOL(150.0, wide->value, 1e-5);
    assertViolation(wide, Cause::Angle, {0, 1, 2},
                    "the angle of atoms 0, 1 and 2 is 150 degrees, outside its limit of 120 degrees.");
    std::vector<float> together = chain(180);
    std::copy_n(together.begin() + 3, 3, together.begin());
    ASSERT(guard.checkFrame(together.data())->cause == Cause::Angle);
}

/// Three in a line in any direction, whose cosine rounds to a little more than one: limits at the ends of the
/// range refuse nothing.
void testAnglesInALineAreWithinTheWholeRange() {
    GuardRules rules = chainRules();
    rules.angles = {{0, 1, 2, 0, 180}};
    const Guard guard(3, rules);
    for (int n = 1; n < 1000; ++n)
        for (const float along : {-3.0f, 3.0f}) {  // exactly in line: three times fewer than 24 bits
            const float x = std::ldexp(float(1031 * n), -23), y = std::ldexp(float(2749 * n % 509), -20),
                        z = std::ldexp(float(n * n), -35);
            const float line[] = {x, y, z, 0, 0, 0, along * x, along * y, along * z};
            ASSERT(!guard.checkFrame(line));
        }
}

void testDoubleBond() {
    for (const bool cis : {true, false}) {
        GuardRules rules = chainRules();
        rules.doubleBonds = {{0, 1, 2, 3, cis}};
        const Guard guard(4, rules);
        for (const double dihedral : {0.0, 40.0, -80.0, 100.0, 180.0, -135.0}) {
            const auto violation = guard.checkFrame(chain(dihedral).data());
            ASSERT_EQUAL(cis != (std::abs(dihedral) < 90), violation.has_value());
            if (violation) ASSERT(violation->cause == Cause::DoubleBond);
        }
        assertViolation(
            guard.checkFrame(chain(cis ? 180 : 0).data()), Cause::DoubleBond, {0, 1, 2, 3},
            cis ? "the double bond between atoms 1 and 2 is trans, expected cis, for atoms 0 and 3."
                : "the double bond between atoms 1 and 2 is cis, expected trans, for atoms 0 and 3.");
    }
}

/// Six in a row, 0.1 nm apart, the last one brought near the first: particles 4 and 5 are four and five bonds
/// from particle 0, and the rule is for classes 1 and 2.
void testContactsOfClassesFourBondsApart() {
    GuardRules rules = chainRules();
    rules.bonds = {{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5}};
    rules.bondLengthsNm = std::vector<double>(5, 0.1);
    rules.bondTolerance = 100;
    rules.contactClasses = {1, 2, 2, 2, 2, 3};
    rules.contacts = {{2, 1, 0.25}};
    std::vector<float> row(18, 0);
    for (int i = 0; i < 6; ++i) row[3 * i] = 0.1f * i;
    const Guard guard(6, rules);
    ASSERT(!guard.checkFrame(row.data()));  // 1, 2 and 3 are nearer, along bonds
    row[12] = 0.1875f;
    assertViolation(guard.checkFrame(row.data()), Cause::Contact, {0, 4},
                    "atoms 0 and 4 are 0.1875 nm apart, closer than their limit of 0.25 nm.");
    row[12] = 0.4f;
    row[15] = 0.05f;  // of a class without a rule
    ASSERT(!guard.checkFrame(row.data()));
}

/// For every pair of eleven: at the limit both are allowed, one float nearer not.
void testContactLimitsAreExact() {
    constexpr int count = 11;
    GuardRules rules = chainRules();
    rules.contactClasses = std::vector<int>(count, 0);
    rules.contacts = {{0, 0, 0.25}};
    const Guard guard(count, rules);
    for (int j = 1; j < count; ++j)
        for (int i = 0; i < j; ++i) {
            std::vector<float> apart(3 * count, 0);
            for (int n = 0; n < count; ++n) apart[3 * n + 1] = 4.0f * n;
            apart[3 * j + 1] = apart[3 * i + 1];
            apart[3 * j + 2] = 0.25f;
            ASSERT(!guard.checkFrame(apart.data()));
            apart[3 * j + 2] = std::nextafter(0.25f, 0.0f);
            const auto violation = guard.checkFrame(apart.data());
            ASSERT(violation && violation->cause == Cause::Contact);
            ASSERT_EQUAL_CONTAINERS((std::vector<int>{i, j}), violation->atoms);
        }
}

void testContactsAcrossTheBox() {
    GuardRules rules = chainRules();
    rules.contactClasses = {0, 0};
    rules.contacts = {{0, 0, 0.25}};
    const Guard guard(2, rules);
    const float pair[] = {0.125f, 0, 0, 1.875f, 2.0f, 0};
    ASSERT(!guard.checkFrame(pair));
    const float box[] = {2, 0, 0, 0, 2, 0, 0, 0, 2}, wide[] = {3, 0, 0, 0, 2, 0, 0, 0, 2}, none[9] = {};
    ASSERT(!guard.checkFrame(pair, wide));
    ASSERT(!guard.checkFrame(pair, none));
    const float nearer[] = {0.0625f, 0, 0, 1.875f, 2.0f, 0};
    assertViolation(guard.checkFrame(nearer, box), Cause::Contact, {0, 1},
                    "atoms 0 and 1 are 0.1875 nm apart, closer than their limit of 0.25 nm.");
    const float skewed[] = {2, 0, 0, 0.5f, 2, 0, 0, 0, 2}, moved[] = {0, 0, 0, 0.5f, 1.875f, 0};
    assertViolation(guard.checkFrame(moved, skewed), Cause::Contact, {0, 1},
                    "atoms 0 and 1 are 0.125 nm apart, closer than their limit of 0.25 nm.");
}

}  // namespace core_tests

int main() {
    using namespace core_tests;
    return runTests({testAcceptsWhatIsWithinTheLimits, testBondLimitsAreExact, testDisplacementLimitIsExact,
                     testBond, testNotFinite, testStereochemistry, testFlatCentreIsRejected, testDisplacement,
                     testRefusesAFrameAfterOneThatIsNotANumber, testShiftedMolecule, testAngle,
                     testAnglesInALineAreWithinTheWholeRange, testDoubleBond,
                     testContactsOfClassesFourBondsApart, testContactLimitsAreExact,
                     testContactsAcrossTheBox});
}
