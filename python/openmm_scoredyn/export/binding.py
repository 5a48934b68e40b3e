"""Binding: a model and particles become a score program that holds all it needs."""

import hashlib
import json
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from openmm import unit

from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.errors import MoleculeError, OutputError, ScoreDynError
from openmm_scoredyn.export.program import export_program
from openmm_scoredyn.molecule.geometry import oriented_stereocentres, stereocentres
from openmm_scoredyn.molecule.matching import match_atoms
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.known import Coverage
from openmm_scoredyn.networks.protocol import BoundNetwork
from openmm_scoredyn.networks.registry import NetworkChoice
from openmm_scoredyn.program.card import Card
from openmm_scoredyn.program.model import ScoreModel, path_or_shipped
from openmm_scoredyn.program.transferable import TransferableModel, is_transferable
from openmm_scoredyn.version import __version__

_LOGGER = logging.getLogger(__name__)


def bind(model, topology, system=None, *, positions=None) -> ScoreModel:
    """A score program for the particles of a topology.

    Parameters
    ----------
    model : path or name of a model, ScoreModel or TransferableModel
    topology : openmm.app.Topology of the particles alone, in the order of the program
        With the periodic box, for a model of liquids.
    system : openmm.System, optional
        Made for the topology, with the force field that the model was trained with. A transferable model
        that was trained without one needs none.
    positions : (N, 3), nm, optional
        A conformation, which says the handedness of stereocentres; needed where there are some.

    Returns
    -------
    ScoreModel
        Of a transferable model a program of its own, kept in the user's cache folder by content; a model of
        one molecule is returned as it is.

    Raises
    ------
    MoleculeError
        If the model was not made, or trained, for such particles: a kind of particle, a bond or an angle that
        it never saw, another force field, solvent or mass, or parts that are not bonded; of a model of
        liquids, if there is no box, or one of a shape or density that it never saw.
    ProgramError, CardError
        If the model cannot be read.
    """
    model = open_model(model)
    if isinstance(model, ScoreModel):
        _require_equal(model.card.particles, topology)
        return model
    masses = None if system is not None else _bead_masses_amu(model, topology)
    particles = Particles.from_topology(topology, system, masses)
    return bind_particles(model, particles, positions, _box_nm(topology))


def _box_nm(topology) -> np.ndarray | None:
    """Box (3, 3), nm, of a topology that has one."""
    vectors = topology.getPeriodicBoxVectors()
    return None if vectors is None else np.array(vectors.value_in_unit(unit.nanometer), dtype=float)


def _bead_masses_amu(model: TransferableModel, topology) -> dict[str, float]:
    """What a model knows of the masses of the beads of a topology that comes without a System; 0 of beads
    that it does not know, which it is about to refuse.
    """
    beads = sorted({atom.name for atom in topology.atoms() if atom.element is None})
    if not beads:
        return {}
    _, known = _restored(model)
    return {bead: known.mass_of(bead) or 0.0 for bead in beads}


def bind_particles(model: TransferableModel, particles: Particles, positions=None, box_nm=None) -> ScoreModel:
    """As `bind`, for particles that are known already, and their box (3, 3), nm, if there is one."""
    if model.card.capabilities["periodic"]:  # a program that is there already may be of another box
        _require_box(model, _restored(model)[1], particles, box_nm)
    if positions is None and len(stereocentres(particles)):
        _restored(model)[1].require(particles)  # what it does not know at all is said first
    centres = centres_of(particles, positions)
    path = _cache_folder() / f"{_content(model, particles, centres)}.pt"
    try:
        bound = ScoreModel(path)
    except ScoreDynError:  # not there, or damaged
        bind_file(model, particles, path, stereocentres=centres, box_nm=box_nm)
        bound = ScoreModel(path)
    _warn_of_new_joints(bound)
    return bound


def open_model(model, **options):
    """A ScoreModel or TransferableModel, from one, or from its path, name or content; `options` are those of
    `ScoreModel`.
    """
    if isinstance(model, (ScoreModel, TransferableModel)):
        return model
    if isinstance(model, bytes):
        return ScoreModel(model, **options)
    path = Path(path_or_shipped(str(model)))
    return TransferableModel.load(path) if is_transferable(path) else ScoreModel(path, **options)


