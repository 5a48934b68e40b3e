// Langevin dynamics of copies of one small molecule, a copy in each lane of the processor's vectors.
//
// Forces: harmonic bonds and angles, periodic torsions, Coulomb and Lennard-Jones without cutoff, generalized
// Born of Onufriev, Bashford and Case (Proteins 55, 383, 2004; set II) with the surface term of Schaefer and
// Karplus. Steps: LangevinMiddle (Zhang et al., J. Phys. Chem. A 123, 6056, 2019), bonds in stars about heavy
// atoms constrained by SHAKE. All as OpenMM's NonbondedForce, GBSAOBCForce and LangevinMiddleIntegrator define
// it; lanes.py checks that a System has nothing else. nm, ps, amu, kJ/mol.

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#if defined(__AVX512F__)
constexpr int W = 16;
extern "C" {
__m512 _ZGVeN16v_logf(__m512);
__m512 _ZGVeN16v_expf(__m512);
__m512 _ZGVeN16v_cosf(__m512);
__m512 _ZGVeN16v_sinf(__m512);
}
typedef float V __attribute__((vector_size(64)));
typedef int32_t I __attribute__((vector_size(64)));
typedef uint32_t U __attribute__((vector_size(64)));
static inline V vlog(V x) { return (V)_ZGVeN16v_logf((__m512)x); }
static inline V vexp(V x) { return (V)_ZGVeN16v_expf((__m512)x); }
static inline V vcos(V x) { return (V)_ZGVeN16v_cosf((__m512)x); }
static inline V vsin(V x) { return (V)_ZGVeN16v_sinf((__m512)x); }
static inline V vsqrt(V x) { return (V)_mm512_sqrt_ps((__m512)x); }
static inline V rough_rsqrt(V x) { return (V)_mm512_rsqrt14_ps((__m512)x); }
#elif defined(__AVX2__)
constexpr int W = 8;
extern "C" {
__m256 _ZGVdN8v_logf(__m256);
__m256 _ZGVdN8v_expf(__m256);
__m256 _ZGVdN8v_cosf(__m256);
__m256 _ZGVdN8v_sinf(__m256);
}
typedef float V __attribute__((vector_size(32)));
typedef int32_t I __attribute__((vector_size(32)));
typedef uint32_t U __attribute__((vector_size(32)));
static inline V vlog(V x) { return (V)_ZGVdN8v_logf((__m256)x); }
static inline V vexp(V x) { return (V)_ZGVdN8v_expf((__m256)x); }
static inline V vcos(V x) { return (V)_ZGVdN8v_cosf((__m256)x); }
static inline V vsin(V x) { return (V)_ZGVdN8v_sinf((__m256)x); }
static inline V vsqrt(V x) { return (V)_mm256_sqrt_ps((__m256)x); }
static inline V rough_rsqrt(V x) { return 1.0f / vsqrt(x); }
#else
#error "lanes.cpp: expected a processor with AVX2 or AVX-512 and -march=native"
#endif

static inline V all(float x) { return V{} + x; }
static inline V vmax(V a, V b) { return a > b ? a : b; }
static inline V vabs(V a) { return a < 0.0f ? -a : a; }
static inline V rsqrt(V x) {
    V y = rough_rsqrt(x);
    return y * (1.5f - 0.5f * x * y * y);
}
static inline float largest(V a) {
    float found = a[0];
    for (int k = 1; k < W; k++)
        found = std::max(found, a[k]);
    return found;
}
static inline bool finite(V a) {
    for (int k = 0; k < W; k++)
        if (!std::isfinite(a[k]))
            return false;
    return true;
}

