"""The stages of a fit after the MD: each measures its speed here, decides how much to do, and can be
interrupted.
"""

import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch

from openmm_scoredyn.data import Trajectory, beginning, load
from openmm_scoredyn.data.atomic import write_atomically
from openmm_scoredyn.dynamics import run_replicas
from openmm_scoredyn.dynamics.speed import sampling_speed
from openmm_scoredyn.export import export_program
from openmm_scoredyn.fitting.request import FitRequest
from openmm_scoredyn.fitting.work import Progress, Work
from openmm_scoredyn.networks.registry import NetworkChoice
from openmm_scoredyn.program.archive import seal
from openmm_scoredyn.program.card import CARD_FILE
from openmm_scoredyn.program.model import ScoreModel
from openmm_scoredyn.training import OptimizationConfig, TrainingConfig, load_checkpoint, train

REPLICAS = 64
AVERAGED = 10  # the average of the weights is over one in so many of the updates of a short run
LEAST_UPDATES, MOST_UPDATES = 400, 100_000
LEAST_STEPS, MOST_STEPS = 100, 10_000
_WARM_UPDATES, _TIMED_UPDATES, _TIMED_FRAMES = 10, 30, 1000
_TIMED_S = 5.0  # a recipe that this processor has no instructions for takes seconds an update
_SPEED_S = 1.0  # how long the speed of a model is measured


@dataclass(frozen=True)
class Recipe:
    """A way to train: fields of `OptimizationConfig`, and how many pairs shown to Adam one pair is worth, by
    what dimethoxyethane took of each.
    """

    optimization: dict[str, Any]
    pair_worth: float

    def pace(self, update_s: float) -> float:
        """Pairs of Adam a second, where an update takes `update_s`."""
        return self.pair_worth * self.optimization["batch_size"] / update_s


# Muon multiplies matrices in bfloat16, for which a processor must have instructions.
RECIPES = {
    "Adam": Recipe({"batch_size": 512}, pair_worth=1.0),
    "Muon": Recipe(
        {"batch_size": 1024, "matrix_learning_rate": 4e-3, "precision": "bfloat16"}, pair_worth=2.0
    ),
}


@dataclass(frozen=True)
class Run:
    """A training run of a fit.

    Attributes
    ----------
    number : of the run, in its folder's name
    updates : in all
    begun_with : updates that it was begun with, from which the rhythm of its validations and the length of
        its average follow
    start_from : number of the run that its network comes from; 0 for none
    gates : whether it learns from paths that were shot
    """

    number: int
    updates: int
    begun_with: int
    start_from: int = 0
    gates: bool = False

    def to_dict(self) -> dict:
        """JSON-ready."""
        return asdict(self)

    def config(self, name: str, request: FitRequest, recipe: str) -> TrainingConfig:
        """Of `train`."""
        optimization = OptimizationConfig(
            updates=self.updates,
            validation_every=max(50, self.begun_with // 10),
            warmup_updates=min(300, self.begun_with // 10),
            # An average over more than a short run holds would be of its first weights.
            ema_decay=min(0.999, 1 - AVERAGED / self.begun_with),
            seed=request.seed,
            **RECIPES[recipe].optimization,
        )
        return TrainingConfig(
            name=name,
            network=NetworkChoice.of("molecule_frame", gates=self.gates),
            optimization=optimization,
            lag_time_ps=request.lag_time_ps,
            split="time",
        )


class _Clock(lightning.Callback):
    """Seconds an update, and progress; ends a training that takes longer than `limit_s`."""

    def __init__(self, progress: Progress | None = None, limit_s: float = math.inf):
        self._progress, self._limit_s = progress, limit_s
        self._times: list[float] = []

    def on_train_batch_end(self, trainer, *rest):
        """Take note of the time."""
        self._times.append(time.perf_counter())
        if self._times[-1] - self._times[0] > self._limit_s:
            trainer.should_stop = True
        if self._progress is not None:
            self._progress(trainer.global_step, trainer.max_steps)

    @property
    def seconds(self) -> float:
        """Of an update, the first ones left out where there are more."""
        gaps = np.diff(self._times)
        return float(np.median(gaps[_WARM_UPDATES:] if len(gaps) > _WARM_UPDATES else gaps))


def update_seconds(trajectories: list[Trajectory], request: FitRequest, recipe: str) -> float:
    """How long an update takes here, with a little of the MD: setting up takes as long as there is MD."""
    few = [beginning(one, _TIMED_FRAMES) for one in trajectories[:2]]
    clock = _Clock(limit_s=_TIMED_S)
    config = Run(0, _TIMED_UPDATES, _TIMED_UPDATES).config("speed", request, recipe)
    with tempfile.TemporaryDirectory() as folder, _threads(request.training_threads):
        train(few, folder, config, [clock])
    return clock.seconds


def update_speed(trajectories: list[Trajectory], work: Work) -> tuple[str, float]:
    """The recipe by which this processor learns most in a second, and how long an update takes, s."""
    found = work.journal.decide(
        "seconds of an update",
        lambda: {one: update_seconds(trajectories, work.request, one) for one in RECIPES},
    )
    return max(found.items(), key=lambda one: RECIPES[one[0]].pace(one[1]))


def updates_in(seconds: float, trajectories: list[Trajectory], work: Work, before: int = 0) -> int:
    """Updates of a run after so much more wall time.

    Parameters
    ----------
    trajectories : of free MD
    before : updates that it has made
    """
    _, each = update_speed(trajectories, work)
    return min(max(LEAST_UPDATES, before + max(1, round(seconds / each))), MOST_UPDATES)


def run_folder(number: int, work: Work) -> Path:
    """Of a training run."""
    return work.folder / f"run_{number}"


def trained(run: Run, trajectories: list[Trajectory], work: Work, progress: Progress) -> Path:
    """The folder of a finished run."""
    folder = run_folder(run.number, work)
    source = run_folder(run.start_from, work) if run.start_from else None
    recipe, _ = update_speed(trajectories, work)
    config = run.config(work.name, work.request, recipe)
    with _threads(work.request.training_threads):
        train(trajectories, folder, config, [_Clock(progress)], source)
    return folder


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """So many threads of torch."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def exported(run: Path, folder: Path) -> Path:
    """The program of the best checkpoint of a finished run, in a folder.

    It is written once: two exports of a network differ in bytes, and replicas go on with the program that
    they began with alone.
    """
    path = folder / "program.pt"
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
    program: Path, free: list[Trajectory], out: Path, share: str, work: Work, progress: Progress
) -> list[Trajectory]:
    """Trajectories of a program, from frames spread over those of free MD, for a share of the budget."""
    model, request = ScoreModel(program), work.request
    frames = np.concatenate([segment for one in free for segment in one.segments])
    start = frames[np.linspace(0, len(frames) - 1, REPLICAS).astype(int)]

    def seconds() -> float:
        return REPLICAS * model.card.lag_time_ps / sampling_speed(model, start[0], REPLICAS, _SPEED_S)

    def steps() -> int:
        speed = work.journal.decide("seconds a step", seconds)
        return min(max(LEAST_STEPS, round(request.seconds(share) / speed)), MOST_STEPS)

    count = work.journal.decide(f"{share}, steps", steps)
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
