#pragma once

#include <limits>
#include <utility>
#include <vector>

namespace ScoreDynPlugin {

/// What particles must keep to: made when a model is bound to them, and read from the card of the program.
/// Lengths in nm. A list that is empty checks nothing.
struct GuardRules {
    /// Three neighbours a, b, c of `centre`, ordered so that (a-centre).((b-centre)x(c-centre)) > 0.
    struct Stereocentre {
        int centre, a, b, c;
    };
    /// The angle i-j-k stays within these limits, degrees.
    struct Angle {
        int i, j, k;
        double minDeg, maxDeg;
    };
    /// The dihedral i-j-k-l stays nearer to 0 (cis) or to 180 degrees (trans).
    struct DoubleBond {
        int i, j, k, l;
        bool cis;
    };
    /// Particles of these two classes, four bonds or more apart or in different molecules, keep this
    /// distance.
    struct Contact {
        int first, second;
        double minDistanceNm;
    };

    std::vector<std::pair<int, int>> bonds;
    std::vector<double> bondLengthsNm;  ///< one per bond
    double bondTolerance = 0;           ///< |r - r0| <= bondTolerance * r0
    std::vector<Angle> angles;
    std::vector<Stereocentre> stereocentres;
    std::vector<DoubleBond> doubleBonds;
    std::vector<int> contactClasses;  ///< one per particle, if there are contacts
    std::vector<Contact> contacts;
    double maxDisplacementNm = 0;  ///< of a particle within one step

    /// Rules that every frame of finite positions keeps.
    static GuardRules none() {
        GuardRules rules;
        rules.maxDisplacementNm = std::numeric_limits<double>::infinity();
        return rules;
    }
};

}  // namespace ScoreDynPlugin
