"""Training of a denoiser: predict the noise that was put on an ideal lattice."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from openmm_scoredyn.crystals.checkpoint import CHECKPOINT
from openmm_scoredyn.crystals.config import DenoiserTraining
from openmm_scoredyn.crystals.lattices import read_lattice
from openmm_scoredyn.crystals.samples import draw_batch
from openmm_scoredyn.crystals.training_run import TrainingRun
from openmm_scoredyn.data.atomic import make_directory
from openmm_scoredyn.errors import TrainingError


def train_denoiser(
    config: DenoiserTraining,
    folder: str | Path,
    sources: list | None = None,
    progress: Callable[[int, int, float], None] | None = None,
    save_every: int = 500,
    start_from: str | Path | None = None,
) -> Path:
    """Train, or go on with the run in `folder`, and give the path of its checkpoint.

    Parameters
    ----------
    sources : lattices, if not those that `config.lattices` names; anything `read_lattice` takes
    progress : called with updates done, updates in all, and the mean loss since the last call: the part of
    the
        noise that was not predicted, 1 for a network that predicts nothing
    start_from : folder or checkpoint of an earlier run whose averaged network is trained further; same shape

    Raises
    ------
    TrainingError
        If the folder holds a run of another configuration, or the loss is not finite.
    """
    lattices = [read_lattice(source) for source in sources or config.lattices]
    species = tuple(sorted({element for lattice in lattices for element in lattice.elements}))
    if len(species) > 1 and "" in species:
        raise TrainingError(
            "train_denoiser: lattices of one element, where all atoms count as alike, and of several were"
            f" mixed; expected one sort, found {', '.join(lattice.name for lattice in lattices)}; train two"
            " models."
        )
    run = TrainingRun(config, species, make_directory(folder) / CHECKPOINT, start_from)
    losses = []
    for update in range(run.done, config.updates):
        generator = np.random.default_rng([config.seed, update])
        chosen = [lattices[index] for index in generator.integers(0, len(lattices), config.batch)]
        batch = draw_batch(chosen, species, config.sigma_max, config.cutoff, generator, config.strain)
        losses.append(run.step(batch))
        if (update + 1) % save_every == 0 or update + 1 == config.updates:
            mean = float(np.mean(losses))
            run.save(mean)
            if progress:
                progress(update + 1, config.updates, mean)
            losses = []
    return run.path
