"""The network of a score program of this package, to be exported anew: in another format, or on another
machine.
"""

import torch

from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.errors import ExportError
from openmm_scoredyn.export.scripting import from_bytes
from openmm_scoredyn.export.wrapper import wrap
from openmm_scoredyn.networks import restore_network
from openmm_scoredyn.program.card import Card
from openmm_scoredyn.program.model import ScoreModel

# By class: kind, a weight with as many rows as the network is wide, and the list of blocks.
_NETWORKS = {
    "MoleculeFrameNetwork": ("molecule_frame", "inlet.weight", "blocks."),
    "GatedNetwork": ("gated_molecule_frame", "inner.inlet.weight", "inner.blocks."),
    "EquivariantNetwork": ("equivariant", "norm.weight", "blocks."),
    "MessagePassingNetwork": ("message_passing", "edge_inlet.0.weight", "blocks."),
}
_TOLERANCE = 1e-3  # of the golden latent, absolute and relative, as at loading


def restore_program(source):
    """The network in a TorchScript program, its card and its parametrisation.

    Parameters
    ----------
    source : path or bytes of a score program

    Returns
    -------
    network : torch.nn.Module in eval mode
    card : Card
    parametrization : Parametrization

    Raises
    ------
    ExportError
        If the program holds a network of another making, or one that this version of the package computes
        otherwise.
    ProgramError, CardError
        As `ScoreModel`; an AOTInductor package, in which there is no network any more, is refused there.
    """
    model = ScoreModel(source)
    if not isinstance(model.card, Card):
        raise ExportError(
            f"export: {model.card.name} is a crystal denoiser; expected a model of molecular dynamics; give"
            " one."
        )
    module = from_bytes(model.source)
    name = getattr(getattr(module, "network", None), "original_name", "no network")
    if name not in _NETWORKS:
        raise ExportError(
            f"export: the network in {model.card.name} cannot be taken out again; expected a TorchScript"
            f" program with one of {', '.join(_NETWORKS)}, found {name}; export it from its checkpoint, or"
            " with export_program from Python."
        )
    kind, widest, blocks = _NETWORKS[name]
    weights = {key.removeprefix("network."): value for key, value in module.state_dict().items()}
    numbers = {key.removeprefix(blocks).split(".")[0] for key in weights if key.startswith(blocks)}
    network = restore_network(kind, len(weights[widest]), len(numbers), model.card.molecule, weights).eval()
    settings = ("prediction", "schedule", "sigma_data", "beta_min", "beta_max")
    parametrization = Parametrization(**{key: getattr(module.parametrization, key) for key in settings})
    _require_golden(wrap(network, model.card, parametrization), model.card)
    return network, model.card, parametrization


def _require_golden(program, card: Card) -> None:
    golden = {key: torch.tensor(value) for key, value in card.golden.items()}
    history = golden["history"].reshape(1, card.history_length, card.num_particles, 3)
    latent, box = golden["latent"].reshape(1, card.latent_size, 3), golden["box"].reshape(3, 3)
    with torch.no_grad():
        found = program.denoise(latent, golden["sigma"].reshape(1), history, box).flatten()
    if not torch.allclose(found, golden["denoised"], rtol=_TOLERANCE, atol=_TOLERANCE):
        raise ExportError(
            f"export: this version of the package computes the network of {card.name} otherwise; expected the"
            f" golden latent of its card to {_TOLERANCE:g}, found a difference of"
            f" {float((found - golden['denoised']).abs().max()):.1e}; use the version {card.package_version}"
            " that wrote it."
        )
