#include "ForceCheck.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <typeinfo>

#include "openmm/CustomTorsionForce.h"
#include "openmm/HarmonicAngleForce.h"
#include "openmm/HarmonicBondForce.h"
#include "openmm/OpenMMException.h"
#include "openmm/PeriodicTorsionForce.h"

namespace ScoreDynPlugin {

using OpenMM::CustomTorsionForce;
using OpenMM::Force;
using OpenMM::HarmonicAngleForce;
using OpenMM::HarmonicBondForce;
using OpenMM::PeriodicTorsionForce;
using OpenMM::System;

namespace {

// Without the namespace; the classes of plugins cannot be named as types here.
const std::set<std::string> classesOfForceFields = {"AmoebaGeneralizedKirkwoodForce",
                                                    "AmoebaMultipoleForce",
                                                    "AmoebaTorsionTorsionForce",
                                                    "AmoebaVdwForce",
                                                    "AmoebaWcaDispersionForce",
                                                    "CMAPTorsionForce",
                                                    "CMMotionRemover",
                                                    "CustomGBForce",
                                                    "DrudeForce",
                                                    "GBSAOBCForce",
                                                    "GayBerneForce",
                                                    "HarmonicAngleForce",
                                                    "HarmonicBondForce",
                                                    "HippoNonbondedForce",
                                                    "NonbondedForce",
                                                    "PeriodicTorsionForce",
                                                    "RBTorsionForce"};

// What ForceField, AmberPrmtopFile, CharmmPsfFile and GromacsTopFile call their Custom*Forces.
const std::set<std::string> namesOfReaders = {"AmoebaAngleForce",
                                              "AmoebaAngleTorsionForce",
                                              "AmoebaBondForce",
                                              "AmoebaInPlaneAngleForce",
                                              "AmoebaOutOfPlaneBendForce",
                                              "AmoebaPiTorsionForce",
                                              "AmoebaStretchBendForce",
                                              "AmoebaStretchTorsionForce",
                                              "GROMOSAngleForce",
                                              "GROMOSBondForce",
                                              "HarmonicTorsionForce",
                                              "ImproperTorsionForce",
                                              "LennardJones",
                                              "LennardJones14",
                                              "LennardJonesExceptions",
                                              "LennardJonesForce"};

std::string className(const Force& force) {
    const std::unique_ptr<char, decltype(&std::free)> full(
        abi::__cxa_demangle(typeid(force).name(), nullptr, nullptr, nullptr), &std::free);
    const std::string name = full ? full.get() : typeid(force).name();
    const size_t colon = name.rfind(':');
    return colon == std::string::npos ? name : name.substr(colon + 1);
}

/// Which particles of the System are bonded.
class Bonds {
public:
    Bonds(const std::vector<int>& particles, const std::vector<std::pair<int, int>>& bonds) {
        for (const auto& [i, j] : bonds) {
            neighbours_[particles[i]].insert(particles[j]);
            neighbours_[particles[j]].insert(particles[i]);
        }
    }
    bool known() const { return !neighbours_.empty(); }
    bool join(int i, int j) const {
        const auto found = neighbours_.find(i);
        return found != neighbours_.end() && found->second.count(j) > 0;
    }
    bool withinTwo(int i, int j) const {
        const auto found = neighbours_.find(i);
        return found != neighbours_.end() &&
               (found->second.count(j) > 0 || std::any_of(found->second.begin(), found->second.end(),
                                                          [&](int between) { return join(between, j); }));
    }
    /// Whether one of the four is bonded to the other three.
    bool areImproper(const int (&atoms)[4]) const {
        return std::any_of(std::begin(atoms), std::end(atoms), [&](int centre) {
            return std::all_of(std::begin(atoms), std::end(atoms),
                               [&](int other) { return other == centre || join(centre, other); });
        });
    }

private:
    std::map<int, std::set<int>> neighbours_;
};

bool isAlongBonds(const HarmonicBondForce& force, const Bonds& bonds) {
    for (int b = 0; b < force.getNumBonds(); ++b) {
        int i, j;
        double length, k;
        force.getBondParameters(b, i, j, length, k);
        if (k != 0 && !bonds.withinTwo(i, j)) return false;
    }
    return true;
}

bool isAlongBonds(const HarmonicAngleForce& force, const Bonds& bonds) {
    for (int a = 0; a < force.getNumAngles(); ++a) {
        int i, j, k;
        double angle, constant;
        force.getAngleParameters(a, i, j, k, angle, constant);
        if (constant != 0 && !(bonds.join(i, j) && bonds.join(j, k))) return false;
    }
    return true;
}

bool hasImpropersAlone(const CustomTorsionForce& force, const Bonds& bonds) {
    for (int t = 0; t < force.getNumTorsions(); ++t) {
        int atoms[4];
        std::vector<double> parameters;
        force.getTorsionParameters(t, atoms[0], atoms[1], atoms[2], atoms[3], parameters);
        if (!bonds.areImproper(atoms)) return false;
    }
    return true;
}

bool isOfForceField(const Force& force, const Bonds& bonds) {
    if (const auto* torsions = dynamic_cast<const CustomTorsionForce*>(&force))
        if (hasImpropersAlone(*torsions, bonds)) return true;
    if (!classesOfForceFields.count(className(force))) return namesOfReaders.count(force.getName()) > 0;
    if (!bonds.known()) return true;
    if (const auto* harmonic = dynamic_cast<const HarmonicBondForce*>(&force))
        return isAlongBonds(*harmonic, bonds);
    if (const auto* harmonic = dynamic_cast<const HarmonicAngleForce*>(&force))
        return isAlongBonds(*harmonic, bonds);
    return true;
}

}  // namespace

void checkForcesOfForceField(const System& system, const std::vector<int>& particles,
                             const std::vector<std::pair<int, int>>& bonds) {
    const Bonds graph(particles, bonds);
    bool torsionsSeen = false;
    for (int i = 0; i < system.getNumForces(); ++i) {
        const Force& force = system.getForce(i);
        const bool torsions = dynamic_cast<const PeriodicTorsionForce*>(&force) != nullptr;
        if (isOfForceField(force, graph) && !(torsions && torsionsSeen)) {
            torsionsSeen = torsionsSeen || torsions;
            continue;
        }
        const std::string name = className(force);
        throw OpenMM::OpenMMException(
            "ScoreDynamicsIntegrator: force " + std::to_string(i) + " of the System (" + name +
            (force.getName() == name ? "" : " '" + force.getName() + "'") +
            ") is none that a force field makes, and the steps of a model feel no forces; expected the "
            "forces "
            "of a force field alone, found what looks like a restraint or a bias, which would have no "
            "effect; "
            "remove it, or call setForcesOnlyReported(True) if its energy is only to be reported.");
    }
}

}  // namespace ScoreDynPlugin
