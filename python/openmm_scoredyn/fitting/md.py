"""The MD of a fit: what is trained on, what the rounds are judged by, and what the verdict is judged by."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from openmm_scoredyn.data import Trajectory, load
from openmm_scoredyn.fitting.request import FitRequest
from openmm_scoredyn.fitting.work import Progress, Work
from openmm_scoredyn.molecule.structure import Structure
from openmm_scoredyn.reference.bias import METADYNAMICS_IN_WATER_PS, METADYNAMICS_PS
from openmm_scoredyn.reference.engine import ReferenceEngine
from openmm_scoredyn.reference.lanes_engine import LanesEngine, copies_side_by_side
from openmm_scoredyn.reference.plan import SimulationPlan
from openmm_scoredyn.reference.simulate import simulate
from openmm_scoredyn.reference.solvation import solvate
from openmm_scoredyn.reference.start import Start, make_start
from openmm_scoredyn.reference.worker import box_path

EQUILIBRATION_PS, SHORT_EQUILIBRATION_PS = 100.0, 10.0
SPEED_S = 2.0  # how long a speed is measured
LEAST_FRAMES, MOST_PS = 500, 200_000.0
MOST_PS_OF_COPIES = 50_000.0  # of each of some 32: 1.6 us, or 400 MB of 22 atoms
# Frames of a segment that begins at drawn rotamers, and how long it takes to pull the molecule there.
SEGMENT_FRAMES, PULL_PS = 50, 5.0
# Dynamics under the bias between two paths, in all, ps; fewer paths hold too few hops.
BIASED_PS, LEAST_PATHS, MOST_PATHS = 0.5, 2000, 100_000


@dataclass(frozen=True)
class Part:
    """A folder of MD.

    Attributes
    ----------
    folder : its name
    steering : as of `SimulationPlan`
    seed : what is added to that of the request, so that no two parts hold the same dynamics
    """

    folder: str
    steering: str
    seed: int


TRAINING, VALIDATION, HELD_OUT, ROTAMERS, PATHS = (
    "training MD",
    "validation MD",
    "held-out MD",
    "MD from rotamers",
    "paths that are shot",
)
PARTS = {
    TRAINING: Part("md", "none", 0),
    HELD_OUT: Part("held_out", "none", 1),
    VALIDATION: Part("validation", "none", 2),
    ROTAMERS: Part("rotamers", "rotamers", 3),
    PATHS: Part("paths", "shooting", 4),
}


def trajectories_of(request: FitRequest) -> int:
    """Number of trajectories of each part: one a process, two at least."""
    return max(2, request.processes)


def copies_of(part: str, work: Work) -> int:
    """Copies of the molecule in each trajectory of a part: as many as take no longer than one."""
    if PARTS[part].steering == "shooting":
        return 1
    physics = work.request.physics
    return work.journal.decide(
        "copies", lambda: copies_side_by_side(make_start(work.structure, physics), physics)
    )


def md_speed(structure: Structure, request: FitRequest, copies: int = 1) -> float:
    """ps of MD of each copy a second in one process, measured from the structure on; in water before the box
    is set.
    """
    physics, start = request.physics, make_start(structure, request.physics)
    engine = _engine(start, request, copies)
    engine.start(1.0)
    steps, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < SPEED_S:
        engine.step(100)
        steps += 100
    return steps * physics.timestep_fs / 1000 / elapsed


def _engine(start: Start, request: FitRequest, copies: int) -> ReferenceEngine | LanesEngine:
    topology, positions, physics = start.topology, start.positions, request.physics
    if copies > 1:
        return LanesEngine(topology, positions, physics, request.seed, copies, start.system)
    box = solvate(topology, positions, physics, 1, request.seed) if physics.makes_box else None
    return ReferenceEngine(topology, positions, physics, request.seed, box=box, own=start.system)


def amount(part: str, seconds: float, work: Work, before: int = 0, processes: int | None = None) -> int:
    """How much each trajectory of a part holds after so much more wall time: frames of free MD, segments from
    rotamers, or paths.

    Parameters
    ----------
    before : how much there is
    processes : trajectories made at a time, where they are not all
    """
    request, copies = work.request, copies_of(part, work)
    speed = work.journal.decide(
        f"MD of {copies} side by side, ps a second" if copies > 1 else "MD, ps a second",
        lambda: md_speed(work.structure, request, copies),
    )
    most = round((MOST_PS_OF_COPIES if copies > 1 else MOST_PS) / request.lag_time_ps)
    at_a_time = processes or request.processes
    waves = -(-trajectories_of(request) // at_a_time)  # as many follow each other in a process
    time_ps, lag_ps = speed * seconds / waves, request.lag_time_ps
    if part == ROTAMERS:
        one_ps = SEGMENT_FRAMES * lag_ps + PULL_PS + request.physics.hold_ps
        return before + max(1, round(time_ps / one_ps))
    if part == PATHS:
        if not before:  # the bias comes first
            found_ps = METADYNAMICS_IN_WATER_PS if request.physics.in_water else METADYNAMICS_PS
            time_ps = max(0.0, speed * seconds - found_ps) / waves
        return min(before + round(time_ps / (lag_ps + BIASED_PS)), MOST_PATHS)
    if before:
        return max(before, min(before + max(1, round(time_ps / lag_ps)), most))
    return max(LEAST_FRAMES, min(round((time_ps - EQUILIBRATION_PS) / lag_ps), most)) + 1


def molecular_dynamics(
    part: str, count: int, work: Work, progress: Progress | None, stop: threading.Event | None = None
) -> list[Trajectory]:
    """Trajectories of a part, each with `count` frames, segments or paths, of each of its copies; what is
    there goes on.

    Parameters
    ----------
    stop : for MD beside a training, by the processes that it leaves idle; they end when it is set

    In water the box is set once, for the training MD; all other parts begin in it.
    """
    request, chosen = work.request, PARTS[part]
    free = chosen.steering == "none"
    frames = count if free else SEGMENT_FRAMES + 1 if part == ROTAMERS else 2
    plan = SimulationPlan(
        n_trajectories=trajectories_of(request),
        n_segments=1 if free else count,
        frames_per_segment=frames,
        steering=chosen.steering,
        equilibration_ps=EQUILIBRATION_PS if free else SHORT_EQUILIBRATION_PS,
        frame_spacing_ps=request.lag_time_ps,
        seed=request.seed + chosen.seed,
        copies=copies_of(part, work),
        physics=request.physics,
    )
    shared = box_path(work.folder / PARTS[TRAINING].folder)
    simulate(
        work.structure,
        plan,
        work.folder / chosen.folder,
        processes=request.processes if stop is None else request.beside_training,
        stop=stop,
        box=shared if request.physics.makes_box and part != TRAINING else None,
        progress=progress,
    )
    return stored(part, work)


@contextmanager
def made_beside(counts: dict[str, int], work: Work) -> Iterator[None]:
    """Make MD of several parts while something else is done, and wait for its end; an exception stops it.

    Parameters
    ----------
    counts : of each part, as of `molecular_dynamics`
    """
    stop = threading.Event()

    def make() -> None:
        for part, count in counts.items():
            molecular_dynamics(part, count, work, None, stop)

    with ThreadPoolExecutor(1) as thread:
        made = thread.submit(make)
        try:
            yield
        except BaseException:
            stop.set()
            raise
        made.result()


def stored(part: str, work: Work) -> list[Trajectory]:
    """The trajectories of a part that has been made."""
    return load([work.folder / PARTS[part].folder])
