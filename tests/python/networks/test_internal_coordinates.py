"""The molecule's own coordinates: measured and built without loss, with the right stereochemistry, wherever
the molecule is.
"""

import mdtraj
import numpy as np
import pytest
import torch
from alanine import PDB, alanine_molecule, alanine_positions

from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.building import build
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates, wrap
from openmm_scoredyn.networks.molecule_frame.zmatrix import build_zmatrix, inner_atoms
from openmm_scoredyn.training.dataset import random_rotations

ATOMS = 22


def shaken(count: int = 20) -> torch.Tensor:
    """Distorted alanine dipeptides (count, 22, 3), nm."""
    generator = torch.Generator().manual_seed(3)
    return torch.as_tensor(alanine_positions()).float() + 0.01 * torch.randn(
        count, ATOMS, 3, generator=generator
    )


def chain(n_atoms: int, bonds) -> Particles:
    """Carbon atoms with the given bonds."""
    return Particles(
        ("C",) * n_atoms, (12.0,) * n_atoms, ("C",) * n_atoms, ("X",) * n_atoms, (0,) * n_atoms, bonds
    )


def test_positions_survive_the_round_trip():
    coordinates, positions = InternalCoordinates(alanine_molecule()), shaken()
    rebuilt = coordinates.place(coordinates(positions), positions)
    assert (rebuilt - positions).abs().max() < 5e-6


def test_coordinates_survive_the_round_trip_from_another_frame():
    coordinates, positions = InternalCoordinates(alanine_molecule()), shaken()
    measured = coordinates(positions)
    again = coordinates(coordinates.place(measured, positions.flip(0)))
    difference = torch.cat([again[:, :41] - measured[:, :41], wrap(again[:, 41:] - measured[:, 41:])], 1)
    assert difference.abs().max() < 5e-5


def test_phi_and_psi_agree_with_mdtraj():
    structure = mdtraj.load(PDB)
    measured = InternalCoordinates(alanine_molecule())(torch.as_tensor(structure.xyz))[0, 41:].numpy()
    for dihedral in (mdtraj.compute_phi(structure)[1], mdtraj.compute_psi(structure)[1]):
        assert np.abs(measured - dihedral[0, 0]).min() < 1e-4


def test_every_length_angle_and_dihedral_agrees_with_mdtraj():
    coordinates = InternalCoordinates(alanine_molecule())
    structures = mdtraj.Trajectory(shaken().numpy(), mdtraj.load(PDB).topology)
    rows = coordinates.rows.T.numpy()
    measured = coordinates(shaken())
    assert np.abs(measured[:, :21].numpy() - mdtraj.compute_distances(structures, rows[:, :2])).max() < 1e-6
    assert np.abs(measured[:, 21:41].numpy() - mdtraj.compute_angles(structures, rows[1:, :3])).max() < 1e-4
    expected = torch.from_numpy(mdtraj.compute_dihedrals(structures, rows))
    leader = coordinates.leader
    expected = torch.where(coordinates.has_sibling, wrap(expected - expected[:, leader]), expected)
    assert wrap(measured[:, 41:] - expected[:, 2:]).abs().max() < 1e-4


def test_rounding_does_not_grow_along_a_chain():
    """Frames are products of rotations, one more for every bond."""
    atoms = 200
    coordinates = InternalCoordinates(chain(atoms, tuple((i, i + 1) for i in range(atoms - 1))))
    steps = torch.randn(8, atoms, 3, generator=torch.Generator().manual_seed(2))
    positions = torch.cumsum(0.15 * steps / steps.norm(dim=-1, keepdim=True), dim=1)
    rebuilt = coordinates.place(coordinates(positions), positions)
    bonds = [torch.linalg.vector_norm(x[:, 1:] - x[:, :-1], dim=-1) for x in (positions, rebuilt)]
    assert (bonds[0] - bonds[1]).abs().max() < 5e-6
    assert (
        rebuilt - positions
    ).abs().max() < 1e-3  # an angle near 0 or 180 degrees leaves the dihedral to rounding


def test_weights_of_earlier_versions_load():
    coordinates = InternalCoordinates(alanine_molecule())
    earlier = coordinates.state_dict() | {"slot": torch.arange(ATOMS), "slot_rows": torch.zeros(4, ATOMS - 1)}
    coordinates.load_state_dict(earlier)
    assert not {"slot", "slot_rows", "path", "frame", "inner"} & set(coordinates.state_dict())


