"""The stages of a fit: each measures its speed here, decides how much to do, and can be interrupted."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import lightning
import numpy as np

from openmm_scoredyn.data import Trajectory, load
from openmm_scoredyn.data.atomic import write_atomically
from openmm_scoredyn.dynamics import run_replicas
from openmm_scoredyn.export import export_program
from openmm_scoredyn.fitting.journal import Journal
from openmm_scoredyn.fitting.request import FitRequest
from openmm_scoredyn.molecule.structure import Structure
from openmm_scoredyn.program.archive import seal
from openmm_scoredyn.program.card import CARD_FILE
from openmm_scoredyn.program.model import ScoreModel
from openmm_scoredyn.reference.engine import ReferenceEngine
from openmm_scoredyn.reference.plan import SimulationPlan
from openmm_scoredyn.reference.simulate import simulate
from openmm_scoredyn.reference.solvation import solvate
from openmm_scoredyn.reference.start import make_start
from openmm_scoredyn.training import OptimizationConfig, TrainingConfig, load_checkpoint, train

Progress = Callable[[float, float], None]

REPLICAS = 64
EQUILIBRATION_PS = 100.0
BATCH_SIZE = 512
SPEED_S = 2.0  # how long a speed is measured
_LEAST_FRAMES, _MOST_PS = 500, 200_000.0
_LEAST_UPDATES, _MOST_UPDATES = 400, 30_000
_WARM_UPDATES, _TIMED_UPDATES = 10, 30


def md_speed(structure: Structure, request: FitRequest) -> float:
    """ps of MD a second in one process, measured from the structure on; in water before the box is set."""
    physics, start = request.physics, make_start(structure, request.physics)
    box = solvate(start.topology, start.positions, physics, 1, request.seed) if physics.makes_box else None
    engine = ReferenceEngine(
        start.topology, start.positions, physics, request.seed, box=box, own=start.system
    )
    engine.start(1.0)
    steps, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < SPEED_S:
        engine.step(100)
        steps += 100
    return steps * physics.timestep_fs / 1000 / elapsed


def molecular_dynamics(
    name: str, structure: Structure, folder: Path, request: FitRequest, journal: Journal, progress: Progress
) -> list[Trajectory]:
    """Trajectories of the share of the budget of that name, at least two of them."""
    trajectories = max(2, request.processes)
    rounds = -(-trajectories // request.processes)  # as many follow each other in a process

    def frames() -> float:
        speed = journal.decide("MD, ps a second", lambda: md_speed(structure, request))
        length_ps = min(speed * request.seconds(name) / rounds - EQUILIBRATION_PS, _MOST_PS)
        return max(_LEAST_FRAMES, round(length_ps / request.lag_time_ps)) + 1

    plan = SimulationPlan(
        n_trajectories=trajectories,
        frames_per_segment=int(journal.decide(f"{name}, frames of a trajectory", frames)),
        equilibration_ps=EQUILIBRATION_PS,
        frame_spacing_ps=request.lag_time_ps,
        seed=request.seed + (name == "held-out MD"),
        physics=request.physics,
    )
    simulate(structure, plan, folder, processes=request.processes, progress=progress)
    return load([folder])


class _Clock(lightning.Callback):
    """Seconds an update, and progress."""

    def __init__(self, progress: Progress | None = None):
        self._progress = progress
        self._times: list[float] = []

    def on_train_batch_end(self, trainer, *rest):
        """Take note of the time."""
        self._times.append(time.perf_counter())
        if self._progress is not None:
            self._progress(trainer.global_step, trainer.max_steps)

    @property
    def seconds(self) -> float:
        """Of an update, the first ones left out."""
        return float(np.median(np.diff(self._times[_WARM_UPDATES:])))


def _config(request: FitRequest, name: str, updates: int) -> TrainingConfig:
    optimization = OptimizationConfig(
        updates=updates,
        batch_size=BATCH_SIZE,
        validation_every=max(50, updates // 20),
        warmup_updates=min(300, updates // 10),
        seed=request.seed,
    )
    return TrainingConfig(name=name, optimization=optimization, lag_time_ps=request.lag_time_ps, split="time")


def update_seconds(trajectories: list[Trajectory], request: FitRequest) -> float:
    """How long an update takes here."""
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        train(trajectories, folder, _config(request, "speed", _TIMED_UPDATES), [clock])
    return clock.seconds


def trained(
    name: str,
    trajectories: list[Trajectory],
    folder: Path,
    request: FitRequest,
    journal: Journal,
    progress: Progress,
) -> Path:
    """The folder of a run of as many updates as the share of the budget allows."""

    def updates() -> float:
        seconds = update_seconds(trajectories, request)
        return min(max(_LEAST_UPDATES, round(request.seconds("training") / seconds)), _MOST_UPDATES)

    config = _config(request, name, int(journal.decide("updates", updates)))
    train(trajectories, folder, config, [_Clock(progress)])
    return folder


def exported(run: Path) -> Path:
    """The program of the best checkpoint of a finished run, in its folder.

    It is written once: two exports of a network differ in bytes, and replicas go on with the program that
    they began with alone.
    """
    path = run / "program.pt"
    if not path.exists():
        network, card, parametrization = load_checkpoint(run)
        export_program(network, path, card, parametrization)
    return path


def save_judged(program: Path, path: Path, accuracy: dict) -> None:
    """Write the program to `path` with what was measured in its card."""
    card = ScoreModel(program).card.with_values(accuracy=accuracy)
    data = seal(program.read_bytes(), {CARD_FILE: card.to_json()})
    write_atomically(path, lambda file: file.write(data))


def replicas(
    model: ScoreModel,
    trajectories: list[Trajectory],
    out: Path,
    request: FitRequest,
    journal: Journal,
    progress: Progress,
) -> list[Trajectory]:
    """Trajectories of the model, from frames spread over those it was trained on."""
    frames = np.concatenate([segment for one in trajectories for segment in one.segments])
    start = frames[np.linspace(0, len(frames) - 1, REPLICAS).astype(int)]

    def steps() -> float:
        model.sample(start[:, None], 2, seed=1)
        begun = time.perf_counter()
        model.sample(start[:, None], 5, seed=1)
        seconds = (time.perf_counter() - begun) / 5
        return min(max(100, round(request.seconds("replicas") / seconds)), 10_000)

    count = int(journal.decide("steps of a replica", steps))
    scale = REPLICAS * request.lag_time_ps
    run_replicas(
        model,
        start,
        out,
        count,
        seed=request.seed,
        progress=lambda done, total: progress(done * scale, total * scale),
    )
    return [replace(one, source="replicas of the model") for one in load([out])]
