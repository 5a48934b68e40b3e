"""Motions inside the molecule besides phi and psi: methyl rotors and the end-to-end distance."""

from collections.abc import Sequence

import numpy as np

from openmm_scoredyn.comparison.blocks import Blocks
from openmm_scoredyn.comparison.bootstrap import Estimate, mean_estimate, standard_error
from openmm_scoredyn.data.trajectory import Trajectory
from openmm_scoredyn.molecule.geometry import dihedral_angles
from openmm_scoredyn.molecule.particles import Particles

LAGS_PS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


def methyl_rotors(molecule: Particles) -> dict[str, tuple[int, int, int, int]]:
    """Dihedral of each methyl group: a heavy second neighbour, a neighbour, the carbon, its first hydrogen;
    by name.
    """
    neighbours, rotors = molecule.neighbours, {}
    for atom, bonded in enumerate(neighbours):
        hydrogens = [other for other in bonded if molecule.types[other] == "H"]
        heavy = [other for other in bonded if molecule.types[other] != "H"]
        if molecule.types[atom] != "C" or len(hydrogens) != 3 or not heavy:
            continue
        far = [other for other in neighbours[heavy[0]] if other != atom]
        if far:
            second = next((other for other in far if molecule.types[other] != "H"), far[0])
            name = f"{molecule.residue_names[atom]}:{molecule.atom_names[atom]}"
            rotors[name] = (second, heavy[0], atom, hydrogens[0])
    return rotors


def ends(molecule: Particles) -> tuple[int, int]:
    """The two heavy atoms that are most bonds apart, the first such pair in the order of the atoms."""
    neighbours = molecule.neighbours
    heavy = [atom for atom in range(len(molecule)) if molecule.types[atom] != "H"]
    best, pair = -1, (0, 0)
    for start in heavy:
        steps, shell, depth = {start: 0}, [start], 0
        while shell:
            shell = [new for atom in shell for new in neighbours[atom] if new not in steps]
            depth += 1
            steps |= dict.fromkeys(shell, depth)
        for other in heavy:
            if other > start and steps.get(other, -1) > best:
                best, pair = steps[other], (start, other)
    return pair


def internal_motions(
    trajectories: Sequence[Trajectory], blocks: Blocks, seed: int = 0
) -> dict[str, Estimate]:
    """Autocorrelations of methyl rotors and of the end-to-end distance, with that distance's mean and spread.

    Parameters
    ----------
    trajectories : unsteered, of one molecule and spacing
    blocks : of all their segments, one after the other

    Returns
    -------
    dict of Estimate by name; distances in nm

    Notes
    -----
    The rotor's is <cos(chi(t) - chi(0))>, which falls with jumps by 120 degrees: its hydrogens are told
    apart. That of the distance has its mean removed and is 1 at time 0. Ends: the two heavy atoms most bonds
    apart.
    """
    molecule, spacing = trajectories[0].molecule, trajectories[0].frame_spacing_ps
    segments = [segment for trajectory in trajectories for segment in trajectory.segments]
    first, last = ends(molecule)
    distance = np.concatenate(
        [np.linalg.norm(s[:, last].astype(np.float64) - s[:, first], axis=-1) for s in segments]
    )
    result = _distance(distance, blocks, spacing, seed)
    for name, atoms in methyl_rotors(molecule).items():
        angle = np.concatenate([dihedral_angles(segment, np.array([atoms]))[:, 0] for segment in segments])
        vector = np.exp(1j * angle)
        for lag_ps, lag in _lags(blocks, spacing):
            earlier, later = blocks.lagged_pairs(lag)
            cosine = (vector[later] * vector[earlier].conj()).real
            value, error = standard_error(
                blocks.sums_at(later, cosine), lambda s: s[..., :1] / s[..., 1:], blocks, seed
            )
            result[f"methyl {name} at {lag_ps:g} ps"] = mean_estimate(value[0], error[0], cosine.var())
    return result


def _distance(distance: np.ndarray, blocks: Blocks, spacing_ps: float, seed: int) -> dict[str, Estimate]:
    """Mean, spread and autocorrelation of the end-to-end distance (frames,), nm."""
    centred = distance - distance.mean()
    everywhere = np.arange(len(distance))

    def moments(sums: np.ndarray) -> np.ndarray:
        mean = sums[..., 0] / sums[..., 2]
        return np.stack([mean, np.sqrt(np.maximum(sums[..., 1] / sums[..., 2] - mean**2, 0.0))], axis=-1)

    about_mean = blocks.sums_at(everywhere, centred, centred**2)
    (shift, spread), errors = standard_error(about_mean, moments, blocks, seed)
    result = {
        "end-to-end distance, mean": mean_estimate(distance.mean() + shift, errors[0], spread**2),
        "end-to-end distance, spread": mean_estimate(spread, errors[1], spread**2 / 2),
    }
    for lag_ps, lag in _lags(blocks, spacing_ps):
        earlier, later = blocks.lagged_pairs(lag)
        sums = np.concatenate([blocks.sums_at(later, centred[earlier] * centred[later]), about_mean], axis=1)

        def correlation(s: np.ndarray) -> np.ndarray:
            mean = s[..., 2] / s[..., 4]
            return ((s[..., 0] / s[..., 1] - mean**2) / (s[..., 3] / s[..., 4] - mean**2))[..., None]

        (value,), (error,) = standard_error(sums, correlation, blocks, seed)
        result[f"end-to-end distance at {lag_ps:g} ps"] = mean_estimate(value, error, (1 - value**2) ** 2)
    return result


def _lags(blocks: Blocks, spacing_ps: float) -> list[tuple[float, int]]:
    """Those of `LAGS_PS` that are whole frames and no longer than half of the longest trajectory: (ps,
    frames).
    """
    lags = [(lag, round(lag / spacing_ps)) for lag in LAGS_PS]
    return [
        (lag, n)
        for lag, n in lags
        if abs(n * spacing_ps - lag) < 1e-6 * lag and 1 <= n <= max(blocks.lengths) // 2
    ]
