"""Bond lengths, angles and dihedrals from positions, and positions from them: both ways, batched, scriptable."""

import torch
from torch import Tensor, nn

from openmm_scoredyn.molecule import Molecule
from openmm_scoredyn.nn.zmatrix import build_zmatrix


class InternalCoordinates(nn.Module):
    """The internal coordinates of one molecule, row by row of its Z-matrix.

    `forward` measures, `place` builds. Building reproduces shape and chirality exactly; the rigid motion is
    chosen so that the frame of the root and its first two neighbours keeps its orientation and the centre
    of mass its place.

    Notes
    -----
    Placement after Parsons et al., J. Comput. Chem. 26, 1063 (2005) (natural extension reference frame), with
    all atoms of one level of the tree placed at once.
    """

    levels: list[int]

    def __init__(self, molecule: Molecule):
        super().__init__()
        zmatrix = build_zmatrix(molecule)
        rows = torch.tensor(zmatrix.rows)
        order = torch.cat([torch.tensor([zmatrix.root]), rows[:, 0]])
        slot = torch.empty(len(molecule), dtype=torch.long)
        slot[order] = torch.arange(len(molecule))
        siblings = torch.tensor(zmatrix.sibling)
        self.levels = list(zmatrix.levels)
        self.register_buffer("rows", rows.T.contiguous())
        self.register_buffer("slot_rows", slot[rows].T.contiguous())
        self.register_buffer("slot", slot)
        self.register_buffer("has_sibling", siblings >= 0)
        self.register_buffer("leader", torch.where(siblings >= 0, siblings, torch.arange(len(siblings))))
        masses = torch.tensor(molecule.masses_amu, dtype=torch.float32)
        self.register_buffer("mass_fraction", (masses / masses.sum())[:, None])

    def forward(self, positions: Tensor) -> Tensor:
        """Measure (B, 3N-6): N-1 bond lengths (nm), then N-2 angles and N-3 dihedrals (rad).

        Parameters
        ----------
        positions : (B, N, 3), nm, whole molecules
        """
        parent = positions[:, self.rows[1]]
        bond = positions[:, self.rows[0]] - parent
        axis = positions[:, self.rows[2]] - parent
        beyond = positions[:, self.rows[3]] - positions[:, self.rows[2]]
        length = torch.linalg.vector_norm(bond, dim=-1)
        normal = torch.linalg.cross(axis, bond)
        angle = torch.atan2(torch.linalg.vector_norm(normal, dim=-1), (bond * axis).sum(-1))
        other = torch.linalg.cross(axis, beyond)
        sine = (torch.linalg.cross(normal, other) * axis).sum(-1) / torch.linalg.vector_norm(axis, dim=-1)
        dihedral = torch.atan2(sine, (normal * other).sum(-1))
        dihedral = torch.where(self.has_sibling, wrap(dihedral - dihedral[:, self.leader]), dihedral)
        return torch.cat([length, angle[:, 1:], dihedral[:, 2:]], dim=1)

    @torch.jit.export
    def place(self, coordinates: Tensor, like: Tensor) -> Tensor:
        """Build positions (B, N, 3), nm, of coordinates (B, 3N-6), with the rigid placement of `like` (B, N, 3)."""
        atoms = like.shape[1]
        length = coordinates[:, : atoms - 1]
        angle = coordinates[:, atoms - 2 : 2 * atoms - 3]  # both root rows share the first angle; slot 0 is not read
        dihedral = torch.cat([torch.zeros_like(coordinates[:, :2]), coordinates[:, 2 * atoms - 3 :]], 1)
        absolute = torch.where(self.has_sibling, dihedral + dihedral[:, self.leader], dihedral)
        sine = length * torch.sin(angle)
        local = torch.stack([-length * torch.cos(angle), sine * torch.cos(absolute), sine * torch.sin(absolute)], -1)
        x, y = self._frame(like)
        origin = torch.zeros_like(x)
        second = y * sine[:, 1:2] - x * local[:, 1, 0:1]
        placed = torch.stack([origin, x * length[:, 0:1], second], dim=1)
        for level in range(1, len(self.levels) - 1):
            begin, end = self.levels[level], self.levels[level + 1]
            parent = placed[:, self.slot_rows[1, begin:end]]
            grandparent = placed[:, self.slot_rows[2, begin:end]]
            reference = placed[:, self.slot_rows[3, begin:end]]
            axis = unit(parent - grandparent)
            normal = unit(torch.linalg.cross(grandparent - reference, axis))
            across = torch.linalg.cross(normal, axis)
            row = local[:, begin:end]
            new = parent + axis * row[..., 0:1] + across * row[..., 1:2] + normal * row[..., 2:3]
            placed = torch.cat([placed, new], dim=1)
        positions = placed[:, self.slot]
        shift = ((like - positions) * self.mass_fraction).sum(1, keepdim=True)
        return positions + shift

    def _frame(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """First two axes of the molecule's own frame: along the first root bond, and towards the second."""
        root = positions[:, self.rows[1, 0]]
        x = unit(positions[:, self.rows[0, 0]] - root)
        towards = positions[:, self.rows[0, 1]] - root
        return x, unit(towards - x * (towards * x).sum(-1, keepdim=True))


def unit(vector: Tensor) -> Tensor:
    """Vectors of length one along the last axis."""
    return vector / torch.linalg.vector_norm(vector, dim=-1, keepdim=True)


def wrap(angle: Tensor) -> Tensor:
    """Angles in rad, brought into [-pi, pi)."""
    return torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi
