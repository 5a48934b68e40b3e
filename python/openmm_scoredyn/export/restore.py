"""The network of a score program of this package, to be exported again: in another format, or on another
machine.
"""

import torch

from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.errors import ExportError, TrainingError
from openmm_scoredyn.export.scripting import from_bytes
from openmm_scoredyn.export.wrapper import wrap
from openmm_scoredyn.networks.registry import NetworkChoice
from openmm_scoredyn.program.card import Card
from openmm_scoredyn.program.model import ScoreModel

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
        If the program holds no network of the registry, or this version of the package computes it
        otherwise.
    ProgramError, CardError
        As `ScoreModel`; an AOTInductor package, in which there is no network any more, is refused there.
    """
    model = ScoreModel(source)
    choice = _choice(model.card)
    module = from_bytes(model.source)
    weights = {key.removeprefix("network."): value for key, value in module.state_dict().items()}
    network = choice.architecture.restore(choice.config, model.card.particles, weights).eval()
    parametrization = Parametrization(**model.card.provenance.network["parametrization"])
    _require_golden(wrap(network, model.card, parametrization), model.card)
    return network, model.card, parametrization


def _choice(card: Card) -> NetworkChoice:
    """The network of the registry that the card says it holds."""
    described = dict(card.provenance.network)
    if not {"name", "config", "parametrization"} <= described.keys():
        raise ExportError(
            f"export: {card.name} does not say which network it holds; expected a program that `scoredyn"
            " export` wrote of a network of the registry; export it from its checkpoint, or with"
            " export_program from Python."
        )
    try:
        return NetworkChoice.from_dict(described)
    except TrainingError as error:
        raise ExportError(f"export: the network in {card.name} is not known here; {error}") from error


def _require_golden(program, card: Card) -> None:
    capabilities = card.capabilities
    for golden in card.golden:
        values = {key: torch.tensor(value) for key, value in golden.items()}
        history = values["history"].reshape(1, capabilities.history_length, card.num_particles, 3)
        box = values["box"].reshape(1, 3, 3)
        with torch.no_grad():
            situation = (history, box, values["lag_time_ps"].reshape(1), values["temperature_K"].reshape(1))
            condition = program.condition(*situation)
            if capabilities.denoising_steps:
                latent = values["latent"].reshape(1, capabilities.latent_size)
                found = program.denoise(latent, values["sigma"].reshape(1), condition).flatten()
                expected = values["denoised"]
            else:
                noise = values["noise"].reshape(1, capabilities.latent_size)
                found, expected = program.start(noise, condition).flatten(), values["started"]
        if not torch.allclose(found, expected, rtol=_TOLERANCE, atol=_TOLERANCE):
            raise ExportError(
                f"export: this version of the package computes the network of {card.name} otherwise; expected"
                f" the golden latents of its card to {_TOLERANCE:g}, found a difference of"
                f" {float((found - expected).abs().max()):.1e}; use the version"
                f" {card.provenance.package_version} that wrote it."
            )
