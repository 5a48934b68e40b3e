#include "Guard.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <sstream>

#include "openmm/Vec3.h"

namespace ScoreDynPlugin {

namespace {

using OpenMM::Vec3;

constexpr int bondsBetweenContacts = 4;
constexpr double degree = std::numbers::pi / 180;

Vec3 position(const float* positions, int atom) {
    return Vec3(positions[3 * atom], positions[3 * atom + 1], positions[3 * atom + 2]);
}

double length(const Vec3& v) { return std::sqrt(v.dot(v)); }

/// Particles fewer than `bondsBetweenContacts` bonds away from each, itself included.
std::vector<std::vector<int>> nearAlongBonds(int numParticles, const GuardRules& rules) {
    std::vector<std::vector<int>> bonded(numParticles), near(numParticles);
    for (const auto& [i, j] : rules.bonds) {
        bonded[i].push_back(j);
        bonded[j].push_back(i);
    }
    for (int start = 0; start < numParticles; ++start) {
        std::vector<int>& reached = near[start];
        reached = {start};
        for (size_t from = 0, step = 1; step < bondsBetweenContacts; ++step) {
            const size_t to = reached.size();
            for (; from < to; ++from)
                for (const int next : bonded[reached[from]])
                    if (std::ranges::find(reached, next) == reached.end()) reached.push_back(next);
        }
    }
    return near;
}

/// Shortest image of a vector in a box in OpenMM's reduced form, with rows a, b, c; none in a box of zeros.
Vec3 shortestImage(Vec3 v, const float* box) {
    for (int row = 2; row >= 0; --row) {
        const Vec3 edge = position(box, row);
        if (edge[row] != 0) v -= edge * std::round(v[row] / edge[row]);
    }
    return v;
}

}  // namespace

std::string Violation::describe() const {
    std::ostringstream text;
    switch (cause) {
        case Cause::NotFinite:
            text << "the position of atom " << atoms[0] << " is " << value << ".";
            break;
        case Cause::Bond:
            text << "the bond between atoms " << atoms[0] << " and " << atoms[1] << " is " << value
                 << " nm long, outside its limit of " << limit << " nm.";
            break;
        case Cause::Angle:
            text << "the angle of atoms " << atoms[0] << ", " << atoms[1] << " and " << atoms[2] << " is "
                 << value << " degrees, outside its limit of " << limit << " degrees.";
            break;
        case Cause::Stereochemistry:
            text << "the stereocentre at atom " << atoms[0] << " is inverted (triple product " << value
                 << " nm^3, expected above 0).";
            break;
        case Cause::DoubleBond:
            text << "the double bond between atoms " << atoms[1] << " and " << atoms[2] << " is "
                 << (value > 0 ? "cis, expected trans" : "trans, expected cis") << ", for atoms " << atoms[0]
                 << " and " << atoms[3] << ".";
            break;
        case Cause::Contact:
            text << "atoms " << atoms[0] << " and " << atoms[1] << " are " << value
                 << " nm apart, closer than their limit of " << limit << " nm.";
            break;
        case Cause::Displacement:
            text << "atom " << atoms[0] << " moved by " << value << " nm, more than the limit of " << limit
                 << " nm.";
            break;
    }
    return text.str();
}

Guard::Guard(int numParticles, const GuardRules& rules) : numParticles_(numParticles), rules_(rules) {
    for (const double length : rules.bondLengthsNm) {
        shortest_.push_back(length * (1 - rules.bondTolerance));
        longest_.push_back(length * (1 + rules.bondTolerance));
    }
    if (!rules.contacts.empty()) listPairs();
}

void Guard::listPairs() {
    std::map<std::pair<int, int>, double> limits;
    for (const auto& [first, second, distance] : rules_.contacts)
        limits[{std::min(first, second), std::max(first, second)}] = distance;
    const auto near = nearAlongBonds(numParticles_, rules_);
    for (int i = 0; i < numParticles_; ++i)
        for (int j = i + 1; j < numParticles_; ++j) {
            const int a = rules_.contactClasses[i], b = rules_.contactClasses[j];
            const auto limit = limits.find({std::min(a, b), std::max(a, b)});
            if (limit == limits.end() || std::ranges::find(near[i], j) != near[i].end()) continue;
            pairs_.push_back({i, j, static_cast<float>(limit->second * limit->second)});
        }
}

std::vector<Cause> Guard::causesOf(const float* frame, const float* box) const {
    // Of positions that are no numbers no other rule says anything.
    if (checkFinite(frame)) return {Cause::NotFinite};
    std::vector<Cause> causes;
    for (const auto& violation : {checkBonds(frame), checkAngles(frame), checkStereocentres(frame),
                                  checkDoubleBonds(frame), checkContacts(frame, box)})
        if (violation) causes.push_back(violation->cause);
    return causes;
}

std::optional<Violation> Guard::checkFinite(const float* positions) const {
    for (int i = 0; i < 3 * numParticles_; ++i)
        if (!std::isfinite(positions[i])) return Violation{Cause::NotFinite, {i / 3}, positions[i], 0};
    return std::nullopt;
}

std::optional<Violation> Guard::checkFrame(const float* frame, const float* box) const {
    if (auto violation = checkFinite(frame)) return violation;
    if (auto violation = checkBonds(frame)) return violation;
    if (auto violation = checkAngles(frame)) return violation;
    if (auto violation = checkStereocentres(frame)) return violation;
    if (auto violation = checkDoubleBonds(frame)) return violation;
    return checkContacts(frame, box);
}

std::optional<Violation> Guard::check(const float* before, const float* after, const float* box) const {
    if (auto violation = checkFrame(after, box)) return violation;
    const double limit = rules_.maxDisplacementNm;
    for (int atom = 0; atom < numParticles_; ++atom) {
        const double moved = length(position(after, atom) - position(before, atom));
        // Written so that a frame before that is not a number is rejected, too.
        if (!(moved <= limit)) return Violation{Cause::Displacement, {atom}, moved, limit};
    }
    return std::nullopt;
}

std::optional<Violation> Guard::checkBonds(const float* positions) const {
    for (size_t k = 0; k < rules_.bonds.size(); ++k) {
        const auto [i, j] = rules_.bonds[k];
        const double r = length(position(positions, i) - position(positions, j));
        if (r < shortest_[k]) return Violation{Cause::Bond, {i, j}, r, shortest_[k]};
        if (r > longest_[k]) return Violation{Cause::Bond, {i, j}, r, longest_[k]};
    }
    return std::nullopt;
}

std::optional<Violation> Guard::checkAngles(const float* positions) const {
    for (const auto& [i, j, k, minDeg, maxDeg] : rules_.angles) {
        const Vec3 centre = position(positions, j);
        const Vec3 a = position(positions, i) - centre, b = position(positions, k) - centre;
        const double cosine = a.dot(b) / (length(a) * length(b));
        const double angle = std::acos(std::clamp(cosine, -1.0, 1.0)) / degree;
        if (angle < minDeg) return Violation{Cause::Angle, {i, j, k}, angle, minDeg};
        // Written so that an angle without value, of atoms at one point, is rejected.
        if (!(angle <= maxDeg)) return Violation{Cause::Angle, {i, j, k}, angle, maxDeg};
    }
    return std::nullopt;
}

std::optional<Violation> Guard::checkStereocentres(const float* positions) const {
    for (const auto& [centre, a, b, c] : rules_.stereocentres) {
        const Vec3 origin = position(positions, centre);
        const Vec3 toA = position(positions, a) - origin, toB = position(positions, b) - origin,
                   toC = position(positions, c) - origin;
        const double triple = toA.dot(toB.cross(toC));
        if (triple <= 0) return Violation{Cause::Stereochemistry, {centre, a, b, c}, triple, 0};
    }
    return std::nullopt;
}

std::optional<Violation> Guard::checkDoubleBonds(const float* positions) const {
    for (const auto& [i, j, k, l, cis] : rules_.doubleBonds) {
        const Vec3 axis = position(positions, k) - position(positions, j);
        const Vec3 first = (position(positions, j) - position(positions, i)).cross(axis),
                   second = axis.cross(position(positions, l) - position(positions, k));
        const double cosine = first.dot(second) / (length(first) * length(second));
        if (!(cis ? cosine > 0 : cosine < 0)) return Violation{Cause::DoubleBond, {i, j, k, l}, cosine, 0};
    }
    return std::nullopt;
}

std::optional<Violation> Guard::checkContacts(const float* positions, const float* box) const {
    const bool periodic = box != nullptr && box[0] != 0;
    for (const auto& [i, j, minSquared] : pairs_) {
        Vec3 apart = position(positions, j) - position(positions, i);
        if (periodic) apart = shortestImage(apart, box);
        const double squared = apart.dot(apart);
        if (squared < minSquared)
            return Violation{Cause::Contact, {i, j}, std::sqrt(squared), std::sqrt(double(minSquared))};
    }
    return std::nullopt;
}

}  // namespace ScoreDynPlugin
