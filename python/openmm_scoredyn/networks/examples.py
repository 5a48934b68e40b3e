"""Examples of a transition density: histories, and the frames one lag time later."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.reference.plan import TORSIONS

FREE = 0
SHOT_ALONG = {torsion: number for number, torsion in enumerate(TORSIONS, start=1)}


@dataclass(frozen=True)
class Examples:
    """P examples of the same particles.

    Attributes
    ----------
    particles : Particles of N atoms or beads
    history : (P, H, N, 3) float32, nm, newest frame last
    after : (P, N, 3) float32, nm, one lag time after the newest frame
    box : (P, 3, 3) float32, nm, of the newest frame; zeros where not periodic
    weight : (P,) float32, how often an example is drawn
    ensemble : (P,) int8, `FREE`, or for the ends of a path that was shot 1 + the index of its torsion in
        `TORSIONS`
    lag_time_ps, temperature_K : (P,) float32
    labels : (P, L), what a network is told of each example in training, beyond its history; L is 0 for most
    """

    particles: Particles
    history: Tensor
    after: Tensor
    box: Tensor
    weight: Tensor
    ensemble: Tensor
    lag_time_ps: Tensor
    temperature_K: Tensor
    labels: Tensor

    @property
    def before(self) -> Tensor:
        """Newest frames of the histories (P, N, 3), nm."""
        return self.history[:, -1]

    @property
    def shot(self) -> Tensor:
        """(P,) bool, True for the ends of a path that was shot."""
        return self.ensemble != FREE

    @property
    def situation(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """History, box, lag time and temperature: what a network's `condition` takes."""
        return self.history, self.box, self.lag_time_ps, self.temperature_K

    def __len__(self) -> int:
        return len(self.after)

    def __getitem__(self, chosen) -> "Examples":
        return replace(self, **{name: getattr(self, name)[chosen] for name in _PER_EXAMPLE})

    @classmethod
    def joined(cls, particles: Particles, parts: list[tuple]) -> "Examples":
        """Examples of arrays in the order of the attributes, labels left out, end to end."""
        columns = zip(_PER_EXAMPLE, zip(*parts))
        arrays = {name: torch.cat([torch.as_tensor(part) for part in column]) for name, column in columns}
        arrays["labels"] = torch.zeros(len(arrays["after"]), 0)
        return cls(particles, **arrays)


_PER_EXAMPLE = tuple(field.name for field in fields(Examples) if field.name != "particles")
