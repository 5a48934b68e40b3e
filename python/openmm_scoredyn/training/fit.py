"""A training run from trajectories to a checkpoint, restartable."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint, ProgressBar
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from openmm_scoredyn.data import Split, Trajectory, frames_per_lag, require_same_molecule, split_by_trajectory
from openmm_scoredyn.errors import OutputError, TrainingError
from openmm_scoredyn.networks import GatedNetwork, fit_network
from openmm_scoredyn.networks.molecule_frame.gate import rare_events
from openmm_scoredyn.training.checkpoint import LAST, Description, load_checkpoint, load_config
from openmm_scoredyn.training.checkpoint_io import SealedCheckpoints
from openmm_scoredyn.training.config import TrainingConfig
from openmm_scoredyn.training.dataset import Batches, Pairs, collect_pairs
from openmm_scoredyn.training.describe import common_temperature, describe
from openmm_scoredyn.training.distillation import Distillation
from openmm_scoredyn.training.module import ScoreTraining
from openmm_scoredyn.training.rare_events import gate_pairs, require_fit_for_gates
from openmm_scoredyn.training.rollout import RolloutValidation
from openmm_scoredyn.training.symmetry import turn_rotors

VALIDATION_BATCHES = 8
RENAMED_COPIES = 3
SPLIT = "split.json"


def train(
    trajectories: list[Trajectory], directory, config: TrainingConfig, callbacks=(), start_from=None
) -> Path:
    """Train a network on pairs of the trajectories; go on where an earlier call in `directory` stopped.

    Parameters
    ----------
    trajectories : of one molecule, one temperature
    directory : where checkpoints, split and metrics go; made if missing
    config : TrainingConfig
    callbacks : further Lightning callbacks, such as a progress bar
    start_from : checkpoint or run directory whose averaged network, scales included, is trained further; its
        shape and its parametrisation take the place of those of `config`

    Returns
    -------
    Path of the last checkpoint.

    Raises
    ------
    TrainingError, TrajectoryError, MoleculeError
        If the trajectories do not fit each other or the configuration, or the directory holds another run.
    OutputError
        If the directory cannot be written.
    """
    config.require_teacher(start_from)
    molecule = require_same_molecule(trajectories)
    if start_from is not None:
        config = config.further(load_config(start_from))
    elif config.network.kind == "molecule_frame" and any(t.weights is not None for t in trajectories):
        config = replace(config, network=replace(config.network, kind="gated_molecule_frame"))
    previous = Path(directory) / LAST
    if previous.exists():
        _require_same_run(previous, config)
    common_temperature(trajectories)
    frames_per_lag(trajectories[0].frame_spacing_ps, config.lag_time_ps)
    split = _split(trajectories, Path(directory), config)
    training, validation = split.select(trajectories)
    pairs = collect_pairs(training, config.lag_time_ps, config.time_reversal)
    held_out = collect_pairs(validation, config.lag_time_ps, config.time_reversal)
    lightning.seed_everything(config.optimization.seed, verbose=False)
    network = _network(trajectories, pairs, config, start_from)
    if not config.distillation:
        require_fit_for_gates(network, molecule, pairs)
    directory = _open_directory(directory)
    interrupted = load_checkpoint(previous)[0] if previous.exists() else None
    pairs, held_out = gate_pairs(
        network, molecule, pairs, held_out, config, start_from is not None, interrupted
    )
    sample = torch.linspace(0, len(pairs) - 1, min(len(pairs), 100_000)).long()
    card = describe(network, config, training, pairs.before[sample], pairs.after[sample], len(pairs))
    module = Distillation(network, config) if config.distillation else ScoreTraining(network, config)
    rollout = RolloutValidation(validation, card, directory)
    trainer = _trainer(directory, config, [Description(config, card), rollout, *callbacks])
    split.save(directory / SPLIT)  # now that nothing is refused any more
    trainer.fit(
        module,
        DataLoader(
            _batches(
                _renamed(pairs, molecule, config), molecule, network, config, lambda: trainer.global_step
            ),
            batch_size=None,
        ),
        DataLoader(_validation(held_out, molecule, network, config), batch_size=None),
        ckpt_path=previous if previous.exists() else None,
        weights_only=True,
    )
    return previous


def _renamed(pairs: Pairs, molecule, config: TrainingConfig) -> Pairs:
    """Copies of the pairs with the hydrogens of their rotors renamed at random."""
    generator = torch.Generator().manual_seed(config.optimization.seed)
    copies = [turn_rotors(molecule, (pairs.before, pairs.after), generator) for _ in range(RENAMED_COPIES)]
    before, after = (torch.cat([copy[side] for copy in copies]) for side in (0, 1))
    return Pairs(before, after, pairs.weight.repeat(RENAMED_COPIES), pairs.ensemble.repeat(RENAMED_COPIES))


def _batches(pairs: Pairs, molecule, network, config: TrainingConfig, start) -> Batches:
    with torch.no_grad():
        chunks = [slice(i, i + 65536) for i in range(0, len(pairs), 65536)]
        box = torch.zeros(3, 3)
        latent = torch.cat([network.latent(pairs.before[c], pairs.after[c]) for c in chunks])
        condition = torch.cat([network.condition(pairs.before[c][:, None], box) for c in chunks])
        if isinstance(network, GatedNetwork):
            condition = network.told(
                condition[:, : -network.events], rare_events(molecule, pairs.before, pairs.after)
            )
    return Batches(latent, condition, pairs.weight, network, config, start)


def _validation(pairs: Pairs, molecule, network, config: TrainingConfig) -> list:
    """The same few batches, with the same noise, at every validation."""
    batches = _batches(pairs, molecule, network, config, lambda: 0)
    return [batches.batch(config.optimization.updates + k) for k in range(VALIDATION_BATCHES)]


def _open_directory(directory) -> Path:
    directory = Path(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / ".write").touch()
        (directory / ".write").unlink()
    except OSError as error:
        raise OutputError(
            f"train: cannot write to {directory} ({error.strerror}); choose another directory."
        ) from None
    return directory


def _split(trajectories: list[Trajectory], directory: Path, config: TrainingConfig) -> Split:
    """The stored split of an earlier call, or a new one."""
    if (directory / SPLIT).exists():
        return Split.load(directory / SPLIT)
    return split_by_trajectory(trajectories, config.validation_fraction, config.optimization.seed)


def _network(trajectories: list[Trajectory], pairs: Pairs, config: TrainingConfig, start_from):
    """The network of an earlier run, or a new one with its scales fitted to pairs."""
    if start_from is not None:
        network, earlier, _ = load_checkpoint(start_from)
        require_same_molecule([*trajectories, earlier])
        return network.train()
    shape = config.network
    # The scales are those of ordinary motion, of which the paths hold too little.
    usual = pairs if pairs.shot.all() else pairs[~pairs.shot]
    return fit_network(
        shape.kind, shape.width, shape.blocks, trajectories[0].molecule, usual.before, usual.after
    )


def _require_same_run(checkpoint: Path, config: TrainingConfig) -> None:
    theirs, ours = (json.loads(json.dumps(c.to_dict())) for c in (load_config(checkpoint), config))
    if theirs != ours:
        expected, found = (
            ", ".join(f"{name} {one[name]}" for name in one if name not in other or one[name] != other[name])
            for one, other in ((theirs, ours), (ours, theirs))
        )
        raise TrainingError(
            f"train: {checkpoint} belongs to a run with another configuration; expected {expected}, found"
            f" {found}; give the same options to go on, or another directory to begin anew."
        )


def _trainer(directory: Path, config: TrainingConfig, callbacks: list) -> lightning.Trainer:
    optimization = config.optimization
    save = ModelCheckpoint(
        dirpath=directory,
        filename="{step}",
        save_last=True,
        save_top_k=1,
        every_n_train_steps=optimization.validation_every,
    )
    warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")  # it holds the split
    average = EMAWeightAveraging(decay=optimization.ema_decay, use_buffers=False)
    return lightning.Trainer(
        accelerator="cpu",
        max_steps=optimization.updates,
        gradient_clip_val=optimization.gradient_clip,
        val_check_interval=optimization.validation_every,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        log_every_n_steps=50,
        enable_model_summary=False,
        enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in callbacks),
        logger=CSVLogger(directory, name="metrics"),
        plugins=[SealedCheckpoints()],
        callbacks=[average, save, *callbacks],
    )
