// Langevin dynamics of copies of one small molecule, a copy in each lane of the processor's vectors.
//
// Forces: harmonic bonds and angles, periodic torsions, Coulomb and Lennard-Jones without cutoff, generalized
// Born of Onufriev, Bashford and Case (Proteins 55, 383, 2004; set II) with the surface term of Schaefer and
// Karplus. Steps: LangevinMiddle (Zhang et al., J. Phys. Chem. A 123, 6056, 2019), bonds in stars about heavy
// atoms constrained by SHAKE. All as OpenMM's NonbondedForce, GBSAOBCForce and LangevinMiddleIntegrator
// define it; reference/lanes.py checks that a System has nothing else. nm, ps, amu, kJ/mol.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "noise.h"
#include "vectors.h"

namespace {
// Filled by lanes.py, field for field.
struct Molecule {
    int32_t atoms, bonds, angles, torsions, constraints, born;
    const float* mass;             // (atoms,)
    const int32_t* bond_atoms;     // (bonds, 2)
    const float* bond;             // (bonds, 2): length, constant
    const int32_t* angle_atoms;    // (angles, 3)
    const float* angle;            // (angles, 2): angle, constant
    const int32_t* torsion_atoms;  // (torsions, 4); each set of atoms once
    const float* torsion;          // (torsions, 12): constants of cos(n phi) and sin(n phi), n = 1 to 6
    const float* pair;  // (atoms (atoms - 1) / 2, 3): charges' product times the Coulomb constant, and
                        // 4 epsilon sigma^6 and ^12; of i < j, j varies first
    const float* gb;    // (atoms, 3): charge, radius, scale
    const int32_t* constraint;  // (constraints, 2): heavy atom, hydrogen; those of a star together
    const float* length;        // (constraints,)
    float charge_factor;        // -(1 - 1/dielectric constant) times the Coulomb constant
    float surface;              // 4 pi times the surface energy, kJ/mol/nm^2
};

// Torsions that are pulled, in each copy to another angle; filled by lanes.py, field for field.
struct Pull {
    int32_t torsions;
    const int32_t* atoms;   // (torsions, 4)
    const float* constant;  // (torsions, 2, W): of cos(phi) and sin(phi)
};

class Lanes {
    const Molecule& m;
    const Pull& pull;
    std::vector<V> inverse, log_ij, log_ji;  // of pairs
    std::vector<V> sum, born, chain, slope;  // of atoms

public:
    std::vector<V3> x, v, f, old;

    Lanes(const Molecule& molecule, const Pull& pulled) : m(molecule), pull(pulled) {
        int pairs = m.atoms * (m.atoms - 1) / 2;
        for (auto* each : {&inverse, &log_ij, &log_ji}) each->resize(pairs);
        for (auto* each : {&sum, &born, &chain, &slope}) each->resize(m.atoms);
        for (auto* each : {&x, &v, &f, &old}) each->resize(m.atoms);
    }

    void forces() {
        std::fill(f.begin(), f.end(), V3{});
        bonded();
        if (m.born) {
            radii();
            pairs<true>();
            radii_forces();
        } else
            pairs<false>();
    }

    V energy = V{};    // of the last forces()
    bool held = true;  // whether all constraints were met so far

    void constrain_positions() {
        sweep(2e-6f, 1e-3f, [&](V& worst) {
            for (int k = 0; k < m.constraints; k++) {
                int i = m.constraint[2 * k], j = m.constraint[2 * k + 1];
                float square = m.length[k] * m.length[k], wi = 1 / m.mass[i], wj = 1 / m.mass[j];
                V3 now = x[i] - x[j], before = old[i] - old[j];
                V off = square - dot(now, now);
                worst = vmax(worst, vabs(off) / square);
                V3 push = (off / (2.0f * (wi + wj) * dot(now, before))) * before;
                x[i] = x[i] + wi * push;
                x[j] = x[j] - wj * push;
            }
        });
    }

