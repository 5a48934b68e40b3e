"""What an observable is: numbers of every frame, statistics of them, and how much of a difference matters."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.observables.states import Coordinate

CHUNK_FRAMES = 20_000


@dataclass(frozen=True)
class Quantity:
    """What is compared, and by how much two sides may differ in practice.

    Attributes
    ----------
    group : section of the report
    name, unit : str
    relative_tolerance, absolute_tolerance : differences that do not matter to a user; 0 for none
    ratio : compared on a logarithmic scale: rates and times, which are positive and skewed
    relative_target, absolute_target : by how much a good model may be off; 0 where nothing was set
    one_sided : smaller than the reference is as good as equal
    of_frames : an average over frames, whose error falls with the root of the length
    of_paths : a share of the paths of which there are `samples`
    coordinate : name of the `Coordinate` that it is of; empty for none
    limited : made mostly by that coordinate's rare state, so that one side without any sojourn there and one
        with some cannot be compared
    unknown_because : why a side may make no statement, told to the reader where it makes none
    curve, at : name of the curve of which this is the point at an abscissa; empty and None for none
    """

    group: str
    name: str
    unit: str
    relative_tolerance: float = 0.0
    absolute_tolerance: float = 0.0
    ratio: bool = False
    relative_target: float = 0.0
    absolute_target: float = 0.0
    one_sided: bool = False
    of_frames: bool = False
    of_paths: bool = False
    coordinate: str = ""
    limited: bool = False
    unknown_because: str = ""
    curve: str = ""
    at: float | None = None


@dataclass(frozen=True, eq=False)
class Sample:
    """An observable's numbers of one side: unbroken trajectories, one after the other.

    Attributes
    ----------
    values : (frames, F) float32
    lengths : frames of each trajectory
    frame_spacing_ps : float
    """

    values: np.ndarray
    lengths: tuple[int, ...]
    frame_spacing_ps: float

    def pairs(self, lag: int) -> tuple[np.ndarray, np.ndarray]:
        """Frames `lag` apart in one trajectory: two (P,) int64 arrays, earlier and later."""
        return pairs_within(self.lengths, lag)

    def lags(self, lags_ps: Sequence[float]) -> list[tuple[float, int]]:
        """Those lags that are whole frames and at most half of the longest trajectory: (ps, frames)."""
        longest = max(self.lengths) // 2
        found = [(lag, round(lag / self.frame_spacing_ps)) for lag in lags_ps]
        return [
            (lag, n)
            for lag, n in found
            if abs(n * self.frame_spacing_ps - lag) < 1e-6 * lag and 1 <= n <= longest
        ]


def pairs_within(lengths: Sequence[int], lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames `lag` apart that belong to one of trajectories of these lengths: two (P,) int64 arrays, earlier
    and later.
    """
    trajectory = np.repeat(np.arange(len(lengths)), lengths)
    earlier = np.arange(max(len(trajectory) - lag, 0))
    earlier = earlier[trajectory[earlier] == trajectory[earlier + lag]]
    return earlier, earlier + lag


@dataclass(frozen=True, eq=False)
class Contribution:
    """What frames add to sums.

    Attributes
    ----------
    frames : (P,) int, which frame each row belongs to
    values : (P, K), or a function that gives the rows of a slice of them, where all would be too many
    """

    frames: np.ndarray
    values: np.ndarray | Callable[[slice], np.ndarray]

    def rows(self) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        """Frames and values, piece by piece where the values are a function."""
        if not callable(self.values):
            yield self.frames, self.values
            return
        for first in range(0, len(self.frames), CHUNK_FRAMES):
            piece = slice(first, min(first + CHUNK_FRAMES, len(self.frames)))
            yield self.frames[piece], self.values(piece)


@dataclass(frozen=True, eq=False)
class Statistic:
    """Quantities that are functions of sums over frames, so that a bootstrap over blocks gives their errors.

    Attributes
    ----------
    quantities : M of them
    parts : Contributions; the columns of all, each with the number of its rows behind it, are what is summed
    estimate : from sums (..., K) to values (..., M)
    variance : from values (M,) to the variances (M,) of one independent sample, whose number follows from the
        error; or
    samples : number of independent samples, where it is known; NaN with neither
    least_error : from values (M,) to the least errors (M,), None for 0
    """

    quantities: tuple[Quantity, ...]
    parts: tuple[Contribution, ...]
    estimate: Callable[[np.ndarray], np.ndarray]
    variance: Callable[[np.ndarray], np.ndarray] | None = None
    samples: float = float("nan")
    least_error: Callable[[np.ndarray], np.ndarray] | None = None


class Observable(Protocol):
    """Something that is measured in trajectories and compared. Subclasses are entries of the registry.

    Attributes
    ----------
    name : in the registry, and of its numbers in files
    captions : by group of its quantities, what a reader of the page must know; HTML
    axes : by group, (abscissa, ordinate) of its curves; only groups whose quantities are points of curves
    keeps_frames : whether a stored reference keeps the numbers of every frame, as for angles, or statistics
    """

    name: str
    captions: ClassVar[Mapping[str, str]]
    axes: ClassVar[Mapping[str, tuple[str, str]]] = {}
    keeps_frames: ClassVar[bool] = False

    @classmethod
    def of(cls, particles: Particles, periodic: bool) -> "Observable | None":
        """The observable of these particles, in a periodic box or not; None where there is nothing to see."""
        ...

    @classmethod
    def parse(cls, argument: str, particles: Particles) -> "Observable":
        """The observable of an argument that a user gives behind its name; raises `MoleculeError`."""
        raise MoleculeError(f"observables: {cls.name} takes no argument; found {argument!r}; leave it out.")

    def features(self, positions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Its numbers of frames.

        Parameters
        ----------
        positions : (T, N, 3), nm, molecules whole
        boxes : (T, 3, 3), nm, zeros where not periodic

        Returns
        -------
        (T, F)
        """
        ...

    def fit(self, sample: Sample) -> dict:
        """What is learned from the reference and applied to both sides, JSON-ready."""
        return {}

    def statistics(self, sample: Sample, fitted: dict) -> Iterable[Statistic]:
        """Its quantities, of what `fit` gave for the reference."""
        return ()

    def coordinates(self, fitted: dict) -> tuple[Coordinate, ...]:
        """Angles among the numbers with states, whose populations, rates and paths are compared."""
        return ()
