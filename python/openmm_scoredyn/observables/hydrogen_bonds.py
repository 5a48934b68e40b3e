"""Hydrogen bonds within molecules, by distance and angle (Baker and Hubbard 1984)."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np

from openmm_scoredyn.molecule.geometry import bond_angles, bond_lengths, bonds_apart
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.observables.atoms import label
from openmm_scoredyn.observables.protocol import Contribution, Observable, Quantity, Sample, Statistic
from openmm_scoredyn.observables.statistics import LAGS_PS, autocorrelation, correlation_at

GROUP = "Hydrogen bonds"
LONGEST_NM, LEAST_ANGLE_DEGREES = 0.25, 120.0
# Atoms that are closer along bonds are near each other anyway.
NEAREST_BONDS = 4
# A bond that is seen in fewer of the reference's frames counts in the number of bonds alone.
LISTED_SHARE = 0.005


class HydrogenBonds(Observable):
    """Every donor, hydrogen and acceptor of one molecule that are four bonds or more apart.

    Donors are nitrogen and oxygen, acceptors oxygen, and nitrogen with two neighbours at most.

    Parameters
    ----------
    particles : Particles
    atoms : (P, 3) int: donor, hydrogen, acceptor
    """

    name = "hydrogen_bonds"
    captions: ClassVar[Mapping[str, str]] = {
        GROUP: (
            f"Hydrogen and acceptor within {LONGEST_NM:g} nm, the angle at the hydrogen above"
            f" {LEAST_ANGLE_DEGREES:g} degrees (Baker and Hubbard), {NEAREST_BONDS} bonds or more apart in"
            " one molecule. Their mean number, its autocorrelation with the mean removed, and the share of"
            f" frames of those that the reference has in at least {100 * LISTED_SHARE:g} % of its frames."
        )
    }
    axes: ClassVar[Mapping[str, tuple[str, str]]] = {GROUP: ("time (ps)", "autocorrelation")}

    def __init__(self, particles: Particles, atoms: list[tuple[int, int, int]]):
        self.atoms = np.array(atoms, dtype=int).reshape(-1, 3)
        self.labels = [label((donor, acceptor), particles) for donor, _, acceptor in atoms]

    @classmethod
    def of(cls, particles: Particles, periodic: bool) -> "HydrogenBonds | None":
        """As `Observable.of`."""
        types, neighbours = particles.types, particles.neighbours
        pairs = [
            (donor, hydrogen)
            for hydrogen, kind in enumerate(types)
            for donor in neighbours[hydrogen]
            if kind == "H" and types[donor] in ("N", "O")
        ]
        acceptors = [
            atom
            for atom, kind in enumerate(types)
            if kind == "O" or (kind == "N" and len(neighbours[atom]) <= 2)
        ]
        if not pairs or not acceptors:
            return None
        apart = bonds_apart(particles, NEAREST_BONDS - 1)
        own = {atom: number for number, part in enumerate(particles.parts) for atom in part}
        found = [
            (donor, hydrogen, acceptor)
            for donor, hydrogen in pairs
            for acceptor in acceptors
            if apart[hydrogen, acceptor] == NEAREST_BONDS and own[hydrogen] == own[acceptor]
        ]
        return cls(particles, found) if found else None

    def features(self, positions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Which bonds there are, (T, P) of 0 and 1."""
        near = bond_lengths(positions, self.atoms[:, 1:]) < LONGEST_NM
        return near & (bond_angles(positions, self.atoms) > LEAST_ANGLE_DEGREES)

    def fit(self, sample: Sample) -> dict:
        """The bonds that are listed one by one: those of one donor and acceptor together."""
        shares = {text: float(self._of(text, sample).mean()) for text in dict.fromkeys(self.labels)}
        return {"listed": [text for text, share in shares.items() if share >= LISTED_SHARE]}

    def _of(self, text: str, sample: Sample) -> np.ndarray:
        """Whether a bond of that label is there, (frames,) bool."""
        chosen = np.array([own == text for own in self.labels])
        return np.any(sample.values[:, chosen], axis=1)

    def statistics(self, sample: Sample, fitted: dict) -> Iterable[Statistic]:
        """Mean number, shares of those that are listed, autocorrelation of the number."""
        number, frames = sample.values.sum(axis=1, dtype=np.float64), np.arange(len(sample.values))
        mean = Quantity(GROUP, "mean number", "", relative_tolerance=0.05, of_frames=True)
        yield Statistic(
            (mean,),
            (Contribution(frames, number[:, None]),),
            lambda sums: sums[..., :1] / sums[..., 1:],
            variance=lambda _: np.array([number.var()]),
        )
        if fitted["listed"]:
            seen = np.stack([self._of(text, sample) for text in fitted["listed"]], axis=1)
            yield Statistic(
                tuple(Quantity(GROUP, text, "", 0.05, of_frames=True) for text in fitted["listed"]),
                (Contribution(frames, seen.astype(np.float64)),),
                lambda sums: sums[..., :-1] / sums[..., -1:],
                variance=lambda shares: shares * (1.0 - shares),
            )
        for lag_ps, lag in sample.lags(LAGS_PS):
            if number.var() > 0:
                yield autocorrelation(
                    correlation_at(GROUP, "hydrogen bonds", lag_ps), number[:, None], sample, lag
                )


OBSERVABLES = (HydrogenBonds,)