def bind_file(model: TransferableModel, particles: Particles, path, *, stereocentres=(), box_nm=None) -> None:
    """Write the program of a transferable model for particles; as `bind`.

    Parameters
    ----------
    stereocentres : tuple of (centre, a, b, c), as in `GuardRules`
    box_nm : (3, 3), of a model of liquids
    """
    core, known = _restored(model)
    if model.card.capabilities["periodic"]:
        _require_box(model, known, particles, box_nm)
    known.require_handedness(particles, stereocentres)
    architecture = NetworkChoice.from_dict(model.card.provenance.network).architecture
    network = architecture.bind(core, particles).eval()
    latent_size = cast(BoundNetwork, network).latent_size
    kinds = architecture.classes(particles)
    card = Card(
        name=model.card.name,
        capabilities=model.card.capabilities_of(latent_size),
        particles=particles.without_force_field(),
        guard=model.card.guard.rules(particles, kinds, stereocentres=stereocentres),
        provenance=replace(
            model.card.provenance,
            training_data=model.card.provenance.training_data
            | {"binding": _binding(model, particles, known)},
            accuracy={},
        ),
    )
    parametrization = Parametrization(**model.card.provenance.network["parametrization"])
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    box = None if box_nm is None or not card.capabilities.periodic else torch.tensor(np.array(box_nm)).float()
    export_program(network, path, card, parametrization, box=box)


def _require_box(model: TransferableModel, known: Coverage, particles: Particles, box_nm) -> None:
    """Refuse what a model of liquids knows nothing of: no box, or one unlike those in training."""
    if box_nm is None:
        raise MoleculeError(
            f"bind: {model.card.name} is a model of liquids; expected a periodic box, found none; set that of"
            " the topology."
        )
    known.require(particles)
    known.require_box(particles, box_nm)


def _restored(model: TransferableModel) -> tuple[torch.nn.Module, Coverage]:
    """The parameters of a model, and what it knows."""
    choice = NetworkChoice.from_dict(model.card.provenance.network)
    core = choice.architecture.restore(choice.config, None, model.weights)
    return core, choice.architecture.known(core)


def _binding(model: TransferableModel, particles: Particles, known: Coverage) -> dict:
    """What the card of a program says of its binding."""
    return {
        "model_sha256": model.sha256,
        "trained_on": [molecule["name"] for molecule in model.card.molecules],
        "particles": len(particles),
        "largest_in_training": known.largest,
        "new_joints": list(known.new_joints(particles)),
        "extrapolation": _extrapolation(known, particles),
    }


def _warn_of_new_joints(bound: ScoreModel) -> None:
    """Say where a model knows no torsion of its molecule."""
    new = bound.card.provenance.training_data["binding"]["new_joints"]
    if new:
        _LOGGER.warning(
            "bind: %s never saw these groups side by side: %s; trust neither populations nor rates of what"
            " turns there before they are compared with MD.",
            bound.card.name,
            ", ".join(new),
        )


def _extrapolation(known: Coverage, particles: Particles) -> str:
    """In what a molecule goes beyond those in training."""
    text, new_joints = known.beyond(particles), known.new_joints(particles)
    if new_joints:
        text += f"; groups that training never had side by side: {', '.join(new_joints)}"
    return text


def _require_equal(expected: Particles, topology) -> None:
    """Refuse a topology that is not the one molecule of a model, atom by atom."""
    order = match_atoms(topology, expected)
    wrong = np.flatnonzero(order != np.arange(len(order)))
    if len(wrong):
        atom = int(wrong[0])
        raise MoleculeError(
            f"bind: the atoms are in another order than the model's; expected"
            f" {expected.residue_names[atom]}:{expected.atom_names[atom]} as atom {atom}, found it as atom"
            f" {order[atom]}; use prepare, which brings them into the model's order."
        )


def centres_of(particles: Particles, positions) -> tuple[tuple[int, int, int, int], ...]:
    """(centre, a, b, c) of every particle that keeps its handedness, as `positions` have them."""
    centres = stereocentres(particles)
    if len(centres) == 0:
        return ()
    if positions is None:
        centre = centres[0][0]
        raise MoleculeError(
            f"bind: {particles.residue_names[centre]}:{particles.atom_names[centre]} is a stereocentre, which"
            " bonds alone do not tell from its mirror image; expected positions, found none; give positions=."
        )
    return oriented_stereocentres(particles, positions)


def _content(model: TransferableModel, particles: Particles, centres) -> str:
    """What a bound program depends on, as a digest."""
    text = json.dumps(
        [model.sha256 or model.digest(), particles.to_dict(), centres, __version__, torch.__version__],
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "openmm-scoredyn" / "bound"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"bind: cannot write to the cache folder {folder} ({error.strerror}); set XDG_CACHE_HOME, or"
            " write the program to a file with `scoredyn bind`."
        ) from None
    return folder
