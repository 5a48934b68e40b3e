"""`scoredyn models`: what ships with the package."""

import json

import typer

from openmm_scoredyn.cli.info import molecules_text
from openmm_scoredyn.cli.options import AsJson


def models(as_json: AsJson = False) -> None:
    """List the shipped models, one line each; their names stand wherever a path does.

    Example: scoredyn models
    """
    from openmm_scoredyn.program.model import pretrained

    found = {name: describe(name) for name in pretrained()}
    if as_json:
        paths = {name: str(pretrained(name)) for name in found}
        listed = [{"name": n, "path": paths[n], "description": text} for n, text in found.items()]
        typer.echo(json.dumps(listed, indent=1))
        return
    width = max(map(len, found), default=0)
    for name, text in found.items():
        typer.echo(f"{name:<{width}}  {text}")


def describe(name: str) -> str:
    """One line of a shipped model, from its card; nothing of it is run."""
    from openmm_scoredyn.crystals.card import DenoiserCard, is_denoiser
    from openmm_scoredyn.program.archive import open_model_file
    from openmm_scoredyn.program.card import Card
    from openmm_scoredyn.program.model import pretrained
    from openmm_scoredyn.program.transferable import TransferableModel, is_transferable

    path = pretrained(name)
    if is_transferable(path):
        return _describe_transferable(TransferableModel.load(path).card)
    text = open_model_file(path).card_json
    if is_denoiser(text):
        return f"crystal denoiser: {', '.join(DenoiserCard.from_json(text).lattices)}"
    card = Card.from_json(text)
    can = card.capabilities
    return (
        f"{card.particles.residues_text}, {card.num_particles} atoms, {can.lag_times_text} a step,"
        f" {can.temperatures_text}, {card.provenance.solvent}"
    )


def _describe_transferable(card) -> str:
    can = card.capabilities_of(1)
    return (
        f"transferable, trained on {molecules_text(card)}; {can.lag_times_text} a step,"
        f" {can.temperatures_text}, {card.provenance.solvent}"
    )
