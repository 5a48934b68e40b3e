"""Export of a trained denoiser: network + card -> checked program."""

import copy
import io
import warnings
from dataclasses import replace
from pathlib import Path

import torch

from openmm_scoredyn.crystals.card import CARD_FILE, DenoiserCard
from openmm_scoredyn.crystals.checkpoint import TrainedDenoiser, load_trained
from openmm_scoredyn.crystals.golden import TOLERANCE, as_golden, make_examples
from openmm_scoredyn.crystals.model import unpack
from openmm_scoredyn.crystals.network import LatticeDenoiser
from openmm_scoredyn.data.atomic import write_atomically
from openmm_scoredyn.errors import ExportError
from openmm_scoredyn.program.archive import seal
from openmm_scoredyn.program.precision import full_precision
from openmm_scoredyn.version import __version__


def export_denoiser(
    run: str | Path, path: str | Path, name: str | None = None, accuracy: dict | None = None
) -> Path:
    """Write the averaged network of a training run as a program file.

    Parameters
    ----------
    run : folder or checkpoint of `train_denoiser`
    path : where the file is to appear; whole or not at all
    name : of the model; default that of the run
    accuracy : what was measured, for the card

    Raises
    ------
    TrainingError
        If there is no run.
    ExportError
        If the scripted program does not give what the network gives, or is not equivariant.
    """
    trained = load_trained(run)
    config, species = trained.config, trained.species
    card = DenoiserCard(
        name=name or config.name,
        lattices=tuple(dict.fromkeys(config.lattices)),
        elements=() if species == ("",) else species,
        cutoff=config.cutoff,
        sigma_max=config.sigma_max,
        training_data=_training_data(trained),
        accuracy=accuracy or {},
        licence="MIT",
        package_version=__version__,
        torch_version=torch.__version__,
    )
    return write_denoiser(trained.network, card, path)


@full_precision()
def write_denoiser(network: LatticeDenoiser, card: DenoiserCard, path: str | Path) -> Path:
    """Script, check and write a network; errors as `export_denoiser`."""
    network = copy.deepcopy(network).cpu().float().eval().requires_grad_(False)
    program = unpack(pack(_script(network), card.to_json()))
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(7)))[0]
    golden = []
    for example in make_examples(network.species):
        answer = network(*example)
        _compare("the scripted program", program(*example), answer)
        turned = network(example[0] @ turn.T, *example[1:])
        _compare("the network shown a turned and mirrored crystal", turned, answer @ turn.T)
        golden.append(as_golden(example, answer))
    data = pack(program, replace(card, golden=tuple(golden)).to_json())
    write_atomically(path, lambda file: file.write(data))
    return Path(path)


def pack(program: torch.jit.ScriptModule, card: str) -> bytes:
    """The archive of a program and its card, with the sums of its records."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.save.*", category=DeprecationWarning)
        torch.jit.save(program, buffer)
    return seal(buffer.getvalue(), {CARD_FILE: card})


def _script(network: LatticeDenoiser) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        # deprecated upstream, and still what is loaded without the class of the network
        warnings.filterwarnings("ignore", message=".*torch.jit.script.*", category=DeprecationWarning)
        return torch.jit.script(network)


def _compare(what: str, found: torch.Tensor, expected: torch.Tensor) -> None:
    difference = float((found - expected).abs().max())
    if not difference < TOLERANCE:
        raise ExportError(
            f"export_denoiser: {what} gives another answer; expected differences below {TOLERANCE}, found "
            f"{difference:.2g}; correct the network."
        )


def _training_data(trained: TrainedDenoiser) -> dict:
    return {
        "made of": "ideal lattices, whole and with free surfaces, with Gaussian noise; nothing else",
        "noise per coordinate": f"uniform, 0 to {trained.config.sigma_max} nearest-neighbour distances",
        "stages": [
            {
                "lattices": ", ".join(config.lattices),
                "updates": config.updates,
                "batch": config.batch,
                "share with free surfaces": config.surfaces,
                "seed": config.seed,
                "learning_rate": config.learning_rate,
                "noise_floor": config.noise_floor,
                "strain": config.strain,
                "noise left unpredicted": round(loss, 4),
            }
            for config, loss in trained.stages
        ],
    }
