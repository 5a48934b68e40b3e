"""A linear chain of beads: size, Rouse modes, bonds and diffusion of its centre of mass."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np

from openmm_scoredyn.molecule.composition import is_group
from openmm_scoredyn.molecule.geometry import linear_path
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.observables.protocol import Observable, Quantity, Sample, Statistic
from openmm_scoredyn.observables.statistics import autocorrelation, mean_and_spread, mean_of_pairs

GROUP = "Chain of beads"
MODES = 3
FEWEST = 5  # beads
# Lags, in frames, at which correlation and diffusion are looked at.
LAGS = (1, 2, 4, 8, 16, 32, 64)
MEAN, SPREAD = 0.01, 0.03  # relative differences that do not matter


class ChainOfBeads(Observable):
    """One linear chain of beads that stand for groups of particles, end to end.

    Squared radius of gyration of the beads, all alike; squared end-to-end distance; Rouse modes 1 to 3, X_p =
    sum_i cos(p pi (i + 1/2) / N) r_i / N; distances of beads one and two bonds apart; mean squared
    displacement of the centre of mass over 6 t.

    Parameters
    ----------
    particles : Particles
    path : the beads from one end to the other
    """

    name = "chain"
    captions: ClassVar[Mapping[str, str]] = {
        GROUP: (
            "Beads count alike in the radius of gyration, by mass in the diffusion of the centre."
            " Correlations and diffusion are given at lags of 1, 2, 4, ... frames."
        )
    }

    def __init__(self, particles: Particles, path: list[int]):
        self.path = path
        masses = np.array([particles.masses_amu[bead] for bead in path])
        self.shares = masses / masses.sum()
        place = np.arange(len(path)) + 0.5
        self.modes = np.array([np.cos(p * np.pi * place / len(path)) for p in range(1, MODES + 1)]) / len(
            path
        )

    @classmethod
    def of(cls, particles: Particles, periodic: bool) -> "ChainOfBeads | None":
        """As `Observable.of`: one chain of five beads or more, none of them an atom."""
        if periodic or len(particles) < FEWEST or not all(map(is_group, particles.types)):
            return None
        path = linear_path(particles)
        return None if path is None else cls(particles, path)

    def features(self, positions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Rg^2, Ree^2, the modes (9), the bonds (N - 1), distances of next neighbours (N - 2), the centre of
        mass (3); (T, 2 N + 11), nm and nm^2.
        """
        chain = positions[:, self.path].astype(np.float64)
        inner = chain - chain.mean(axis=1, keepdims=True)
        columns = [
            np.square(inner).sum(axis=2).mean(axis=1)[:, None],
            np.square(chain[:, -1] - chain[:, 0]).sum(axis=1)[:, None],
            np.einsum("pn,tnx->tpx", self.modes, inner).reshape(len(chain), -1),
            np.linalg.norm(chain[:, 1:] - chain[:, :-1], axis=2),
            np.linalg.norm(chain[:, 2:] - chain[:, :-2], axis=2),
            np.einsum("n,tnx->tx", self.shares, chain),
        ]
        return np.concatenate(columns, axis=1)

    def statistics(self, sample: Sample, fitted: dict) -> Iterable[Statistic]:
        """Mean and spread of all, correlation in time of sizes and modes, diffusion."""
        beads = len(self.path)
        edges = np.cumsum([1, 1, 3 * MODES, beads - 1, beads - 2])
        rg2, ree2, modes, bonds, nexts, centre = np.split(sample.values.astype(np.float64), edges, axis=1)
        for name, values, unit in (
            ("squared radius of gyration", rg2, "nm^2"),
            ("squared end-to-end distance", ree2, "nm^2"),
            ("bond of beads", bonds, "nm"),
            ("beads two bonds apart", nexts, "nm"),
        ):
            yield mean_and_spread(
                Quantity(GROUP, f"{name}, mean", unit, relative_tolerance=MEAN, of_frames=True),
                Quantity(GROUP, f"{name}, spread", unit, relative_tolerance=SPREAD, of_frames=True),
                values,
            )
        lags = [lag for lag in LAGS if lag <= max(sample.lengths) // 2]
        named = [("squared radius of gyration", rg2)]
        named += [(f"Rouse mode {p + 1}", modes[:, 3 * p : 3 * p + 3]) for p in range(MODES)]
        for name, values in named:
            for lag in lags:
                time_ps = lag * sample.frame_spacing_ps
                quantity = Quantity(
                    GROUP,
                    f"{name}, correlation at {time_ps:.4g} ps",
                    "",
                    absolute_tolerance=0.02,
                    of_frames=True,
                )
                yield autocorrelation(quantity, values, sample, lag)
        for lag in lags:
            earlier, later = sample.pairs(lag)
            time_ps = lag * sample.frame_spacing_ps
            quantity = Quantity(
                GROUP,
                f"diffusion of the centre of mass over {time_ps:.4g} ps",
                "nm^2/ns",
                relative_tolerance=0.02,
                of_frames=True,
            )
            moved = np.square(centre[later] - centre[earlier]).sum(axis=1)
            yield mean_of_pairs(quantity, later, moved, 1000 / (6 * time_ps))


OBSERVABLES = (ChainOfBeads,)
