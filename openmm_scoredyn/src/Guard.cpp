#include "Guard.h"

#include <cmath>
#include <sstream>

#include "openmm/Vec3.h"

namespace ScoreDynPlugin {

namespace {

using OpenMM::Vec3;

Vec3 position(const float* positions, int atom) {
    return Vec3(positions[3 * atom], positions[3 * atom + 1], positions[3 * atom + 2]);
}

double length(const Vec3& v) { return std::sqrt(v.dot(v)); }

}  // namespace

std::string Violation::describe() const {
    std::ostringstream text;
    switch (kind) {
        case Kind::NotFinite:
            text << "the position of atom " << atoms[0] << " is " << value << ".";
            break;
        case Kind::Bond:
            text << "the bond between atoms " << atoms[0] << " and " << atoms[1] << " is " << value
                 << " nm long, outside its limit of " << limit << " nm.";
            break;
        case Kind::Chirality:
            text << "the chiral centre at atom " << atoms[0] << " changed its hand (triple product " << value
                 << " nm^3, expected above 0).";
            break;
        case Kind::Displacement:
            text << "atom " << atoms[0] << " moved by " << value << " nm, more than the limit of " << limit
                 << " nm.";
            break;
    }
    return text.str();
}

Guard::Guard(const Card& card)
    : numParticles_(card.numParticles()),
      bonds_(card.bonds),
      chiralCentres_(card.chiralCentres),
      maxDisplacement_(card.maxDisplacementNm) {
    for (const double length : card.bondLengthsNm) {
        shortest_.push_back(length * (1 - card.bondTolerance));
        longest_.push_back(length * (1 + card.bondTolerance));
    }
}

std::optional<Violation> Guard::check(const float* before, const float* after) const {
    for (int i = 0; i < 3 * numParticles_; ++i)
        if (!std::isfinite(after[i])) return Violation{Violation::Kind::NotFinite, {i / 3}, after[i], 0};
    if (auto violation = checkBonds(after)) return violation;
    if (auto violation = checkChirality(after)) return violation;
    for (int atom = 0; atom < numParticles_; ++atom) {
        const double moved = length(position(after, atom) - position(before, atom));
        // Written so that a frame before that is not a number is refused, too.
        if (!(moved <= maxDisplacement_))
            return Violation{Violation::Kind::Displacement, {atom}, moved, maxDisplacement_};
    }
    return std::nullopt;
}

std::optional<Violation> Guard::checkBonds(const float* positions) const {
    for (size_t k = 0; k < bonds_.size(); ++k) {
        const auto [i, j] = bonds_[k];
        const double r = length(position(positions, i) - position(positions, j));
        if (r < shortest_[k]) return Violation{Violation::Kind::Bond, {i, j}, r, shortest_[k]};
        if (r > longest_[k]) return Violation{Violation::Kind::Bond, {i, j}, r, longest_[k]};
    }
    return std::nullopt;
}

std::optional<Violation> Guard::checkChirality(const float* positions) const {
    for (const ChiralCentre& chiral : chiralCentres_) {
        const Vec3 centre = position(positions, chiral.centre);
        const Vec3 a = position(positions, chiral.a) - centre, b = position(positions, chiral.b) - centre,
                   c = position(positions, chiral.c) - centre;
        const double triple = a.dot(b.cross(c));
        if (triple <= 0)
            return Violation{
                Violation::Kind::Chirality, {chiral.centre, chiral.a, chiral.b, chiral.c}, triple, 0};
    }
    return std::nullopt;
}

}  // namespace ScoreDynPlugin