    void constrain_velocities() {
        sweep(1e-5f, 1e-2f, [&](V& worst) {
            for (int k = 0; k < m.constraints; k++) {
                int i = m.constraint[2 * k], j = m.constraint[2 * k + 1];
                float square = m.length[k] * m.length[k], wi = 1 / m.mass[i], wj = 1 / m.mass[j];
                V3 arm = x[i] - x[j];
                V along = dot(arm, v[i] - v[j]);
                worst = vmax(worst, vabs(along));
                V3 push = (along / (square * (wi + wj))) * arm;
                v[i] = v[i] - wi * push;
                v[j] = v[j] + wj * push;
            }
        });
    }

private:
    // Turns over all constraints, each of which says how far off the worst was, until that is near enough.
    // What is less than `far` off after 100 turns is rounding, far from the origin.
    template <class Turn>
    void sweep(float near, float far, Turn turn) {
        V worst;
        for (int k = 0; k < 100; k++) {
            worst = V{};
            turn(worst);
            if (!(largest(worst) > near)) return;
        }
        held = held && largest(worst) < far;
    }

    void bonded() {
        energy = V{};
        for (int k = 0; k < m.bonds; k++) {
            int i = m.bond_atoms[2 * k], j = m.bond_atoms[2 * k + 1];
            V3 arm = x[i] - x[j];
            V square = dot(arm, arm), one_over = rsqrt(square);
            V off = square * one_over - m.bond[2 * k];
            energy += 0.5f * m.bond[2 * k + 1] * off * off;
            V3 push = (-m.bond[2 * k + 1] * off * one_over) * arm;
            f[i] = f[i] + push;
            f[j] = f[j] - push;
        }
        for (int k = 0; k < m.angles; k++) angle(m.angle_atoms + 3 * k, m.angle[2 * k], m.angle[2 * k + 1]);
        for (int k = 0; k < m.torsions; k++) torsion<6>(m.torsion_atoms + 4 * k, m.torsion + 12 * k);
        for (int k = 0; k < pull.torsions; k++) {
            V constant[2];
            std::memcpy(constant, pull.constant + 2 * W * k, sizeof constant);
            torsion<1>(pull.atoms + 4 * k, constant);
        }
    }

    // Of an angle that is never near 0 or 180 degrees: arc cosine by Newton's method from the equilibrium
    // angle.
    void angle(const int32_t* atoms, float rest, float constant) {
        V3 a = x[atoms[0]] - x[atoms[1]], b = x[atoms[2]] - x[atoms[1]];
        V ia = rsqrt(dot(a, a)), ib = rsqrt(dot(b, b));
        V cosine = dot(a, b) * ia * ib;
        V off = V{};
        for (int turn = 0; turn < 3; turn++) {
            V at = rest + off;
            off += (vcos(at) - cosine) / vsin(at);
        }
        V sine = vsqrt(vmax(1.0f - cosine * cosine, all(1e-6f)));
        energy += 0.5f * constant * off * off;
        V push = constant * off / sine;
        V3 fa = (push * ia) * ((ib * b) - (cosine * ia) * a);
        V3 fb = (push * ib) * ((ia * a) - (cosine * ib) * b);
        f[atoms[0]] = f[atoms[0]] + fa;
        f[atoms[2]] = f[atoms[2]] + fb;
        f[atoms[1]] = f[atoms[1]] - fa - fb;
    }

    // Constants are floats, or vectors where they differ from copy to copy.
    template <int HARMONICS, class Constant>
    void torsion(const int32_t* t, const Constant* constant) {
        V3 a = x[t[0]] - x[t[1]], b = x[t[1]] - x[t[2]], c = x[t[3]] - x[t[2]];
        V3 p = cross(a, b), q = cross(c, b);
        V pp = dot(p, p), qq = dot(q, q), bb = dot(b, b);
        V ib = rsqrt(bb), scale = rsqrt(pp * qq);
        V cosine = dot(p, q) * scale;
        V sine = dot(cross(q, p), b) * ib * scale;
        V cn = all(1), sn = V{}, slope = V{};
        for (int n = 1; n <= HARMONICS; n++) {
            V next = cn * cosine - sn * sine;
            sn = sn * cosine + cn * sine;
            cn = next;
            Constant kc = constant[2 * n - 2], ks = constant[2 * n - 1];
            energy += kc * cn + ks * sn;
            slope += float(n) * (ks * cn - kc * sn);
        }
        // dE/dphi; Blondel and Karplus, J. Comput. Chem. 17, 1132 (1996).
        V length = bb * ib;
        V3 fi = (slope * length / pp) * p, fl = (-slope * length / qq) * q;
        V3 shared = (-dot(a, b) * ib * ib) * fi - (dot(c, b) * ib * ib) * fl;
        f[t[0]] = f[t[0]] + fi;
        f[t[3]] = f[t[3]] + fl;
        f[t[1]] = f[t[1]] + shared - fi;
        f[t[2]] = f[t[2]] - shared - fl;
    }