def test_coordinates_do_not_feel_rigid_motion_and_turn_sign_in_the_mirror():
    coordinates, positions = InternalCoordinates(alanine_molecule()), shaken()
    turn = random_rotations(len(positions), torch.Generator().manual_seed(1))
    measured = coordinates(positions)
    assert wrap(coordinates(positions @ turn + 2.0) - measured).abs().max() < 2e-4
    mirrored = coordinates(positions * torch.tensor([1.0, 1.0, -1.0]))
    assert (mirrored[:, :41] - measured[:, :41]).abs().max() < 1e-4
    assert wrap(mirrored[:, 41:] + measured[:, 41:]).abs().max() < 1e-4
    assert wrap(mirrored[:, 41:] - measured[:, 41:]).abs().max() > 1.0


def test_building_keeps_the_centre_of_mass():
    molecule, positions = alanine_molecule(), shaken()
    coordinates = InternalCoordinates(molecule)
    rebuilt = coordinates.place(coordinates(positions.flip(0)), positions)
    masses = torch.tensor(molecule.masses_amu)[:, None] / sum(molecule.masses_amu)
    assert ((rebuilt - positions) * masses).sum(1).abs().max() < 1e-6


def test_building_follows_a_rotated_condition():
    coordinates, positions = InternalCoordinates(alanine_molecule()), shaken()
    turn = random_rotations(len(positions), torch.Generator().manual_seed(2))
    other = coordinates(positions.flip(0))
    assert (
        coordinates.place(other, positions @ turn) - coordinates.place(other, positions) @ turn
    ).abs().max() < 1e-5


@pytest.mark.parametrize("atoms", [4, 5])
def test_molecules_of_a_centre_and_its_neighbours(atoms):
    coordinates = InternalCoordinates(chain(atoms, tuple((0, i) for i in range(1, atoms))))
    positions = torch.randn(10, atoms, 3, generator=torch.Generator().manual_seed(1))
    assert (coordinates.place(coordinates(positions), positions) - positions).abs().max() < 5e-5


def test_a_ring_is_built_too():
    ring = chain(6, tuple((i, (i + 1) % 6) for i in range(6)))
    positions = torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(0))
    coordinates = InternalCoordinates(ring)
    assert (coordinates.place(coordinates(positions), positions) - positions).abs().max() < 1e-5


def test_molecules_without_a_tree_are_refused():
    with pytest.raises(MoleculeError, match="needs? at least 4 atoms, found 3"):
        build_zmatrix(chain(3, ((0, 1), (1, 2))))
    with pytest.raises(MoleculeError, match="found several parts"):
        build_zmatrix(chain(5, ((0, 1), (1, 2), (3, 4))))


def peptide(*names: str) -> Particles:
    """A peptide of natural amino acids, as `scoredyn build` makes it."""
    return Particles.from_topology(build("-".join(names)).topology)


def directions(particles: Particles, residue: int) -> list[tuple]:
    """Rows of a residue's backbone and beta carbon in the tree from the first atom, by names alone."""
    named = [
        f"{particles.atom_names[k]}{particles.residue_indices[k] - residue:+d}" for k in range(len(particles))
    ]
    tree = build_zmatrix(particles, inner_atoms(particles)[0])
    own = {f"{name}+0" for name in ("N", "CA", "C", "CB")}
    return [tuple(named[k] for k in row) for row in tree.rows if named[row[0]] in own]


def test_from_the_first_atom_a_residue_is_described_alike_in_short_and_long_chains():
    short, long = peptide("ALA", "TRP"), peptide("GLY", "TRP", "LYS", "ALA")
    for one, residue, other, place in ((short, 1, long, 1), (short, 0, peptide("ALA", "TRP", "TRP"), 0)):
        assert directions(one, residue) == directions(other, place)
    assert build_zmatrix(long).root != inner_atoms(long)[0]


def test_which_atom_leads_does_not_depend_on_the_length_of_the_chain():
    """At the alpha carbon the chain leads, although the side chain of tryptophan is larger."""
    particles = peptide("GLY", "TRP")
    tree = build_zmatrix(particles, 0)
    alpha = [k for k, name in enumerate(particles.atom_names) if name == "CA"][1]
    children = [row[0] for row in tree.rows if row[1] == alpha]
    assert particles.atom_names[children[0]] == "C"
