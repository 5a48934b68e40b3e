"""Score networks, and the one place where a configuration becomes a network."""

from dataclasses import fields

from torch import Tensor

from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.molecule import Molecule
from openmm_scoredyn.nn.conformation import ConformationLatent
from openmm_scoredyn.nn.conformation_scales import ConformationScales, fit_scales
from openmm_scoredyn.nn.internal_coordinates import InternalCoordinates
from openmm_scoredyn.nn.message_passing import MessagePassingNetwork
from openmm_scoredyn.nn.molecule_frame import MoleculeFrameNetwork

__all__ = ["MessagePassingNetwork", "MoleculeFrameNetwork", "fit_network", "restore_network"]


def fit_network(kind: str, width: int, blocks: int, molecule: Molecule, before: Tensor, after: Tensor):
    """A fresh network, its scales fitted on pairs `before`, `after` (P, N, 3) nm of the training part.

    Raises
    ------
    TrainingError
        If `kind` is neither "molecule_frame" nor "message_passing", or there are too few pairs.
    """
    if kind == "message_passing":
        return MessagePassingNetwork(molecule, width, blocks)
    _require_molecule_frame(kind)
    scales = fit_scales(InternalCoordinates(molecule), before, after)
    return MoleculeFrameNetwork(ConformationLatent(molecule, scales), width, blocks)


def restore_network(kind: str, width: int, blocks: int, molecule: Molecule, weights: dict[str, Tensor]):
    """The network of a state dict `weights`.

    Raises
    ------
    TrainingError
        As `fit_network`.
    """
    if kind == "message_passing":
        network = MessagePassingNetwork(molecule, width, blocks)
    else:
        _require_molecule_frame(kind)
        scales = ConformationScales(**{f.name: weights[f"conformation.{f.name}"] for f in fields(ConformationScales)})
        network = MoleculeFrameNetwork(ConformationLatent(molecule, scales), width, blocks)
    network.load_state_dict(weights)
    return network


def _require_molecule_frame(kind: str) -> None:
    if kind != "molecule_frame":
        raise TrainingError(
            f"network: unknown kind; expected 'molecule_frame' or 'message_passing', found {kind!r}; choose one."
        )
