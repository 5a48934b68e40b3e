"""Particles: atoms, beads, and what a System says of them."""

import openmm
import pytest
from openmm import app

from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.particles import Particles


def topology(names=("A", "B1", "C1"), elements=(None, None, None), bonds=((0, 1), (1, 2))):
    built = app.Topology()
    residue = built.addResidue("MOL", built.addChain())
    atoms = [built.addAtom(name, element, residue) for name, element in zip(names, elements)]
    for i, j in bonds:
        built.addBond(atoms[i], atoms[j])
    return built


def system(extra: int = 1):
    """Three particles with every kind of term, and others behind them, as a solvent."""
    made = openmm.System()
    for mass in (1.0, 2.0, 3.0, *[18.0] * extra):
        made.addParticle(mass)
    nonbonded, bonds = openmm.NonbondedForce(), openmm.HarmonicBondForce()
    for k in range(made.getNumParticles()):
        nonbonded.addParticle(0.1 * k, 0.3 + 0.01 * k, 0.5 + k)
    bonds.addBond(0, 1, 0.15, 2e5)
    if extra:
        bonds.addBond(2, 3, 0.2, 1e5)
    angles, torsions = openmm.HarmonicAngleForce(), openmm.PeriodicTorsionForce()
    angles.addAngle(0, 1, 2, 1.9, 400.0)
    if extra:
        torsions.addTorsion(0, 1, 2, 3, 3, 0.5, 2.0)
    for force in (nonbonded, bonds, angles, torsions, openmm.CMMotionRemover(), openmm.GBSAOBCForce()):
        made.addForce(force)
    made.addConstraint(1, 2, 0.11)
    return made


def test_beads_need_no_element():
    beads = Particles.from_topology(topology(), system())
    assert beads.types == ("A", "B1", "C1") and beads.masses_amu == (1.0, 2.0, 3.0)


def test_a_system_says_the_parameters_and_terms_to_a_solvent_are_left_out():
    found = Particles.from_topology(topology(), system()).force_field
    assert found.charges_e == (0.0, 0.1, 0.2)
    assert found.sigma_nm == (0.3, 0.31, 0.32) and found.epsilon_kj == (0.5, 1.5, 2.5)
    assert found.bonds == ((0, 1, 0.15, 2e5),) and found.constraints == ((1, 2, 0.11),)
    assert found.angles == ((0, 1, 2, 1.9, 400.0),) and found.torsions == ()
    assert found.other_forces == ("GBSAOBCForce",)


def test_a_description_comes_back_as_it_was_written():
    whole = Particles.from_topology(topology(), system())
    assert Particles.from_dict(whole.to_dict()) == whole
    plain = Particles.from_topology(topology(("C", "C", "C"), (app.element.carbon,) * 3))
    assert Particles.from_dict(plain.to_dict()) == plain and "force_field" not in plain.to_dict()


def test_a_subset_keeps_the_terms_among_it_under_new_numbers():
    part = Particles.from_topology(topology(), system()).subset([2, 1])
    assert part.types == ("C1", "B1") and part.bonds == ((1, 0),)
    assert part.force_field.constraints == ((1, 0, 0.11),) and part.force_field.bonds == ()
    assert part.force_field.charges_e == (0.2, 0.1)


@pytest.mark.parametrize(
    "types, names, text",
    [
        (("N", "C", "N", "C"), ("ALA", "ALA"), "ALA-ALA"),  # two equal residues, each named
        (("A", "A", "B", "B"), ("CHN", "CHN"), "CHN-CHN"),  # beads of one particle each, as atoms
        (("Ax2", "Ax2", "Ax2", "Ax3"), ("CHN", "CHN"), "CHN"),
        (("Ax2", "Ax2", "Ax2", "Ax3"), ("CHN", "END"), "CHN-END"),
    ],
)
def test_residues_are_named_in_their_order_and_those_of_beads_once(types, names, text):
    residues = (0, 0, 1, 1)
    named = tuple(names[index] for index in residues)
    bonds = ((0, 1), (1, 2), (2, 3))
    assert Particles(types, (1.0,) * 4, types, named, residues, bonds).residues_text == text


def test_of_several_molecules_their_numbers_are_named():
    types, names = ("P1", "P2", "P1", "P2", "S1"), ("DIM",) * 4 + ("ION",)
    several = Particles(types, (1.0,) * 5, types, names, (0, 0, 1, 1, 2), ((0, 1), (2, 3)))
    assert several.residues_text == "2 DIM + 1 ION"


def test_parts_are_what_bonds_connect():
    two = Particles.from_topology(topology(bonds=((0, 2),)), system())
    assert two.parts == [[0, 2], [1]]


@pytest.mark.parametrize(
    "names, given, message",
    [
        (("A", "C", "B1"), True, "has no element, but the name C of one"),
        (("A", "B1", "D1"), False, "bead 0 .A. has no mass"),
    ],
)
def test_what_is_no_bead_is_refused(names, given, message):
    with pytest.raises(MoleculeError, match=message):
        Particles.from_topology(topology(names), system() if given else None)


def test_a_system_with_too_few_particles_is_refused():
    small = openmm.System()
    small.addParticle(1.0)
    with pytest.raises(MoleculeError, match="expected at least 3, found 1"):
        Particles.from_topology(topology(), small)


def test_damaged_descriptions_are_refused():
    with pytest.raises(MoleculeError, match="'types' missing"):
        Particles.from_dict({"elements": ["C"]})
    described = Particles.from_topology(topology(), system()).to_dict()
    del described["force_field"]["angles"]
    with pytest.raises(MoleculeError, match="'angles' missing"):
        Particles.from_dict(described)
