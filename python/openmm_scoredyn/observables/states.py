"""States of a slow coordinate: fixed core sets, or wells that are found in a histogram."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

WELL_BINS = 120
# Wells are parted by barriers of at least 1 RT, and hold at least this share of the frames.
LEAST_BARRIER, LEAST_POPULATION = float(np.exp(1.0)), 0.005
# Standard deviation of the kernel that smooths the histogram in which wells are sought.
SMOOTHING_DEGREES = 6.0
# A well that holds less than this of the reference is rare: its population has no percentage to meet.
RARE_POPULATION = 0.10


@dataclass(frozen=True)
class Region:
    """A box of the periodic space of one or more angles.

    Attributes
    ----------
    name : str
    ranges : for each angle (low, high) in degrees, low < high <= low + 360, which may pass through 180
    """

    name: str
    ranges: tuple[tuple[float, float], ...]

    def contains(self, angles: np.ndarray) -> np.ndarray:
        """Which of the angles (T, F), rad, lie inside, (T,) bool."""
        degrees = np.degrees(angles)
        inside = np.ones(len(degrees), dtype=bool)
        for column, (low, high) in enumerate(self.ranges):
            inside &= np.mod(degrees[:, column] - low, 360.0) < high - low
        return inside


@dataclass(frozen=True)
class State:
    """A state: where a molecule is counted as in it, and the core that it must reach to have entered it.

    Attributes
    ----------
    region, core : Region; the core keeps away from the barriers, so that a frame on one is no crossing
    inside : name of the state of which this is a part, empty for none
    rare : its population has no percentage to meet, and its passages are judged more mildly
    symbol : as mathematics, for pictures
    """

    region: Region
    core: Region
    inside: str = ""
    rare: bool = False
    symbol: str = ""

    @property
    def name(self) -> str:
        return self.region.name


@dataclass(frozen=True)
class StateDefinition:
    """The states of one coordinate and what is counted between them.

    Attributes
    ----------
    states : tuple of State
    hops : (name, states): all exchanges among the cores of these, counted as one rate
    joined : passages besides those between any two states, by name: sources and targets
    saddles : by passage, the gaps through which its paths go
    zero : the state whose free energy is 0
    rare : the state whose sojourns, where they are few, are drawn as events; empty for none
    """

    states: tuple[State, ...]
    hops: tuple[str, tuple[str, ...]]
    zero: str
    rare: str = ""
    joined: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)
    saddles: dict[str, tuple[Region, ...]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> State:
        return next(state for state in self.states if state.name == name)

    @property
    def outermost(self) -> tuple[str, ...]:
        """Names of states that are part of no other."""
        return tuple(state.name for state in self.states if not state.inside)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every ordered pair of states that have no parts."""
        whole = {state.inside for state in self.states}
        names = [state.name for state in self.states if state.name not in whole]
        return tuple((source, target) for source in names for target in names if source != target)

    @property
    def passages(self) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
        """Sources and targets of each passage, by name: those that are joined first."""
        return self.joined | {
            f"{source} -> {target}": ((source,), (target,)) for source, target in self.pairs
        }

    def others(self, name: str) -> tuple[str, ...]:
        """The states that one is left for: none that it is a part of, none of its parts."""
        own = self[name]
        return tuple(
            state.name
            for state in self.states
            if state.name not in (name, own.inside) and state.inside in ("", own.inside)
        )

    def cores(self, names: Sequence[str]) -> list[Region]:
        """Cores of states."""
        return [self[name].core for name in names]


@dataclass(frozen=True)
class Tolerances:
    """How much of a difference in a coordinate matters: see `Quantity`.

    Attributes
    ----------
    population, rate, rare_rate : relative tolerances
    autocorrelation : absolute tolerance
    time_target : relative target of passage times
    free_energy_target_kJ_per_mol : absolute target
    """

    population: float = 0.05
    rate: float = 0.10
    rare_rate: float = 0.25
    autocorrelation: float = 0.02
    time_target: float = 0.15
    free_energy_target_kJ_per_mol: float = 0.3


@dataclass(frozen=True)
class Coordinate:
    """One or two angles of an observable that are looked at together.

    Attributes
    ----------
    name : str
    label : stands before the names of its quantities, empty where there is only one
    columns : of the observable's numbers, rad
    angles : their names
    distribution : name of the divergence of their distributions
    bins : of their histogram, along each
    states : StateDefinition, None where there is a single state
    symbols : of the angles, as mathematics
    atoms : of each angle the four particles, where they are torsions
    parts : of each angle which part of the molecule turns, "backbone" or "side chain", where it has such
        parts
    """

    name: str
    label: str
    columns: tuple[int, ...]
    angles: tuple[str, ...]
    distribution: str
    bins: int
    states: StateDefinition | None
    symbols: tuple[str, ...] = ()
    atoms: tuple[tuple[int, ...], ...] = ()
    parts: tuple[str, ...] = ()
    tolerances: Tolerances = Tolerances()

    @property
    def telling(self) -> tuple[str, ...]:
        """The angles that tell the rare state from others, by which it limits what is known of them."""
        if self.states is None or not self.states.rare:
            return ()
        ranges = self.states[self.states.rare].region.ranges
        return tuple(
            angle for angle, (low, high) in zip(self.angles, ranges, strict=True) if high - low < 360.0
        )

    def named(self, text: str) -> str:
        """A name of one of its quantities."""
        return f"{self.label}: {text}" if self.label else text


