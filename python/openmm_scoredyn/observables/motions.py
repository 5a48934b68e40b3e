"""Motions besides torsions: rotors, and the molecule as a whole, where the frames say anything of it."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np

from openmm_scoredyn.molecule.geometry import dihedral_angles, find_backbone_torsions, rotors
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.observables.protocol import Contribution, Observable, Quantity, Sample, Statistic
from openmm_scoredyn.observables.statistics import LAGS_PS, correlation_at, mean_of_pairs

ROTORS, WHOLE = "Rotors", "Rotation and translation of the molecule"
_ROTOR_NAMES = {"C": "methyl", "N": "ammonium"}

LAG_PS = 10.0
# Where the molecule is after so long a time tells diffusion from a frame that is held.
LONG_PS = 500.0
# A molecule that tumbles in a liquid has forgotten its orientation by then; one that is superposed never
# does.
HELD_ORIENTATION = 0.5
TRANSLATION, ROTATION = "diffusion of the centre", "rotational correlation time"
HELD = (
    "the frames are held in place or superposed, so they make no statement about the molecule's motion as a"
    " whole"
)


class Rotors(Observable):
    """Methyl and ammonium groups."""

    name = "rotors"
    captions: ClassVar[Mapping[str, str]] = {
        ROTORS: "&lt;cos(chi(t) - chi(0))&gt;, which falls with jumps by 120 degrees."
    }
    axes: ClassVar[Mapping[str, tuple[str, str]]] = {ROTORS: ("time (ps)", "autocorrelation")}

    def __init__(self, particles: Particles):
        dihedrals = {}
        for rotor in rotors(particles):
            kind = _ROTOR_NAMES.get(particles.types[rotor.centre], "rotor")
            residue, name = particles.residue_names[rotor.centre], particles.atom_names[rotor.centre]
            text = f"{kind} {residue}:{name}"
            if text in dihedrals:
                text = f"{kind} {residue}{particles.residue_indices[rotor.centre] + 1}:{name}"
            dihedral = rotor.dihedral(particles)
            if dihedral is not None:
                dihedrals[text] = dihedral
        self.labels = list(dihedrals)
        self.atoms = np.array(list(dihedrals.values()), dtype=int).reshape(-1, 4)

    @classmethod
    def of(cls, particles: Particles, periodic: bool) -> "Rotors | None":
        """As `Observable.of`."""
        found = cls(particles)
        return found if found.labels else None

    def features(self, positions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """The angle of each rotor, (T, R), rad."""
        return dihedral_angles(positions, self.atoms)

    def statistics(self, sample: Sample, fitted: dict) -> Iterable[Statistic]:
        """Autocorrelation of each rotor at some lags."""
        for name, angle in zip(self.labels, sample.values.T, strict=True):
            vector = np.exp(1j * angle.astype(np.float64))
            for lag_ps, lag in sample.lags(LAGS_PS):
                earlier, later = sample.pairs(lag)
                cosine = (vector[later] * vector[earlier].conj()).real
                yield mean_of_pairs(correlation_at(ROTORS, name, lag_ps), later, cosine)


class Tumbling(Observable):
    """Diffusion of the centre and of the orientation of a single molecule, both from displacements in 10 ps.

    Notes
    -----
    Translation: mean squared displacement of the centroid over 6 t. Rotation: the frame of three bonded
    particles keeps <trace R> / 3 = exp(-t / tau_1) of its orientation.
    """

    name = "tumbling"
    captions: ClassVar[Mapping[str, str]] = {
        WHOLE: (
            "Diffusion of the centroid: mean squared displacement in 10 ps over 6 t. Rotation: the frame of"
            " three bonded particles (N, CA and C in a peptide) keeps exp(-t / tau) of its orientation."
            " &ldquo;not seen&rdquo;: the frames are held or superposed, and nothing is claimed."
        )
    }

    def __init__(self, particles: Particles, frame: tuple[int, int, int]):
        self.frame = list(frame)

    @classmethod
    def of(cls, particles: Particles, periodic: bool) -> "Tumbling | None":
        """As `Observable.of`: one molecule that is free to turn, of particles that are not all on a line."""
        if periodic or len(particles.parts) != 1:
            return None
        backbone = find_backbone_torsions(particles)
        if backbone:
            _, nitrogen, alpha, carbon = backbone[0][0]
            return cls(particles, (nitrogen, alpha, carbon))
        for middle, around in enumerate(particles.neighbours):
            if len(around) >= 2:
                first, last = sorted(around, key=lambda atom: (particles.types[atom] == "H", atom))[:2]
                return cls(particles, (first, middle, last))
        return None

    def features(self, positions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """The centroid, nm, and the axes of the three particles, (T, 12)."""
        centre = positions.mean(axis=1, dtype=np.float64)
        axes = _axes(positions[:, self.frame].astype(np.float64))
        return np.concatenate([centre, axes.reshape(-1, 9)], axis=1)

    def statistics(self, sample: Sample, fitted: dict) -> Iterable[Statistic]:
        """Diffusion coefficient (nm^2/ns) and rotational correlation time (ps); NaN where the frames are
        held.
        """
        longest = max(sample.lengths) - 1
        lag = min(max(1, round(LAG_PS / sample.frame_spacing_ps)), longest)
        far = min(max(lag, round(LONG_PS / sample.frame_spacing_ps)), longest)
        yield _translation(sample, lag, far)
        yield _rotation(sample, lag, far)


def _axes(triangle: np.ndarray) -> np.ndarray:
    """Right-handed orthonormal axes of three atoms (T, 3, 3), (T, 3 axes, 3)."""
    first = triangle[:, 2] - triangle[:, 0]
    first /= np.linalg.norm(first, axis=-1, keepdims=True)
    third = np.cross(first, triangle[:, 1] - triangle[:, 0])
    third /= np.linalg.norm(third, axis=-1, keepdims=True)
    return np.stack([first, np.cross(third, first), third], axis=1)


def _translation(sample: Sample, lag: int, far: int) -> Statistic:
    centre = sample.values[:, :3].astype(np.float64)

    def moved(frames: int) -> tuple[np.ndarray, np.ndarray]:
        earlier, later = sample.pairs(frames)
        return later, ((centre[later] - centre[earlier]) ** 2).sum(axis=1)

    later, squared = moved(lag)
    # Diffusion grows with time, the wobble of a molecule that is held does not: the middle of the two tells
    # them apart.
    held = moved(far)[1].mean() <= np.sqrt(far / lag) * squared.mean()
    # nm^2/ps to nm^2/ns.
    factor = np.nan if held else 1000.0 / (6.0 * lag * sample.frame_spacing_ps)
    return Statistic(
        (Quantity(WHOLE, TRANSLATION, "nm^2/ns", 0.10, ratio=True, unknown_because=HELD),),
        (Contribution(later, squared[:, None]),),
        lambda sums: factor * sums[..., :1] / sums[..., 1:],
        samples=0.0 if held else len(later) / lag,
    )


def _rotation(sample: Sample, lag: int, far: int) -> Statistic:
    axes = sample.values[:, 3:].astype(np.float64)

    def kept(frames: int) -> tuple[np.ndarray, np.ndarray]:
        earlier, later = sample.pairs(frames)
        return later, (axes[earlier] * axes[later]).sum(axis=1) / 3.0

    held = kept(far)[1].mean() > HELD_ORIENTATION
    later, cosine = kept(lag)
    factor = np.nan if held else -lag * sample.frame_spacing_ps
    return Statistic(
        (Quantity(WHOLE, ROTATION, "ps", 0.10, ratio=True, unknown_because=HELD),),
        (Contribution(later, cosine[:, None]),),
        lambda sums: factor / np.log(sums[..., :1] / sums[..., 1:]),
        samples=0.0 if held else len(later) / lag,
    )


OBSERVABLES = (Rotors, Tumbling)