    // What atom j takes from the integral of atom i: value, and logarithm for the derivative.
    static inline V descreened(float own, float scaled, V r, V one_over, V& logarithm) {
        V upper = 1.0f / (r + scaled), gap = vabs(r - scaled);
        V lower = 1.0f / vmax(all(own), gap);
        logarithm = vlog(upper / lower);
        V l2 = lower * lower, u2 = upper * upper;
        V term = lower - upper + 0.25f * r * (u2 - l2) + 0.5f * one_over * logarithm +
                 0.25f * scaled * scaled * one_over * (l2 - u2);
        term += own < scaled - r ? 2.0f * (1.0f / own - lower) : V{};
        return own < r + scaled ? term : V{};
    }

    static constexpr float OFFSET = 0.009f;
    float own(int i) const { return m.gb[3 * i + 1] - OFFSET; }
    float scaled(int i) const { return m.gb[3 * i + 2] * own(i); }

    void radii() {
        std::fill(sum.begin(), sum.end(), V{});
        for (int i = 0, k = 0; i < m.atoms; i++)
            for (int j = i + 1; j < m.atoms; j++, k++) {
                V3 arm = x[j] - x[i];
                V square = dot(arm, arm), one_over = rsqrt(square), r = square * one_over;
                inverse[k] = one_over;
                sum[i] += descreened(own(i), scaled(j), r, one_over, log_ij[k]);
                sum[j] += descreened(own(j), scaled(i), r, one_over, log_ji[k]);
            }
        for (int i = 0; i < m.atoms; i++) {
            V psi = 0.5f * own(i) * sum[i];
            V inside = psi * (1.0f - psi * (0.8f - 4.85f * psi));
            V small = vexp(-2.0f * vabs(inside));
            V tanh = (1.0f - small) / (1.0f + small);
            tanh = inside < 0.0f ? -tanh : tanh;
            float radius = m.gb[3 * i + 1];
            born[i] = 1.0f / (1.0f / own(i) - tanh / radius);
            chain[i] = (1.0f - tanh * tanh) * own(i) / radius * (1.0f - psi * (1.6f - 14.55f * psi));
            float reach = radius + 0.14f;
            V ratio = radius / born[i], r3 = ratio * ratio * ratio;
            V surface = m.surface * reach * reach * r3 * r3;
            V self = m.charge_factor * m.gb[3 * i] * m.gb[3 * i] / born[i];
            energy += surface + 0.5f * self;
            slope[i] = (-6.0f * surface - 0.5f * self) / born[i];
        }
    }

    template <bool BORN>
    void pairs() {
        for (int i = 0, k = 0; i < m.atoms; i++)
            for (int j = i + 1; j < m.atoms; j++, k++) {
                V3 arm = x[j] - x[i];
                V square = dot(arm, arm), one_over = BORN ? inverse[k] : rsqrt(square);
                V i2 = one_over * one_over, i6 = i2 * i2 * i2;
                V coulomb = m.pair[3 * k] * one_over;
                V six = m.pair[3 * k + 1] * i6, twelve = m.pair[3 * k + 2] * i6 * i6;
                energy += coulomb + twelve - six;
                V push = (coulomb + 12.0f * twelve - 6.0f * six) * i2;
                if (BORN) {
                    V both = born[i] * born[j], depth = square / (4.0f * both), gauss = vexp(-depth);
                    V one = rsqrt(square + both * gauss), i_two = one * one;
                    V shared = m.charge_factor * m.gb[3 * i] * m.gb[3 * j] * one;
                    V by_radii = -0.5f * shared * gauss * (1.0f + depth) * i_two;
                    energy += shared;
                    push += shared * (1.0f - 0.25f * gauss) * i_two;
                    slope[i] += by_radii * born[j];
                    slope[j] += by_radii * born[i];
                }
                V3 along = push * arm;
                f[j] = f[j] + along;
                f[i] = f[i] - along;
            }
    }

    static inline V steepness(float own, float scaled, V r, V one_over, V logarithm) {
        V upper = 1.0f / (r + scaled), lower = 1.0f / vmax(all(own), vabs(r - scaled));
        V i2 = one_over * one_over;
        V t3 =
            0.125f * (1.0f + scaled * scaled * i2) * (lower * lower - upper * upper) + 0.25f * logarithm * i2;
        return own < r + scaled ? t3 : V{};
    }

