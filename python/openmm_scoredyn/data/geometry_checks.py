"""Trajectories against their topology and each other: units, atom order, handedness, broken frames."""

from collections.abc import Sequence

import numpy as np

from openmm_scoredyn.data.trajectory import BLOCK_FRAMES, Trajectory
from openmm_scoredyn.errors import TrajectoryError
from openmm_scoredyn.molecule.composition import is_group
from openmm_scoredyn.molecule.geometry import bond_lengths, four_bonded, stereocentres, triple_products
from openmm_scoredyn.molecule.particles import Particles

# Covalent radii, nm (Cordero et al. 2008); a bond is about as long as the sum of two.
_COVALENT_RADII_NM = {
    "H": 0.031,
    "B": 0.084,
    "C": 0.076,
    "N": 0.071,
    "O": 0.066,
    "F": 0.057,
    "Si": 0.111,
    "P": 0.107,
    "S": 0.105,
    "Cl": 0.102,
    "Se": 0.120,
    "Br": 0.120,
    "I": 0.139,
}
# Of any force field at any temperature of interest: bonds vibrate by a few parts in a hundred.
_SHORTEST, _LONGEST = 0.6, 1.5
# In a single frame: dynamics that blow up, and molecules cut by the box, have particles far apart; broken
# writers and readers put particles onto each other.
_COLLAPSED, _BROKEN = 0.3, 2.0
# Centres of groups of particles may meet, and be as far apart as what is between them stretches.
_BROKEN_GROUPS = 5.0
_UNITS = {10.0: "they look like Angstrom, not nm", 0.1: "they look like units of 10 nm, not nm"}


def check_geometry(trajectories: Sequence[Trajectory]) -> None:
    """Refuse trajectories that are not what their topology says, or not alike.

    Parameters
    ----------
    trajectories : of one molecule, in nm

    Raises
    ------
    TrajectoryError
        Naming file, frame and particles: bonds that are too long or too short for their elements (another
        unit, another atom order), a bond that breaks or collapses in some frame (exploded, not whole,
        particles at one point), or a file that is the mirror image of the others.
    """
    first = trajectories[0]
    if not first.molecule.bonds:
        return
    bonds = np.array(first.molecule.bonds, dtype=int)
    typical = np.array([_typical_lengths(trajectory, bonds) for trajectory in trajectories])
    for trajectory, lengths in zip(trajectories, typical, strict=True):
        _check_against_elements(trajectory, bonds, lengths)
    _check_against_others(trajectories, bonds, typical)
    expected = np.median(typical, axis=0)
    for trajectory in trajectories:
        _check_frames(trajectory, bonds, expected)
    _check_handedness(trajectories)


def _typical_lengths(trajectory: Trajectory, bonds: np.ndarray) -> np.ndarray:
    """Median length, nm, of each bond over frames spread through the trajectory."""
    chosen = np.unique(np.linspace(0, trajectory.n_frames - 1, 200).astype(int))
    return np.median(bond_lengths(trajectory.frames(chosen), bonds), axis=0)


def _check_against_elements(trajectory: Trajectory, bonds: np.ndarray, lengths: np.ndarray) -> None:
    radii = np.array([_COVALENT_RADII_NM.get(element, np.nan) for element in trajectory.molecule.types])
    expected = radii[bonds].sum(axis=1)
    ratio = lengths / expected
    known = np.isfinite(ratio)
    wrong = known & ((ratio < _SHORTEST) | (ratio > _LONGEST))
    if not wrong.any():
        return
    middle = float(np.median(ratio[known]))
    unit = next((text for factor, text in _UNITS.items() if 0.7 < middle / factor < 1.4), None)
    advice = unit or "the atoms are in another order than in the topology, or not of one molecule"
    _refuse_bond(trajectory, bonds, int(np.argmax(wrong)), lengths, expected, "in most frames", advice)


def _check_against_others(trajectories, bonds: np.ndarray, typical: np.ndarray) -> None:
    """Each file against the median of all, where no element says how long a bond is."""
    expected = np.median(typical, axis=0)
    for trajectory, lengths in zip(trajectories, typical, strict=True):
        wrong = (lengths < _SHORTEST * expected) | (lengths > _LONGEST * expected)
        if wrong.any():
            advice = "the other files differ from it: check its units and the order of its particles"
            _refuse_bond(
                trajectory, bonds, int(np.argmax(wrong)), lengths, expected, "in most frames", advice
            )


def _check_frames(trajectory: Trajectory, bonds: np.ndarray, expected: np.ndarray) -> None:
    if not all(isinstance(segment, np.ndarray) for segment in trajectory.segments):
        return  # a store, whose frames have had checksums since they were made
    groups = np.array([any(is_group(trajectory.molecule.types[k]) for k in bond) for bond in bonds])
    shortest = np.where(groups, 0.0, _COLLAPSED) * expected
    longest = np.where(groups, _BROKEN_GROUPS, _BROKEN) * expected
    for start in range(0, trajectory.n_frames, BLOCK_FRAMES):
        frames = np.arange(start, min(start + BLOCK_FRAMES, trajectory.n_frames))
        lengths = bond_lengths(trajectory.frames(frames), bonds)
        wrong = (lengths > longest) | (lengths < shortest)
        if wrong.any():
            frame, bond = np.argwhere(wrong)[0]
            long = lengths[frame, bond] > expected[bond]
            reason = "or the molecule is not whole there" if long else "or particles lie on each other there"
            advice = f"the dynamics blew up, {reason}: leave those frames out"
            _refuse_bond(
                trajectory, bonds, int(bond), lengths[frame], expected, f"in frame {start + frame}", advice
            )


def _refuse_bond(trajectory, bonds, bond: int, lengths, expected, where: str, advice: str) -> None:
    first, second = (_name(trajectory.molecule, int(atom)) for atom in bonds[bond])
    raise TrajectoryError(
        f"Trajectory: the bond {first} - {second} of {_file(trajectory)} is {lengths[bond]:.3g} nm long"
        f" {where};"
        f" expected about {expected[bond]:.3g} nm; {advice}."
    )


def _check_handedness(trajectories: Sequence[Trajectory]) -> None:
    """Particles with four neighbours keep their handedness; hydrogens of one carbon keep their order."""
    molecule = trajectories[0].molecule
    centres = np.array(four_bonded(molecule), dtype=int).reshape(-1, 4)
    if not len(centres):
        return
    signs = np.sign([triple_products(trajectory.frames([0]), centres)[0] for trajectory in trajectories])
    usual = np.where(signs.sum(axis=0) >= 0, 1.0, -1.0)
    stereo = {centre for centre, *_ in stereocentres(molecule)}
    for trajectory, own in zip(trajectories, signs, strict=True):
        other = np.flatnonzero(own != usual)
        if not len(other):
            continue
        which = next((k for k in other if int(centres[k, 0]) in stereo), other[0])
        mirrored = int(centres[which, 0]) in stereo
        reason = (
            "it is the mirror image of the others: leave it out, or give the right enantiomer"
            if mirrored
            else "its hydrogens are in another order than in the others: give them in one order"
        )
        raise TrajectoryError(
            f"Trajectory: {_name(molecule, int(centres[which, 0]))} of {_file(trajectory)} has the other"
            f" handedness in frame 0; expected that of most of the {len(trajectories)} files; {reason}."
        )


def _name(molecule: Particles, atom: int) -> str:
    return f"{molecule.residue_names[atom]}:{molecule.atom_names[atom]}"


def _file(trajectory: Trajectory) -> str:
    return trajectory.source or "a trajectory"
