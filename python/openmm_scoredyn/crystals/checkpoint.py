"""Checkpoints of denoisers: what a run has come to."""

from dataclasses import dataclass
from pathlib import Path

from openmm_scoredyn.crystals.config import DenoiserTraining
from openmm_scoredyn.crystals.network import LatticeDenoiser
from openmm_scoredyn.errors import ProgramError, TrainingError
from openmm_scoredyn.program import archive

CHECKPOINT = "denoiser.ckpt"


@dataclass(frozen=True, eq=False)
class TrainedDenoiser:
    """What a run has come to: averaged network, species, and the settings and last loss of all its stages,
    oldest first.
    """

    network: LatticeDenoiser
    species: tuple[str, ...]
    stages: tuple[tuple[DenoiserTraining, float], ...]

    @property
    def config(self) -> DenoiserTraining:
        """Settings of the last stage."""
        return self.stages[-1][0]


def load_trained(path: str | Path) -> TrainedDenoiser:
    """The result of a run, from its folder or checkpoint.

    Raises
    ------
    TrainingError
        If there is none.
    """
    path = Path(path)
    content = read_checkpoint(path / CHECKPOINT if path.is_dir() else path)
    stages = tuple(
        (DenoiserTraining.from_json(text), loss)
        for text, loss in [*content["earlier"], (content["config"], content["loss"])]
    )
    species = tuple(content["species"])
    network = stages[-1][0].make_network(len(species))
    network.load_state_dict(content["average"])
    return TrainedDenoiser(network.eval(), species, stages)


def read_checkpoint(path: Path) -> dict:
    """Content of a checkpoint file; errors as `load_trained`."""
    try:
        return archive.read_checkpoint(path)
    except ProgramError as error:
        raise TrainingError(
            f"load_trained: cannot read {path}; expected a checkpoint of `scoredyn train-denoiser`, found:"
            f" {error} Give another run, or train again."
        ) from error
