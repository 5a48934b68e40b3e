"""Score networks, and the one place where a configuration becomes a network."""

from dataclasses import fields

from torch import Tensor

from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.displacement import DisplacementScales, fit_displacement
from openmm_scoredyn.networks.equivariant.network import EquivariantNetwork
from openmm_scoredyn.networks.message_passing.network import MessagePassingNetwork
from openmm_scoredyn.networks.molecule_frame.conformation import ConformationLatent
from openmm_scoredyn.networks.molecule_frame.gate import EVENTS, EventGate
from openmm_scoredyn.networks.molecule_frame.gated import GatedNetwork
from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates
from openmm_scoredyn.networks.molecule_frame.network import MoleculeFrameNetwork
from openmm_scoredyn.networks.molecule_frame.scales import ConformationScales, fit_scales

KINDS = ("molecule_frame", "gated_molecule_frame", "message_passing", "equivariant")

__all__ = [
    "EquivariantNetwork",
    "GatedNetwork",
    "MessagePassingNetwork",
    "MoleculeFrameNetwork",
    "fit_network",
    "restore_network",
]


def fit_network(kind: str, width: int, blocks: int, molecule: Particles, before: Tensor, after: Tensor):
    """A fresh network, its scales fitted on pairs `before`, `after` (P, N, 3) nm of the training part.

    Raises
    ------
    TrainingError
        If `kind` is not one of `KINDS`, or there are too few pairs.
    """
    _require_known(kind)
    if kind == "message_passing":
        return MessagePassingNetwork(molecule, width, blocks)
    if kind == "equivariant":
        return EquivariantNetwork(molecule, fit_displacement(molecule, before, after), width, blocks)
    scales = fit_scales(InternalCoordinates(molecule), before, after)
    return _of_internal_coordinates(kind, width, blocks, ConformationLatent(molecule, scales))


def restore_network(kind: str, width: int, blocks: int, molecule: Particles, weights: dict[str, Tensor]):
    """The network of a state dict `weights`.

    Raises
    ------
    TrainingError
        As `fit_network`.
    """
    _require_known(kind)
    if kind == "message_passing":
        network = MessagePassingNetwork(molecule, width, blocks)
    elif kind == "equivariant":
        names = ("rows.spread", "pairs.distance", "pairs.distance_spread")
        network = EquivariantNetwork(
            molecule, DisplacementScales(*(weights[n] for n in names)), width, blocks
        )
    else:
        prefix = "inner.conformation." if kind == "gated_molecule_frame" else "conformation."
        scales = ConformationScales(**{f.name: weights[prefix + f.name] for f in fields(ConformationScales)})
        network = _of_internal_coordinates(kind, width, blocks, ConformationLatent(molecule, scales))
    # A TorchScript archive holds what follows from the rest as well.
    derived = {name for name, _ in network.named_buffers()} - network.state_dict().keys()
    network.load_state_dict({name: value for name, value in weights.items() if name not in derived})
    return network


def _of_internal_coordinates(kind: str, width: int, blocks: int, conformation: ConformationLatent):
    if kind == "molecule_frame":
        return MoleculeFrameNetwork(conformation, width, blocks)
    inner = MoleculeFrameNetwork(conformation, width, blocks, flags=EVENTS)
    features = conformation.features(conformation.origin[None]).shape[1]
    return GatedNetwork(inner, [EventGate(features) for _ in range(EVENTS)])


def _require_known(kind: str) -> None:
    if kind not in KINDS:
        raise TrainingError(
            f"network: unknown kind; expected one of {', '.join(KINDS)}, found {kind!r}; choose one."
        )