struct V3 {
    V x, y, z;
};
static inline V3 operator+(V3 a, V3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
static inline V3 operator-(V3 a, V3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
static inline V3 operator*(V s, V3 a) { return {s * a.x, s * a.y, s * a.z}; }
static inline V3 operator*(float s, V3 a) { return {s * a.x, s * a.y, s * a.z}; }
static inline V dot(V3 a, V3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
static inline V3 cross(V3 a, V3 b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

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
    const float* pair;             // (atoms (atoms - 1) / 2, 3): charges' product times the Coulomb constant, and
                                   // 4 epsilon sigma^6 and ^12; of i < j, j varies first
    const float* gb;               // (atoms, 3): charge, radius, scale
    const int32_t* constraint;     // (constraints, 2): heavy atom, hydrogen; those of a star together
    const float* length;           // (constraints,)
    float charge_factor;           // -(1 - 1/dielectric constant) times the Coulomb constant
    float surface;                 // 4 pi times the surface energy, kJ/mol/nm^2
};

class Lanes {
    const Molecule& m;
    std::vector<V> inverse, log_ij, log_ji;  // of pairs
    std::vector<V> sum, born, chain, pull;   // of atoms

public:
    std::vector<V3> x, v, f, old;

    explicit Lanes(const Molecule& molecule) : m(molecule) {
        int pairs = m.atoms * (m.atoms - 1) / 2;
        for (auto* each : {&inverse, &log_ij, &log_ji})
            each->resize(pairs);
        for (auto* each : {&sum, &born, &chain, &pull})
            each->resize(m.atoms);
        for (auto* each : {&x, &v, &f, &old})
            each->resize(m.atoms);
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

    V energy = V{};  // of the last forces()

    void constrain_positions() {
        for (int turn = 0; turn < 100; turn++) {
            V worst = V{};
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
            if (!(largest(worst) > 2e-6f))
                return;
        }
    }

    void constrain_velocities() {
        for (int turn = 0; turn < 100; turn++) {
            V worst = V{};
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
            if (!(largest(worst) > 1e-5f))
                return;
        }
    }

private:
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
        for (int k = 0; k < m.angles; k++)
            angle(m.angle_atoms + 3 * k, m.angle[2 * k], m.angle[2 * k + 1]);
        for (int k = 0; k < m.torsions; k++)
            torsion(m.torsion_atoms + 4 * k, m.torsion + 12 * k);
    }

    // Of an angle that is never near 0 or 180 degrees: arc cosine by Newton's method from the equilibrium angle.
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
        V pull = constant * off / sine;
        V3 fa = (pull * ia) * ((ib * b) - (cosine * ia) * a);
        V3 fb = (pull * ib) * ((ia * a) - (cosine * ib) * b);
        f[atoms[0]] = f[atoms[0]] + fa;
        f[atoms[2]] = f[atoms[2]] + fb;
        f[atoms[1]] = f[atoms[1]] - fa - fb;
    }

    void torsion(const int32_t* t, const float* constant) {
        V3 a = x[t[0]] - x[t[1]], b = x[t[1]] - x[t[2]], c = x[t[3]] - x[t[2]];
        V3 p = cross(a, b), q = cross(c, b);
        V pp = dot(p, p), qq = dot(q, q), bb = dot(b, b);
        V ib = rsqrt(bb), scale = rsqrt(pp * qq);
        V cosine = dot(p, q) * scale;
        V sine = dot(cross(q, p), b) * ib * scale;
        V cn = all(1), sn = V{}, slope = V{};
        for (int n = 1; n <= 6; n++) {
            V next = cn * cosine - sn * sine;
            sn = sn * cosine + cn * sine;
            cn = next;
            float kc = constant[2 * n - 2], ks = constant[2 * n - 1];
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
        V term = lower - upper + 0.25f * r * (u2 - l2) + 0.5f * one_over * logarithm
            + 0.25f * scaled * scaled * one_over * (l2 - u2);
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
            pull[i] = (-6.0f * surface - 0.5f * self) / born[i];
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
                    pull[i] += by_radii * born[j];
                    pull[j] += by_radii * born[i];
                }
                V3 along = push * arm;
                f[j] = f[j] + along;
                f[i] = f[i] - along;
            }
    }

    static inline V steepness(float own, float scaled, V r, V one_over, V logarithm) {
        V upper = 1.0f / (r + scaled), lower = 1.0f / vmax(all(own), vabs(r - scaled));
        V i2 = one_over * one_over;
        V t3 = 0.125f * (1.0f + scaled * scaled * i2) * (lower * lower - upper * upper)
            + 0.25f * logarithm * i2;
        return own < r + scaled ? t3 : V{};
    }

    void radii_forces() {
        for (int i = 0; i < m.atoms; i++)
            pull[i] = pull[i] * born[i] * born[i] * chain[i];
        for (int i = 0, k = 0; i < m.atoms; i++)
            for (int j = i + 1; j < m.atoms; j++, k++) {
                V3 arm = x[j] - x[i];
                V one_over = inverse[k], r = dot(arm, arm) * one_over;
                V push = pull[i] * steepness(own(i), scaled(j), r, one_over, log_ij[k])
                    + pull[j] * steepness(own(j), scaled(i), r, one_over, log_ji[k]);
                V3 along = (push * one_over) * arm;
                f[i] = f[i] - along;
                f[j] = f[j] + along;
            }
    }
};

// xoshiro128+ (Blackman and Vigna, 2018) in each lane, seeded by splitmix64.
class Noise {
    U s[4];
    V spare = V{};
    bool has_spare = false;

    static uint64_t mix(uint64_t& state) {
        uint64_t z = (state += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    U next() {
        U result = s[0] + s[3], t = s[1] << 9;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = (s[3] << 11) | (s[3] >> 21);
        return result;
    }
    V uniform() {  // above 0, at most 1
        return (__builtin_convertvector((I)(next() >> 8), V) + 1.0f) * 0x1p-24f;
    }

public:
    Noise(uint64_t seed, uint64_t first_lane) {
        for (int k = 0; k < W; k++) {
            uint64_t state = (seed << 20) + first_lane + k;
            uint64_t a = mix(state), b = mix(state);
            s[0][k] = (uint32_t)a, s[1][k] = (uint32_t)(a >> 32);
            s[2][k] = (uint32_t)b, s[3][k] = (uint32_t)(b >> 32) | 1u;
        }
    }
    V normal() {
        if (has_spare) {
            has_spare = false;
            return spare;
        }
        V size = vsqrt(-2.0f * vlog(uniform())), turn = 6.2831853f * (uniform() - 0.5f);
        spare = size * vsin(turn);
        has_spare = true;
        return size * vcos(turn);
    }
};

static void step(Lanes& lanes, const Molecule& m, Noise& noise, float dt, float keep, const float* kick) {
    lanes.forces();
    for (int i = 0; i < m.atoms; i++)
        lanes.v[i] = lanes.v[i] + (dt / m.mass[i]) * lanes.f[i];
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
    for (int i = 0; i < m.atoms; i++)
        lanes.v[i] = lanes.v[i] + (1 / dt) * (lanes.x[i] - lanes.f[i]);
}

static void centre(std::vector<V3>& x) {
    V3 middle = {};
    for (auto& each : x)
        middle = middle + each;
    middle = (1.0f / x.size()) * middle;
    for (auto& each : x)
        each = each - middle;
}

static void load(std::vector<V3>& to, const float* from) {  // (W, atoms, 3)
    for (size_t i = 0; i < to.size(); i++)
        for (int k = 0; k < W; k++) {
            const float* atom = from + 3 * (k * to.size() + i);
            to[i].x[k] = atom[0], to[i].y[k] = atom[1], to[i].z[k] = atom[2];
        }
}

static void store(const std::vector<V3>& from, float* to) {
    for (size_t i = 0; i < from.size(); i++)
        for (int k = 0; k < W; k++) {
            float* atom = to + 3 * (k * from.size() + i);
            atom[0] = from[i].x[k], atom[1] = from[i].y[k], atom[2] = from[i].z[k];
        }
}

extern "C" {
int lanes() { return W; }

// Energies (W,) and forces (W, atoms, 3) of positions (W, atoms, 3).
void evaluate(const Molecule* m, const float* positions, float* energies, float* forces) {
    Lanes lanes(*m);
    load(lanes.x, positions);
    lanes.forces();
    for (int k = 0; k < W; k++)
        energies[k] = lanes.energy[k];
    store(lanes.f, forces);
}

// `frames` times `stride` steps of W copies from positions and velocities (W, atoms, 3), which are replaced by the
// last ones; each frame into out (frames, W, atoms, 3), its centre at the origin. Returns the frames that were made:
// fewer where a copy left what numbers can hold.
int64_t simulate(const Molecule* m, float* positions, float* velocities, int64_t frames, int64_t stride, double dt_ps,
                 double friction_per_ps, double kT, uint64_t seed, uint64_t first_lane, float* out) {
    Lanes lanes(*m);
    load(lanes.x, positions);
    load(lanes.v, velocities);
    Noise noise(seed, first_lane);
    float keep = std::exp(-friction_per_ps * dt_ps);
    std::vector<float> kick(m->atoms);
    for (int i = 0; i < m->atoms; i++)
        kick[i] = std::sqrt(kT * (1 - std::exp(-2 * friction_per_ps * dt_ps)) / m->mass[i]);
    for (int64_t frame = 0; frame < frames; frame++) {
        for (int64_t k = 0; k < stride; k++)
            step(lanes, *m, noise, dt_ps, keep, kick.data());
        centre(lanes.x);
        for (auto& each : lanes.x)
            if (!finite(each.x + each.y + each.z))
                return frame;
        store(lanes.x, out + 3 * frame * W * m->atoms);
    }
    store(lanes.x, positions);
    store(lanes.v, velocities);
    return frames;
}
}
