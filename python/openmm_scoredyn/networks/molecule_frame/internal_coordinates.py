"""Bond lengths, angles and dihedrals from positions, and positions from them: both ways,
batched, scriptable.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.molecule_frame.zmatrix import ZMatrix, build_zmatrix, frame_tree


class InternalCoordinates(nn.Module):
    """The internal coordinates of one molecule, row by row of its Z-matrix; without one, of that from the
    most central atom.

    `forward` measures, `place` builds. Building reproduces shape and chirality exactly; the rigid motion is
    chosen so that the frame of the root and its first two neighbours keeps its orientation and the centre
    of mass its place.

    Notes
    -----
    Placement after Parsons et al., J. Comput. Chem. 26, 1063 (2005) (natural extension reference frame), as a
    product of rotations along the tree, all atoms of one depth at once. An atom that others hang on has a
    frame, whose columns are the direction of the bond towards it, across and normal; a child at angle t and
    dihedral d lies along (-cos t, sin t cos d, sin t sin d) in it.
    """

    depths: list[int]
    rows: Tensor
    has_sibling: Tensor
    leader: Tensor
    mass_fraction: Tensor
    inner: Tensor
    frame: Tensor
    path: Tensor

    def __init__(self, molecule: Particles, zmatrix: ZMatrix | None = None):
        super().__init__()
        zmatrix = zmatrix or build_zmatrix(molecule)
        siblings = torch.tensor(zmatrix.sibling)
        self.register_buffer("rows", torch.tensor(zmatrix.rows).T.contiguous())
        self.register_buffer("has_sibling", siblings >= 0)
        self.register_buffer("leader", torch.where(siblings >= 0, siblings, torch.arange(len(siblings))))
        masses = torch.tensor(molecule.masses_amu, dtype=torch.float32)
        self.register_buffer("mass_fraction", (masses / masses.sum())[:, None])
        tree = frame_tree(zmatrix)
        self.depths = tree.depths
        self.register_buffer("inner", torch.tensor(tree.inner, dtype=torch.long), persistent=False)
        self.register_buffer("frame", torch.tensor(tree.frame), persistent=False)
        self.register_buffer("path", torch.tensor(tree.path), persistent=False)

    def _load_from_state_dict(self, state_dict, prefix, *arguments):
        for name in (
            "slot",
            "slot_rows",
        ):  # of versions up to 0.5; they follow from the molecule, as all else here
            state_dict.pop(prefix + name, None)
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def forward(self, positions: Tensor) -> Tensor:
        """Measure (B, 3N-6): N-1 bond lengths (nm), then N-2 angles and N-3 dihedrals (rad).

        Parameters
        ----------
        positions : (B, N, 3), nm, whole molecules
        """
        atoms = positions.permute(
            1, 2, 0
        ).contiguous()  # the batch is the last axis, along which processors are fastest
        parent, grandparent = atoms.index_select(0, self.rows[1]), atoms.index_select(0, self.rows[2])
        bond = atoms.index_select(0, self.rows[0]) - parent
        axis = grandparent - parent
        beyond = atoms.index_select(0, self.rows[3]) - grandparent
        length = norm(bond)
        reach = norm(axis)
        along = (bond * axis).sum(1) / reach
        aside = bond - axis * (along / reach).unsqueeze(1)
        angle = torch.atan2(norm(aside), along)
        dihedral = torch.atan2(
            (torch.linalg.cross(axis, bond, dim=1) * beyond).sum(1), (aside * beyond).sum(1) * reach
        )
        relative = wrap(dihedral - dihedral.index_select(0, self.leader))
        dihedral = torch.where(self.has_sibling.unsqueeze(1), relative, dihedral)
        return torch.cat([length, angle[1:], dihedral[2:]]).T

    @torch.jit.export
    def place(self, coordinates: Tensor, like: Tensor) -> Tensor:
        """Build positions (B, N, 3), nm, of coordinates (B, 3N-6), with the rigid placement of `like` (B, N,
        3).
        """
        atoms = like.shape[1]
        rows = (
            coordinates.T
        )  # from here on the batch is the last axis, along which the processor works fastest
        length = rows[: atoms - 1]
        # The root's first neighbour turns the frame that its siblings are placed in onto its own bond.
        angle = functional.pad(rows[atoms - 1 : 2 * atoms - 3], [0, 0, 1, 0])
        dihedral = functional.pad(rows[2 * atoms - 3 :], [0, 0, 1, 0])
        dihedral = functional.pad(dihedral, [0, 0, 1, 0], value=torch.pi)
        absolute = dihedral + torch.where(
            self.has_sibling.unsqueeze(1), dihedral.index_select(0, self.leader), 0.0
        )
        along, aside = -torch.cos(angle), torch.sin(angle)
        cosine, sine = torch.cos(absolute), torch.sin(absolute)
        direction = torch.stack([along, aside * cosine, aside * sine], dim=1)
        across = torch.stack([-aside, along * cosine, along * sine], dim=1)
        normal = torch.stack([torch.zeros_like(sine), -sine, cosine], dim=1)
        turns = torch.stack([direction, across, normal], dim=2).index_select(0, self.inner)
        frames = self._root_frame(like)
        for depth in range(len(self.depths) - 1):
            begin, end = self.depths[depth], self.depths[depth + 1]
            parents = frames.index_select(0, self.frame[self.inner[begin:end]])
            new = (parents.unsqueeze(3) * turns[begin:end].unsqueeze(1)).sum(2)
            frames = torch.cat([frames, new])
        bonds = (frames.index_select(0, self.frame) * direction.unsqueeze(1)).sum(2) * length.unsqueeze(1)
        positions = (self.path @ bonds.flatten(1)).view(atoms, 3, -1).permute(2, 0, 1)
        shift = ((like - positions) * self.mass_fraction).sum(1, keepdim=True)
        return positions + shift

    def _root_frame(self, positions: Tensor) -> Tensor:
        """Frame (1, 3, 3, B) of the root, as if its first neighbour were its parent, with the
        second across.
        """
        root = positions[:, self.rows[1, 0]]
        axis = unit(root - positions[:, self.rows[0, 0]])
        towards = positions[:, self.rows[0, 1]] - root
        across = unit(towards - axis * (towards * axis).sum(-1, keepdim=True))
        return (
            torch.stack([axis, across, torch.linalg.cross(axis, across)], dim=2).permute(1, 2, 0).unsqueeze(0)
        )


def norm(vectors: Tensor) -> Tensor:
    """Lengths (..., B) of vectors (..., 3, B)."""
    return (vectors * vectors).sum(-2).sqrt()  # torch's own norm takes 50 times as long along this axis


def unit(vector: Tensor) -> Tensor:
    """Vectors of length one along the last axis."""
    return vector / torch.linalg.vector_norm(vector, dim=-1, keepdim=True)


def wrap(angle: Tensor) -> Tensor:
    """Angles in rad, brought into [-pi, pi)."""
    return torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi
