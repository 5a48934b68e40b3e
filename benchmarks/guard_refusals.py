"""What the guard of `alanine-dipeptide-tip3p` refuses of the MD of guard_md.py, and how independent those
frames are.

    python benchmarks/guard_refusals.py OUT

How close a frame comes to each rule is its largest deviation from what the rule is centred on, in parts of
what the rule allows: 1 is refused. The statistical inefficiency is 1 + 2 sum of the autocorrelation of this
number up to where it first falls under 0 (Chodera et al., JCTC 3, 26, 2007), in frames. As a rule refuses
extremes, what counts is how extremes come: the mean number of frames in a cluster of those beyond the 99.9th
percentile, clusters being 5 ps and more apart (the inverse of the extremal index by runs; Smith and Weissman,
J. R. Stat. Soc. B 56, 515, 1994). The bound is the exact one of a Poisson rate, 95 % of one side.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.stats import chi2

import openmm_scoredyn as sd
from openmm_scoredyn.data import Trajectory
from openmm_scoredyn.molecule.geometry import bond_angles, bond_lengths, bonds_apart, phi_psi
from openmm_scoredyn.program.guard_counts import count_refused_frames, count_rejections
from openmm_scoredyn.program.model import ScoreModel

BOX = Path(__file__).resolve().parents[1] / "examples" / "data" / "alanine-dipeptide-tip3p" / "box.npz"
SPACING_PS, APART_PS, QUANTILE = 0.1, 5.0, 0.999


def trajectory(frames: np.ndarray, spacing_ps: float, molecule) -> Trajectory:
    """Frames (T, N, 3), nm, as one segment."""
    return Trajectory(
        segments=(frames,),
        frame_spacing_ps=spacing_ps,
        temperature_K=300.0,
        molecule=molecule,
        steered=False,
        consecutive=True,
        source_sha256="0" * 64,
    )


def unwrapped(frames: np.ndarray, box_nm: np.ndarray) -> np.ndarray:
    """Frames (T, N, 3) of a molecule that does not jump across the box, rows of a lower triangle."""
    jumps = np.diff(frames[:, 0].astype(float), axis=0)
    shifts = np.zeros_like(jumps)
    for axis in (2, 1, 0):
        turns = np.round((jumps + shifts)[:, axis, None] / box_nm[axis, axis])
        shifts -= turns * box_nm[axis]
    moved = np.concatenate([np.zeros((1, 3)), np.cumsum(shifts, axis=0)])
    return (frames + moved[:, None]).astype(np.float32)


def closeness(frames: np.ndarray, card) -> dict[str, np.ndarray]:
    """How close frames (T, N, 3) come to the rules, (T,) each; 1 is refused."""
    rules, molecule = card.guard, card.particles
    means = np.array(rules.bond_lengths_nm)
    bonds = np.abs(bond_lengths(frames, np.array(molecule.bonds)) / means - 1) / rules.bond_tolerance
    low, high = np.array(rules.angle_limits_deg).T
    angles = np.abs(bond_angles(frames, np.array(rules.angles)) - (low + high) / 2) / ((high - low) / 2)
    pairs = np.argwhere(np.triu(bonds_apart(molecule, 3) >= 4, k=1))
    limits = {tuple(sorted(entry[:2])): entry[2] for entry in rules.contacts}
    classes = np.sort(np.array(rules.contact_classes)[pairs], axis=1)
    least = np.array([limits[tuple(pair)] for pair in classes.tolist()])
    distances = np.linalg.norm(frames[:, pairs[:, 0]] - frames[:, pairs[:, 1]], axis=-1)
    return {
        "bond": bonds.max(axis=1),
        "angle": angles.max(axis=1),
        "contact": (least / distances).max(axis=1),
    }


def inefficiency(series: Iterable[np.ndarray]) -> float:
    """Statistical inefficiency, in frames, of a number along trajectories."""
    series = list(series)
    mean = np.concatenate(series).mean()
    variance = np.concatenate(series).var()
    total, lag = 1.0, 1
    while lag < min(map(len, series)):
        products = np.concatenate([(one[:-lag] - mean) * (one[lag:] - mean) for one in series])
        correlation = products.mean() / variance
        if correlation <= 0:
            break
        total += 2 * correlation
        lag += 1
    return total


def cluster_size(series: Iterable[np.ndarray]) -> float:
    """Mean number of frames beyond the quantile in a cluster of them."""
    series = list(series)
    limit = np.quantile(np.concatenate(series), QUANTILE)
    frames = [np.flatnonzero(one > limit) for one in series]
    clusters = sum(1 + (np.diff(found) * SPACING_PS >= APART_PS).sum() for found in frames if len(found))
    return sum(map(len, frames)) / clusters


def counted(kind: str, segments: list[np.ndarray], card) -> dict[str, int]:
    """Refusals of frames, by rule; printed beside those of steps as long as the model's."""
    molecule, per_step = card.particles, round(card.lag_time_ps / SPACING_PS)
    counts = count_refused_frames(card.guard, [trajectory(one, SPACING_PS, molecule) for one in segments])
    every = [one[offset::per_step] for one in segments for offset in range(per_step)]
    steps = count_rejections([trajectory(one, card.lag_time_ps, molecule) for one in every], card)
    positive = np.mean(phi_psi(np.concatenate(segments), molecule)[..., 0] > 0)
    print(f"{kind}: {counts}; phi > 0 in {positive:.3f}; steps of {card.lag_time_ps:g} ps: {steps}")
    return counts


def main() -> None:
    """The tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    card = ScoreModel(sd.pretrained("alanine-dipeptide-tip3p")).card

    def chunks(kind: str) -> list[np.ndarray]:
        return [np.load(path)["positions_nm"] for path in sorted((out / kind).glob("chunk_????.npz"))]

    box = np.load(BOX)["vectors_nm"]
    parts = {
        "free": [unwrapped(np.concatenate(chunks("free")), box)],
        "phi_positive": [unwrapped(chunk, box) for chunk in chunks("phi_positive")],
    }
    found: dict[str, list[np.ndarray]] = {}
    total, refused = 0, 0
    for kind, segments in parts.items():
        if not segments:
            continue
        counts = counted(kind, segments, card)
        for segment in segments:
            for rule, values in closeness(segment, card).items():
                found.setdefault(rule, []).append(values)
        total += counts["frames"]
        refused += sum(counts.values()) - counts["frames"]
    print("| rule | closest of all frames | inefficiency, frames | frames in a cluster of extremes |")
    for rule, series in found.items():
        print(
            f"| {rule} | {max(one.max() for one in series):.3f} | {inefficiency(series):.1f} |"
            f" {cluster_size(series):.2f} |"
        )
    bound = chi2.ppf(0.95, 2 * (refused + 1)) / 2
    print(f"{total} frames, {refused} refusals: at most {1e5 * bound / total:.2f} in 10^5")


if __name__ == "__main__":
    main()
