#include "Guard.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>
#include <sstream>

#include "AllFinite.h"
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

/// A square that keeps the sign, so that cosines are compared without a root.
double signedSquare(double value) { return value * std::abs(value); }

/// Such a square of the cosine of a limit; of a limit at an end of the range, one that no rounding reaches.
double cosineLimit(double angleDeg, double atTheEnd) {
    return angleDeg > 0 && angleDeg < 180 ? signedSquare(std::cos(angleDeg * degree)) : atTheEnd;
}

double angleDeg(const Vec3& a, const Vec3& b) {
    const double cosine = a.dot(b) / (length(a) * length(b));
    return std::acos(std::clamp(cosine, -1.0, 1.0)) / degree;
}

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

/// The positions axis by axis, so that distances from one particle to all that follow are computed several at
/// a time.
class Axes {
public:
    Axes(const float* positions, int count) : count_(count) {
        thread_local std::vector<float> kept;
        kept.resize(size_t(count) * 3);
        x_ = kept.data();
        y_ = x_ + count;
        z_ = y_ + count;
        for (int i = 0; i < count; ++i) {
            x_[i] = positions[3 * i];
            y_[i] = positions[3 * i + 1];
            z_[i] = positions[3 * i + 2];
        }
    }

    /// Whether one of the particles after i may be nearer to it than its limit, of whose squares there is one
    /// for each. Never false where one is: single precision and its rounding are allowed for.
    bool anyNearer(int i, const float* limits) const {
        constexpr float rounding = 1 + 16 * std::numeric_limits<float>::epsilon();
        const float x = x_[i], y = y_[i], z = z_[i];
        const float *const xs = x_ + i + 1, *const ys = y_ + i + 1, *const zs = z_ + i + 1;
        int nearer = 0;
        for (int n = 0; n < count_ - i - 1; ++n) {
            const float dx = xs[n] - x, dy = ys[n] - y, dz = zs[n] - z;
            nearer |= dx * dx + dy * dy + dz * dz < rounding * limits[n];
        }
        return nearer != 0;
    }

private:
    int count_;
    float *x_, *y_, *z_;
};

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

Guard::Guard(int numParticles, const GuardRules& rules)
    : numParticles_(numParticles), maxDisplacementNm_(rules.maxDisplacementNm) {
    for (size_t k = 0; k < rules.bonds.size(); ++k) {
        const double shortest = std::max(0.0, rules.bondLengthsNm[k] * (1 - rules.bondTolerance)),
                     longest = rules.bondLengthsNm[k] * (1 + rules.bondTolerance);
        bonds_.push_back({rules.bonds[k], shortest, longest, shortest * shortest, longest * longest});
    }
    for (const GuardRules::Angle& angle : rules.angles)
        angles_.push_back({angle, cosineLimit(angle.maxDeg, -2), cosineLimit(angle.minDeg, 2)});
    stereocentres_ = rules.stereocentres;
    doubleBonds_ = rules.doubleBonds;
    if (!rules.contacts.empty()) listContacts(rules);
}

