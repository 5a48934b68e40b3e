"""Attention over internal coordinates: one network for many molecules."""

import logging
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from openmm_scoredyn.errors import MoleculeError, TrainingError
from openmm_scoredyn.molecule.geometry import oriented_stereocentres
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.known import Known
from openmm_scoredyn.networks.molecule_frame.lags import LagRange, OneLag
from openmm_scoredyn.networks.protocol import Architecture, load_weights
from openmm_scoredyn.networks.zmatrix_transformer.contacts import fit_contacts
from openmm_scoredyn.networks.zmatrix_transformer.coordinates import (
    ClassScales,
    first_zmatrix,
    fit_classes,
    known_zmatrix,
)
from openmm_scoredyn.networks.zmatrix_transformer.groups import find_groups, require_known_groups
from openmm_scoredyn.networks.zmatrix_transformer.network import TransferableCore, ZMatrixTransformer
from openmm_scoredyn.networks.zmatrix_transformer.rings import fit_rings

_LOGGER = logging.getLogger(__name__)
_LAGS = "see.weight"  # shows the lag time, where there is a range of them


@dataclass(frozen=True)
class ZMatrixTransformerConfig:
    """Shape, and what it looks at.

    Attributes
    ----------
    width, heads : int
    condition_blocks, blocks : int
        Attention once a step, and at each noise level.
    read_force_field : bool
        Parameters of the force field are features, so that binding needs a System. Without, particles and
        bonds alone say what a molecule is; a System of another force field is refused all the same.
    mirror_images : bool
        Whether it serves mirror images alike. Where all molecules are of one handedness, as peptides are,
        there is nothing to learn of the other.
    root : {"centre", "first"}
        Where the tree of internal coordinates begins: at the most central particle, or at the first one of
        several bonds, as at the N-terminus of a peptide. From the first one all residues are described in one
        direction, so that a longer chain has nothing new.
    """

    width: int = 64
    heads: int = 4
    condition_blocks: int = 1
    blocks: int = 4
    read_force_field: bool = True
    mirror_images: bool = True
    root: str = "centre"

    def __post_init__(self):
        if self.root not in ("centre", "first"):
            raise TrainingError(
                f"zmatrix_transformer: unknown root; expected centre or first, found {self.root!r}; choose"
                " one."
            )


class ZMatrixTransformerArchitecture(Architecture):
    """Entry of the registry."""

    config = ZMatrixTransformerConfig
    transferable = True
    lag_range = True

    def fit(self, config, examples):
        """Parameters for the molecules of the examples, with the means and spreads of their coordinates."""
        trees = [first_zmatrix(part.particles, config.root) for part in examples]
        found = [find_groups(part.particles, tree) for part, tree in zip(examples, trees)]
        names, finer = (
            {name for groups in found for name in getattr(groups, of)} for of in ("names", "finer")
        )
        closest = fit_contacts([(part.particles, part.after) for part in examples])
        lags = torch.cat([part.lag_time_ps for part in examples])
        centres = [
            oriented_stereocentres(part.particles, part.before[0].numpy())
            for part in (() if config.mirror_images else examples)
        ]
        known = Known.of([part.particles for part in examples], config.read_force_field, centres)
        fitted = {
            "scales": asdict(fit_classes(examples, trees)),
            "groups": sorted(names),
            "surroundings": sorted(finer),
            "closest_nm": closest,
            "rings_nm": fit_rings([(p.particles, tree, p.after) for p, tree in zip(examples, trees)]),
            "lag_times_ps": [float(lags.min()), float(lags.max())],
        }
        return _core(config, known.to_tensor(**fitted))

    def further(self, network, config, examples):
        """The network as it is where it knows all molecules of the examples. Otherwise one that knows those
        and no others: scales and classes are fitted anew, weights go on, those of kinds of groups by their
        names.
        """
        refusal = self._refusal(network, examples)
        if refusal is None:
            return network
        _LOGGER.warning(
            "The network goes on with its weights and learns what it does not know; what it knows will be the"
            " molecules of these trajectories alone (%s).",
            str(refusal).removeprefix("bind: ").split(";")[0],
        )
        fresh = self.fit(config, examples)
        old, new = network.state_dict(), fresh.state_dict()
        if old[_LAGS].shape != new[_LAGS].shape:
            ours, theirs = ("one", "a range")[:: 1 if old[_LAGS].shape < new[_LAGS].shape else -1]
            raise TrainingError(
                "zmatrix_transformer: expected lag times as of the network to start from, which is made for"
                f" {ours}, found {theirs}; give --lag likewise, or train from scratch."
            )
        rows = dict(zip(_kinds(network), old["kind.weight"], strict=True))
        nothing = torch.zeros(config.width)
        kinds = torch.stack([rows.get(name, nothing) for name in _kinds(fresh)])
        fresh.load_state_dict(old | {"kind.weight": kinds, "known": new["known"]})
        return fresh

    def _refusal(self, network, examples) -> MoleculeError | None:
        """Why it cannot be bound to one of the molecules, if there is one."""
        try:
            for part in examples:
                self.bind(network, part.particles)
        except MoleculeError as refusal:
            return refusal
        return None

    def restore(self, config, particles, weights):
        """The parameters of a state dict; with particles, the network of a program that is bound to them."""
        if particles is None:
            return load_weights(_core(config, weights["known"]), weights)
        core = _core(config, weights["core.known"])
        return load_weights(_bound(core, particles), weights)

    def bind(self, network, particles):
        """The network for one molecule."""
        self.known(network).require(particles)
        return _bound(network, particles)

    def known(self, network):
        """What the network was trained on."""
        return Known.from_tensor(network.known)[0]


def _core(config: ZMatrixTransformerConfig, content: Tensor) -> TransferableCore:
    _, more = Known.from_tensor(content)
    shortest, longest = more["lag_times_ps"]
    core = TransferableCore(
        len(more["groups"]) + len(more["surroundings"]),
        config.width,
        config.heads,
        config.condition_blocks,
        config.blocks,
        shortest < longest,
        config.mirror_images,
        config.root,
    )
    core.register_buffer("known", content)
    return core


def _bound(core: TransferableCore, particles: Particles) -> ZMatrixTransformer:
    known, more = Known.from_tensor(core.known)
    scales = ClassScales(**more["scales"])
    zmatrix, table = known_zmatrix(particles, core.root, scales.mean)
    groups = require_known_groups(particles, zmatrix, more["groups"])
    names = _kinds(core)
    finer = [names.index(name) if name in more["surroundings"] else -1 for name in groups.finer]
    mean, spread, growth = scales.of(table)
    ends = torch.tensor(more["lag_times_ps"])
    if not known.needs_force_field:
        particles = particles.without_force_field()
    return ZMatrixTransformer(
        core,
        particles,
        zmatrix,
        table,
        groups,
        torch.tensor([names.index(name) for name in groups.names]),
        torch.tensor(finer),
        mean,
        spread,
        LagRange(ends, growth) if ends[0] < ends[1] else OneLag(len(mean)),
        more["closest_nm"],
        more["rings_nm"],
        core.mirror_images,
    )


def _kinds(core: TransferableCore) -> list[str]:
    """What each row of the embedding of kinds is of."""
    _, more = Known.from_tensor(core.known)
    return [*more["groups"], *more["surroundings"]]


ARCHITECTURE = ZMatrixTransformerArchitecture()