def wells(angles: np.ndarray) -> StateDefinition | None:
    """Wells of one angle, from its histogram.

    Parameters
    ----------
    angles : (T,) rad, of the reference

    Returns
    -------
    StateDefinition, the most populated well as the zero of free energies and the least populated as the rare
    state; None where there is only one well

    Notes
    -----
    Minima of the smoothed density part the circle. The lowest barrier is taken away until all are at least
    1 RT high and each well holds 0.5 % of the frames. A core is where the density is above the geometric mean
    of the well's peak and of its lower barrier: half of the way up.
    """
    counts = np.histogram(np.degrees(angles) % 360.0, bins=WELL_BINS, range=(0.0, 360.0))[0]
    width = 360.0 / WELL_BINS
    offset = np.minimum(np.arange(WELL_BINS), WELL_BINS - np.arange(WELL_BINS)) * width
    kernel = np.exp(-0.5 * (offset / SMOOTHING_DEGREES) ** 2)
    density = np.fft.irfft(np.fft.rfft(counts) * np.fft.rfft(kernel / kernel.sum()), WELL_BINS)
    density = np.maximum(density, 1e-3)
    barriers = _barriers(density, counts)
    if len(barriers) < 2:
        return None
    found = [
        _well(density, counts, low, high)
        for low, high in zip(barriers, [*barriers[1:], barriers[0] + WELL_BINS], strict=True)
    ]
    return _definition(found, width, len(angles))


def _barriers(density: np.ndarray, counts: np.ndarray) -> list[int]:
    """Bins of the minima that part wells, ascending; fewer than two for a single well."""
    before, after = np.roll(density, 1), np.roll(density, -1)
    barriers = [_middle(density, int(low)) for low in np.flatnonzero((density < before) & (density <= after))]
    barriers = sorted(set(barriers))
    while len(barriers) > 1:
        edges = [*barriers, barriers[0] + len(density)]
        spans = [np.arange(a, b) % len(density) for a, b in pairwise(edges)]
        peaks = np.array([density[span].max() for span in spans])
        shares = np.array([counts[span].sum() for span in spans]) / counts.sum()
        # A barrier is as high as it is above the shallower of the wells on its sides.
        heights = np.minimum(peaks, np.roll(peaks, 1)) / density[barriers]
        small = int(np.argmin(shares))
        if shares[small] < LEAST_POPULATION:
            sides = (small, (small + 1) % len(barriers))
            barriers.pop(max(sides, key=lambda index: density[barriers[index]]))
        elif heights.min() < LEAST_BARRIER:
            barriers.pop(int(np.argmin(heights)))
        else:
            break
    return barriers


def _middle(density: np.ndarray, low: int) -> int:
    """The middle of the flat piece that begins with a bin, where nothing was seen."""
    length = 1
    while length < len(density) and density[(low + length) % len(density)] == density[low]:
        length += 1
    return int(low + length // 2) % len(density)


def _well(density: np.ndarray, counts: np.ndarray, low: int, high: int) -> dict:
    """A well between two barriers, in bins: its ends, those of its core, its peak and what it holds."""
    span = np.arange(low, high) % len(density)
    peak = int(np.argmax(density[span]))
    floor = np.sqrt(density[span[peak]] * max(density[span[0]], density[high % len(density)]))
    above = density[span] > floor
    first, last = peak, peak
    while first > 0 and above[first - 1]:
        first -= 1
    while last + 1 < len(span) and above[last + 1]:
        last += 1
    return {
        "range": (low, high),
        "core": (low + first, low + last + 1),
        "peak": low + peak,
        "count": counts[span].sum(),
    }


def _definition(found: list[dict], width: float, frames: int) -> StateDefinition:
    names = _names([(well["peak"] + 0.5) * width for well in found])
    states = tuple(
        State(
            region=Region(name, (tuple(width * edge for edge in well["range"]),)),
            core=Region(name, (tuple(width * edge for edge in well["core"]),)),
            rare=bool(well["count"] < RARE_POPULATION * frames),
        )
        for name, well in zip(names, found, strict=True)
    )
    by_count = sorted(zip([well["count"] for well in found], names, strict=True))
    saddles = {}
    if len(found) == 2:
        gaps = tuple(
            Region(f"{_signed(start * width)} to {_signed(end * width)}", ((start * width, end * width),))
            for start, end in (
                (found[0]["core"][1], found[1]["core"][0]),
                (found[1]["core"][1], found[0]["core"][0] + WELL_BINS),
            )
        )
        saddles = {f"{a} -> {b}": gaps for a, b in (tuple(names), tuple(names[::-1]))}
    return StateDefinition(
        states, ("hops between wells", tuple(names)), by_count[-1][1], by_count[0][1], saddles=saddles
    )


def _names(centres: list[float]) -> list[str]:
    """trans, gauche+ and gauche- where a centre, degrees, is within 30 of 180, 60 and -60; else its angle."""
    names = []
    for centre in centres:
        near = [
            name
            for name, angle in (("trans", 180.0), ("gauche+", 60.0), ("gauche-", 300.0))
            if abs((centre - angle + 180.0) % 360.0 - 180.0) <= 30.0
        ]
        names.append(near[0] if near else _signed(centre))
    return [n if names.count(n) == 1 else _signed(c) for n, c in zip(names, centres, strict=True)]


def _signed(degrees: float) -> str:
    return f"{(degrees + 180.0) % 360.0 - 180.0:+.0f}"
