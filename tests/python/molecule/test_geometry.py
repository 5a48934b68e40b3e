"""Which atoms turn, which centres have a handedness: one rule each, on molecules whose answer is known."""

from itertools import pairwise

import numpy as np
import pytest
from alanine import alanine_molecule, alanine_positions

from openmm_scoredyn.molecule.geometry import (
    bond_angles,
    dihedral_angles,
    equal_ends,
    handedness,
    ring_torsions,
    rotatable_torsions,
    rotors,
    stereocentres,
)
from openmm_scoredyn.molecule.particles import Particles


def molecule(types, bonds) -> Particles:
    """Particles named by type and number."""
    n = len(types)
    names = tuple(f"{kind}{i}" for i, kind in enumerate(types))
    return Particles(tuple(types), (1.0,) * n, names, ("X",) * n, (0,) * n, tuple(bonds))


def hydrocarbon(carbons: int, bonds, hydrogens) -> Particles:
    """Carbons with bonds among them and a number of hydrogens each."""
    types, bonds = ["C"] * carbons, list(bonds)
    for carbon, number in enumerate(hydrogens):
        for _ in range(number):
            bonds.append((carbon, len(types)))
            types.append("H")
    return molecule(types, bonds)


def middle(torsions: np.ndarray) -> list[tuple[int, int]]:
    return [(int(b), int(c)) for _, b, c, _ in torsions]


def test_butane_turns_about_its_middle_and_has_two_methyls():
    butane = hydrocarbon(4, [(0, 1), (1, 2), (2, 3)], (3, 2, 2, 3))
    assert rotatable_torsions(butane).tolist() == [[0, 1, 2, 3]]
    assert [(rotor.centre, rotor.neighbour) for rotor in rotors(butane)] == [(0, 1), (3, 2)]
    assert rotors(butane)[0].dihedral(butane) == (2, 1, 0, 4)
    assert len(ring_torsions(butane)) == len(stereocentres(butane)) == 0
    assert equal_ends(butane) == [(4, 5, 6), (7, 8), (9, 10), (11, 12, 13)]


def test_cyclohexane_turns_in_its_ring_only():
    ring = [(i, (i + 1) % 6) for i in range(6)]
    cyclohexane = hydrocarbon(6, ring, (2,) * 6)
    assert len(rotatable_torsions(cyclohexane)) == 0
    torsions = ring_torsions(cyclohexane)
    assert sorted(middle(torsions)) == [(0, 1), (0, 5), (1, 2), (2, 3), (3, 4), (4, 5)]
    for torsion in torsions.tolist():
        steps = [(after - before) % 6 for before, after in pairwise(torsion)]
        assert steps in ([1, 1, 1], [5, 5, 5]), "along the ring"
    benzene = hydrocarbon(6, ring, (1,) * 6)
    assert len(ring_torsions(benzene)) == len(rotatable_torsions(benzene)) == 0


def test_alanine_dipeptide_turns_about_the_backbone_and_has_one_centre():
    alanine = alanine_molecule()
    names = {tuple(alanine.atom_names[a] for a in bond) for bond in middle(rotatable_torsions(alanine))}
    assert names == {("N", "CA"), ("CA", "C")}, "no amide, no methyl"
    assert [[alanine.atom_names[a] for a in centre] for centre in stereocentres(alanine)] == [
        ["CA", "N", "CB", "C"]
    ]
    assert len(rotors(alanine)) == 3
    mirror = alanine_positions() * [-1, 1, 1]
    signs = handedness(np.stack([alanine_positions(), mirror]), stereocentres(alanine))[:, 0]
    assert signs[0] == -signs[1] != 0


def test_a_hydroxyl_turns_and_an_ammonium_group_is_a_rotor():
    """Ethanolammonium: HO-CH2-CH2-NH3+."""
    types = ["O", "C", "C", "N", *"HHHHHHHH"]
    bonds = [(0, 1), (1, 2), (2, 3), (0, 4), (1, 5), (1, 6), (2, 7), (2, 8), (3, 9), (3, 10), (3, 11)]
    ethanolammonium = molecule(types, bonds)
    assert rotatable_torsions(ethanolammonium).tolist() == [[4, 0, 1, 2], [0, 1, 2, 3]]
    assert [rotor.hydrogens for rotor in rotors(ethanolammonium)] == [(9, 10, 11)]


def test_every_inner_bond_of_a_bead_chain_turns_and_a_triple_bond_does_not():
    beads = molecule(["A", "B"] * 3, [(i, i + 1) for i in range(5)])
    assert middle(rotatable_torsions(beads)) == [(1, 2), (2, 3), (3, 4)]
    butyne = hydrocarbon(4, [(0, 1), (1, 2), (2, 3)], (3, 0, 0, 3))
    assert len(rotatable_torsions(butyne)) == 0
    long = molecule(["A"] * 5000, [(i, i + 1) for i in range(4999)])
    assert len(rotatable_torsions(long)) == 4997


def test_a_centre_of_any_element_counts_and_its_hydrogen_comes_last():
    centre = molecule(["H", "P", "A", "B", "D"], [(1, 0), (1, 2), (1, 3), (1, 4)])
    assert stereocentres(centre).tolist() == [[1, 2, 3, 4]]
    two = molecule(["H", "P", "A", "B", "H"], [(1, 0), (1, 2), (1, 3), (1, 4)])
    assert len(stereocentres(two)) == 0


def test_angles_of_known_triangles():
    points = np.array([[[1.0, 0, 0], [0, 0, 0], [0, 1, 0], [0, 1, 1]]])
    assert bond_angles(points, np.array([[0, 1, 2]])) == pytest.approx(90)
    assert abs(dihedral_angles(points, np.array([[0, 1, 2, 3]]))) == pytest.approx(np.pi / 2)