    void radii_forces() {
        for (int i = 0; i < m.atoms; i++) slope[i] = slope[i] * born[i] * born[i] * chain[i];
        for (int i = 0, k = 0; i < m.atoms; i++)
            for (int j = i + 1; j < m.atoms; j++, k++) {
                V3 arm = x[j] - x[i];
                V one_over = inverse[k], r = dot(arm, arm) * one_over;
                V push = slope[i] * steepness(own(i), scaled(j), r, one_over, log_ij[k]) +
                         slope[j] * steepness(own(j), scaled(i), r, one_over, log_ji[k]);
                V3 along = (push * one_over) * arm;
                f[i] = f[i] - along;
                f[j] = f[j] + along;
            }
    }
};

void step(Lanes& lanes, const Molecule& m, Noise& noise, float dt, float keep, const float* kick) {
    lanes.forces();
    for (int i = 0; i < m.atoms; i++) lanes.v[i] = lanes.v[i] + (dt / m.mass[i]) * lanes.f[i];
    lanes.constrain_velocities();
    for (int i = 0; i < m.atoms; i++) {
        lanes.old[i] = lanes.x[i];
        V3 half = lanes.x[i] + (0.5f * dt) * lanes.v[i];
        V3 random = {noise.normal(), noise.normal(), noise.normal()};
        lanes.v[i] = keep * lanes.v[i] + kick[i] * random;
        lanes.x[i] = half + (0.5f * dt) * lanes.v[i];
        lanes.f[i] = lanes.x[i];
    }
    lanes.constrain_positions();
    for (int i = 0; i < m.atoms; i++) lanes.v[i] = lanes.v[i] + (1 / dt) * (lanes.x[i] - lanes.f[i]);
}

void load(std::vector<V3>& to, const float* from) {  // (W, atoms, 3)
    for (size_t i = 0; i < to.size(); i++)
        for (int k = 0; k < W; k++) {
            const float* atom = from + 3 * (k * to.size() + i);
            to[i].x[k] = atom[0], to[i].y[k] = atom[1], to[i].z[k] = atom[2];
        }
}

void store(const std::vector<V3>& from, float* to) {
    for (size_t i = 0; i < from.size(); i++)
        for (int k = 0; k < W; k++) {
            float* atom = to + 3 * (k * from.size() + i);
            atom[0] = from[i].x[k], atom[1] = from[i].y[k], atom[2] = from[i].z[k];
        }
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {
// Whether the processor, and the system for its registers, have what this library is compiled for.
__attribute__((target("no-avx"))) int supported() {
#if defined(__AVX512F__)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("fma");
#else
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
}

// Copies that are computed at once.
int width() { return W; }

// Energies (W,) and forces (W, atoms, 3) of positions (W, atoms, 3).
void evaluate(const Molecule* m, const Pull* pull, const float* positions, float* energies, float* forces) {
    Lanes lanes(*m, *pull);
    load(lanes.x, positions);
    lanes.forces();
    for (int k = 0; k < W; k++) energies[k] = lanes.energy[k];
    store(lanes.f, forces);
}

// Steps of W copies, numbers first_copy on, whose positions and velocities (W, atoms, 3) are replaced by the
// last ones. Returns whether they are finite and all constraints were met.
int advance(const Molecule* m, const Pull* pull, float* positions, float* velocities, int64_t steps,
            double dt_ps, double friction_per_ps, double kT, uint64_t seed, uint64_t first_copy) {
    Lanes lanes(*m, *pull);
    load(lanes.x, positions);
    load(lanes.v, velocities);
    Noise noise(seed, first_copy);
    float keep = std::exp(-friction_per_ps * dt_ps);
    std::vector<float> kick(m->atoms);
    for (int i = 0; i < m->atoms; i++)
        kick[i] = std::sqrt(kT * (1 - std::exp(-2 * friction_per_ps * dt_ps)) / m->mass[i]);
    for (int64_t k = 0; k < steps; k++) step(lanes, *m, noise, dt_ps, keep, kick.data());
    store(lanes.x, positions);
    store(lanes.v, velocities);
    return lanes.held && std::all_of(lanes.x.begin(), lanes.x.end(),
                                     [](const V3& each) { return finite(each.x + each.y + each.z); });
}
}
#pragma GCC visibility pop