void Guard::listContacts(const GuardRules& rules) {
    std::map<std::pair<int, int>, double> limits;
    for (const auto& [first, second, distance] : rules.contacts)
        limits[{std::min(first, second), std::max(first, second)}] = distance;
    const auto near = nearAlongBonds(numParticles_, rules);
    for (int i = 0; i < numParticles_; ++i)
        for (int j = i + 1; j < numParticles_; ++j) {
            const int a = rules.contactClasses[i], b = rules.contactClasses[j];
            const auto limit = limits.find({std::min(a, b), std::max(a, b)});
            const bool apart = std::ranges::find(near[i], j) == near[i].end();
            contactSquares_.push_back(
                apart && limit != limits.end() ? static_cast<float>(limit->second * limit->second) : 0);
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
    const size_t size = size_t(numParticles_) * 3;
    if (allFinite(positions, size)) return std::nullopt;
    const float* const first =
        std::find_if_not(positions, positions + size, [](float v) { return std::isfinite(v); });
    return Violation{Cause::NotFinite, {int(first - positions) / 3}, *first, 0};
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
    const double limit = maxDisplacementNm_;
    for (int atom = 0; atom < numParticles_; ++atom) {
        const Vec3 moved = position(after, atom) - position(before, atom);
        // Written so that a frame before that is not a number is rejected, too.
        if (!(moved.dot(moved) <= limit * limit))
            return Violation{Cause::Displacement, {atom}, length(moved), limit};
    }
    return std::nullopt;
}

std::optional<Violation> Guard::checkBonds(const float* positions) const {
    for (const auto& [atoms, shortest, longest, leastSquare, largestSquare] : bonds_) {
        const auto [i, j] = atoms;
        const Vec3 apart = position(positions, i) - position(positions, j);
        const double square = apart.dot(apart);
        if (square < leastSquare) return Violation{Cause::Bond, {i, j}, std::sqrt(square), shortest};
        if (square > largestSquare) return Violation{Cause::Bond, {i, j}, std::sqrt(square), longest};
    }
    return std::nullopt;
}

std::optional<Violation> Guard::checkAngles(const float* positions) const {
    for (const auto& [angle, leastCosine, largestCosine] : angles_) {
        const auto& [i, j, k, minDeg, maxDeg] = angle;
        const Vec3 centre = position(positions, j);
        const Vec3 a = position(positions, i) - centre, b = position(positions, k) - centre;
        const double cosine = signedSquare(a.dot(b)), scale = a.dot(a) * b.dot(b);
        if (cosine > largestCosine * scale) return Violation{Cause::Angle, {i, j, k}, angleDeg(a, b), minDeg};
        // Written so that an angle without value, of atoms at one point, is rejected.
        if (!(scale > 0 && cosine >= leastCosine * scale))
            return Violation{Cause::Angle, {i, j, k}, angleDeg(a, b), maxDeg};
    }
    return std::nullopt;
}

std::optional<Violation> Guard::checkStereocentres(const float* positions) const {
    for (const auto& [centre, a, b, c] : stereocentres_) {
        const Vec3 origin = position(positions, centre);
        const Vec3 toA = position(positions, a) - origin, toB = position(positions, b) - origin,
                   toC = position(positions, c) - origin;
        const double triple = toA.dot(toB.cross(toC));
        if (triple <= 0) return Violation{Cause::Stereochemistry, {centre, a, b, c}, triple, 0};
    }
    return std::nullopt;
}

std::optional<Violation> Guard::checkDoubleBonds(const float* positions) const {
    for (const auto& [i, j, k, l, cis] : doubleBonds_) {
        const Vec3 axis = position(positions, k) - position(positions, j);
        const Vec3 first = (position(positions, j) - position(positions, i)).cross(axis),
                   second = axis.cross(position(positions, l) - position(positions, k));
        const double product = first.dot(second);
        if (!(cis ? product > 0 : product < 0))
            return Violation{Cause::DoubleBond, {i, j, k, l}, product / (length(first) * length(second)), 0};
    }
    return std::nullopt;
}

std::optional<Violation> Guard::checkContacts(const float* positions, const float* box) const {
    if (contactSquares_.empty()) return std::nullopt;
    const bool periodic = box != nullptr && box[0] != 0;
    const Axes axes(positions, numParticles_);
    const float* limits = contactSquares_.data();
    for (int i = 0; i < numParticles_; limits += numParticles_ - ++i) {
        if (!periodic && !axes.anyNearer(i, limits)) continue;
        for (int j = i + 1; j < numParticles_; ++j) {
            const float limit = limits[j - i - 1];
            Vec3 apart = position(positions, j) - position(positions, i);
            if (periodic && limit > 0) apart = shortestImage(apart, box);
            const double square = apart.dot(apart);
            if (square < limit)
                return Violation{Cause::Contact, {i, j}, std::sqrt(square), std::sqrt(double(limit))};
        }
    }
    return std::nullopt;
}

}  // namespace ScoreDynPlugin
