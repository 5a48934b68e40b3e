"""A training run from trajectories to a checkpoint, restartable."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import lightning
import torch
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.loggers import CSVLogger, Logger
from torch.utils.data import DataLoader, Dataset

from openmm_scoredyn.data import (
    Split,
    Trajectory,
    check_training_data,
    first_difference,
    frames_per_lag,
    require_same_molecule,
    split_by_molecule,
    split_by_time,
    split_by_trajectory,
)
from openmm_scoredyn.data.lock import output_folder
from openmm_scoredyn.errors import MoleculeError, TrainingError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.examples import Examples
from openmm_scoredyn.networks.protocol import Stage, draws_in_one_step
from openmm_scoredyn.program.card import Card
from openmm_scoredyn.training.checkpoint import Start, read_checkpoint, starting_point
from openmm_scoredyn.training.config import TrainingConfig
from openmm_scoredyn.training.dataset import Batches, collect_examples
from openmm_scoredyn.training.describe import common_temperature, describe, describe_transferable
from openmm_scoredyn.training.distillation import Distillation
from openmm_scoredyn.training.module import ScoreTraining
from openmm_scoredyn.training.rollout import RolloutValidation
from openmm_scoredyn.training.saving import LAST, Averaging, Saving, SealedCheckpoints
from openmm_scoredyn.version import __version__

VALIDATION_BATCHES, MOST_VALIDATION_BATCHES = 8, 64  # of a molecule; of all, beyond one of each
SPLIT = "split.json"
_VALIDATION_SEED = 2**31  # beyond the number of any update
_SPLITS = {"trajectory": split_by_trajectory, "time": split_by_time, "molecule": split_by_molecule}


def train(
    trajectories: list[Trajectory],
    directory,
    config: TrainingConfig,
    callbacks: Sequence[lightning.Callback] = (),
    start_from=None,
    device: str = "cpu",
    loggers: Sequence[Logger] = (),
) -> Path:
    """Train a network on the trajectories; go on where an earlier call in `directory` stopped.

    Parameters
    ----------
    trajectories : of one temperature; of one molecule, unless the network is transferable
    directory : where checkpoints, split and metrics go; made if missing
    config : TrainingConfig
        That of an earlier call in the same directory, or with more updates: a finished run is lengthened.
    callbacks : further Lightning callbacks, such as a progress bar
    start_from : checkpoint or run directory whose averaged network, scales included, is trained further, or
        a transferable model, by path or shipped name; its shape and its parametrisation take the place of
        those of `config`
    device : {"cpu", "cuda"}, where the network is trained
    loggers : Lightning loggers that get what stands in the metrics, too

    Returns
    -------
    Path of the last checkpoint.

    Raises
    ------
    TrainingError, TrajectoryError, MoleculeError
        If the trajectories do not fit each other or the configuration, the directory holds another run, or
        there is no such device.
    TrainingInterrupted
        If SIGTERM or SIGINT ended it; the update it came in is saved.
    OutputError
        If the directory cannot be written, or another process writes it.
    """
    _require_device(device)
    config.require_teacher(start_from)
    with output_folder(directory, "train") as folder:
        return _train(trajectories, folder, config, callbacks, start_from, device, loggers)


def _train(trajectories, directory: Path, config, callbacks, start_from, device: str, loggers) -> Path:
    """`train` in a directory that no other process writes."""
    check_training_data(trajectories)
    start = None if start_from is None else starting_point(start_from)
    if start is not None:
        config = config.further(start.choice, start.parametrization)
    previous = directory / LAST
    _require_one_run(trajectories, config, start, previous)
    split = _split(trajectories, directory, config)
    parts = split.select(trajectories)
    training, held_out = (
        collect_examples(
            part,
            config.lag_time_ps,
            config.time_reversal,
            config.history_length,
            longest_lag_time_ps=config.longest_lag_time_ps,
            seed=config.optimization.seed,
        )
        for part in parts
    )
    choice = config.network
    _require_boxes(choice, training)
    if not config.distillation:
        choice.architecture.check(choice.config, training)
    lightning.seed_everything(config.optimization.seed, verbose=False)
    network = _network(config, start, training)
    _require_denoiser(choice, network, training, config)
    stage = Stage(
        seed=config.optimization.seed,
        further=start is not None,
        distilling=config.distillation is not None,
        interrupted=read_checkpoint(previous).network() if previous.exists() else None,
    )
    training, held_out = choice.architecture.prepare(network, training, held_out, stage)
    bound = [
        [choice.architecture.bind(network, examples.particles) for examples in part]
        for part in (training, held_out)
    ]
    card = _card(bound[0], config, parts, training)
    own = _own_callbacks(network, config, card, directory, parts[1])
    trainer = _trainer(directory, config, [*own, *callbacks], device, loggers)
    split.save(directory / SPLIT)  # now that nothing is refused any more
    kind = Distillation if config.distillation else ScoreTraining
    held_out_batches = _validation(held_out, bound, config)  # a list serves as a Dataset
    trainer.fit(
        kind(network, [*bound[0], *bound[1]], config),
        DataLoader(Batches(training, bound[0], config, lambda: trainer.global_step), batch_size=None),
        DataLoader(cast(Dataset, held_out_batches), batch_size=None),
        ckpt_path=previous if previous.exists() else None,
        weights_only=True,
    )
    return previous


def _network(config: TrainingConfig, start: Start | None, examples: list[Examples]) -> torch.nn.Module:
    """A fresh network, or the one to start from; a teacher is left as it is."""
    architecture, options = config.network.architecture, config.network.config
    if start is None:
        return architecture.fit(options, examples)
    network = start.network().train()
    return network if config.distillation else architecture.further(network, options, examples)


def _require_one_run(
    trajectories: list[Trajectory], config: TrainingConfig, start: Start | None, previous: Path
) -> None:
    """Refuse trajectories that one network cannot learn from, and a directory of another run."""
    if not config.network.architecture.transferable:
        _require_one_molecule(trajectories, None if start is None else start.particles)
    if previous.exists():
        _require_same_run(previous, config)
    common_temperature(trajectories)
    if config.longest_lag_time_ps is None:
        for trajectory in trajectories:
            frames_per_lag(trajectory.frame_spacing_ps, config.lag_time_ps)


def _own_callbacks(network, config: TrainingConfig, card, directory: Path, held_out) -> list:
    """What every run does beside its updates: rollouts of a single molecule, averages, checkpoints."""
    average = Averaging(decay=config.optimization.ema_decay, use_buffers=False)
    own: list[lightning.Callback] = [average, Saving(directory, config, card.to_json(), average)]
    if isinstance(card, Card):
        own.insert(0, RolloutValidation(network, held_out, card, directory))
    return own


def _require_denoiser(choice, network, examples: list[Examples], config: TrainingConfig) -> None:
    """Refuse to teach a network fewer evaluations that makes its step in one."""
    bound = choice.architecture.bind(network, examples[0].particles)
    if config.distillation and draws_in_one_step(bound):
        raise TrainingError(
            f"train: {choice.name} makes its step in one evaluation; expected a network with denoising steps"
            " to distil, found none; use it as it is."
        )


def _require_boxes(choice, examples: list[Examples]) -> None:
    """Refuse a network that sees no box for periodic data, and the reverse."""
    periodic, sees = any(part.box.any() for part in examples), getattr(choice.config, "periodic", False)
    if periodic != sees:
        raise TrainingError(
            f"train: {choice.name} {'sees' if sees else 'does not see'} periodic images, the data are"
            f" {'' if periodic else 'not '}periodic; expected both or neither; use a network with"
            f" --set periodic={str(periodic).lower()}, or other data."
        )


def _require_one_molecule(trajectories: list[Trajectory], earlier: Particles | None) -> None:
    """Refuse trajectories of several molecules, or of another one than that of an earlier run."""
    molecule = require_same_molecule(trajectories)
    if earlier is not None and (difference := first_difference(earlier, molecule)):
        raise MoleculeError(
            f"train: the network to start from is of another molecule; {difference}; give its trajectories,"
            " or train from scratch."
        )


def _card(bound: list, config: TrainingConfig, parts, examples: list[Examples]):
    """The card of the network, from the trajectories of both parts and the training examples."""
    if config.network.architecture.transferable:
        return describe_transferable(bound, config, parts[0], examples)
    return describe(bound[0], config, parts[0], examples[0], parts[1])


def _validation(held_out: list[Examples], bound: list[list], config: TrainingConfig) -> list:
    """The same few batches of every molecule, with the same noise, at every validation."""
    batches = Batches(held_out, bound[1], config, lambda: 0)
    first, each = len(bound[0]), max(1, min(VALIDATION_BATCHES, MOST_VALIDATION_BATCHES // len(held_out)))
    size = config.optimization.batch_size
    found = [
        batches.batch(_VALIDATION_SEED + VALIDATION_BATCHES * molecule + number, size, molecule)
        for molecule in range(len(held_out))
        for number in range(each)
    ]
    return [batch._replace(molecule=first + batch.molecule) for batch in found]


def _require_device(device: str) -> None:
    if device not in ("cpu", "cuda"):
        raise TrainingError(f"train: unknown device; expected cpu or cuda, found {device!r}; choose one.")
    if device == "cuda" and not torch.cuda.is_available():
        raise TrainingError(
            "train: torch finds no GPU; expected one for --device cuda, found none; train on the cpu, or"
            " install a torch that is built for CUDA."
        )


def _split(trajectories: list[Trajectory], directory: Path, config: TrainingConfig) -> Split:
    """The stored split of an earlier call, or a new one."""
    if (directory / SPLIT).exists():
        return Split.load(directory / SPLIT)
    return _SPLITS[config.split](trajectories, config.validation_fraction, config.optimization.seed)


def _require_same_run(checkpoint: Path, config: TrainingConfig) -> None:
    """Refuse a directory of a run of another version, whose rules may be others, or with another
    configuration; more updates are welcome.
    """
    previous = read_checkpoint(checkpoint)
    earlier, begun_with = previous.config, previous.package_version
    if begun_with != __version__:
        raise TrainingError(
            f"train: {checkpoint} was begun with another version; expected openmm_scoredyn {__version__},"
            f" found {begun_with}; finish it with that one, or begin in another directory, with --start-from"
            f" {checkpoint.parent} from its network."
        )
    if earlier.optimization.updates < config.optimization.updates:
        longer = replace(earlier.optimization, updates=config.optimization.updates)
        earlier = replace(earlier, optimization=longer)
    theirs, ours = (json.loads(json.dumps(one.to_dict())) for one in (earlier, config))
    if theirs != ours:
        expected, found = (
            ", ".join(f"{name} {one[name]}" for name in one if name not in other or one[name] != other[name])
            for one, other in ((theirs, ours), (ours, theirs))
        )
        raise TrainingError(
            f"train: {checkpoint} belongs to a run with another configuration; expected {expected}, found"
            f" {found}; give the same options to go on, or another directory to begin from scratch."
        )


def _trainer(
    directory: Path, config: TrainingConfig, callbacks: list, device: str, loggers: Sequence[Logger]
) -> lightning.Trainer:
    optimization = config.optimization
    warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")  # it holds the split
    warnings.filterwarnings("ignore", ".*LeafSpec.*is deprecated")  # of Lightning to itself
    return lightning.Trainer(
        accelerator=device,
        devices=1,
        max_steps=optimization.updates,
        gradient_clip_val=optimization.gradient_clip,
        val_check_interval=optimization.validation_every,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        log_every_n_steps=50,
        enable_model_summary=False,
        enable_checkpointing=False,
        enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in callbacks),
        logger=[CSVLogger(directory, name="metrics"), *loggers],
        plugins=[SealedCheckpoints()],
        callbacks=callbacks,
    )
