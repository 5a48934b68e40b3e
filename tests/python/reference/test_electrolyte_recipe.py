"""The recipe of electrolytes: charges, masses, beads, what is held out, the topology as OpenMM reads it."""

from collections import Counter

import numpy as np
import openmm
import pytest
from openmm import app
from recipes import recipe

from openmm_scoredyn.coarse import Mapping


@pytest.fixture(scope="module")
def electrolytes():
    with recipe("electrolytes") as module:
        yield module


@pytest.fixture(scope="module")
def boxes(electrolytes):
    return electrolytes("boxes")


@pytest.fixture(scope="module")
def molecules(electrolytes):
    return electrolytes("molecules")


def test_no_composition_is_trained_on_and_held_out(boxes):
    assert len(set(boxes.TRAINING.values()) | set(boxes.HELD_OUT.values())) == 8
    assert not set(boxes.TRAINING) & set(boxes.HELD_OUT)


@pytest.mark.parametrize("name", ["eo04_10", "eo25_20", "eo12_20", "eo08_40"])
def test_boxes_are_neutral_and_have_the_salt_of_their_name(boxes, name):
    composition = boxes.Composition.named(name)
    charge = sum(number * sum(molecule.charges) for molecule, number in composition.contents)
    assert charge == pytest.approx(0, abs=1e-9)
    oxygens = composition.chains * sum(e == "O" for e in composition.contents[0][0].elements)
    assert oxygens / composition.salt == pytest.approx(int(name[-2:]), rel=0.05)


def test_masses_are_those_of_the_elements_and_hydrogens_are_heavy(molecules):
    chain = molecules.glyme(8)  # C18 H38 O9
    assert sum(chain.masses_amu) == pytest.approx(18 * 12.011 + 38 * 1.008 + 9 * 15.999)
    masses = dict(zip(chain.types, chain.masses_amu))
    assert masses["HE"] == 3 and masses["OS"] == 15.999
    assert masses["C2"] == pytest.approx(12.011 - 2 * 1.992)
    assert sum(molecules.tfsi().masses_amu) == pytest.approx(280.145, abs=0.02)  # C2 F6 N O4 S2


def test_tfsi_is_the_same_from_either_end(molecules):
    anion = molecules.tfsi()
    assert Counter(anion.elements) == {"C": 2, "F": 6, "S": 2, "O": 4, "N": 1}
    bonds = {frozenset(bond) for bond in anion.bonds}
    assert {frozenset((14 - i, 14 - j)) for i, j in anion.bonds} == bonds and len(bonds) == 14


def test_beads_are_ether_oxygens_with_a_carbon_on_either_side_and_ions(boxes):
    composition = boxes.Composition.named("eo08_20")
    beads = Mapping.from_topology(composition.topology(), boxes.bead_rules()).particles
    assert Counter(beads.types) == {
        "Cx2.Hx5.Ox1": 2 * 20,
        "Cx2.Hx4.Ox1": 7 * 20,
        "Cx2.Fx6.Nx1.Ox4.Sx2": 9,
        "Lix1": 9,
    }
    assert len(beads.bonds) == 20 * 8


@pytest.fixture(scope="module")
def pair(boxes, molecules, tmp_path_factory):
    """An OpenMM System of a diglyme and an ion pair."""
    path = tmp_path_factory.mktemp("topology") / "topol.top"
    contents = [(molecules.glyme(2), 1), (molecules.tfsi(), 1), (molecules.lithium(), 1)]
    path.write_text(boxes.topology_text(contents, "pair"))
    return app.GromacsTopFile(str(path)).createSystem(nonbondedMethod=app.NoCutoff, constraints=None)


def energy_and_forces(system, positions):
    context = openmm.Context(
        system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
    )
    context.setPositions(positions)
    state = context.getState(energy=True)
    return state.getPotentialEnergy()._value


def test_lithium_and_ether_oxygen_mix_geometrically_and_ions_have_three_quarters_of_a_charge(
    boxes, molecules, tmp_path
):
    """Two particles far from all else: energy by hand."""
    (tmp_path / "topol.top").write_text(
        boxes.topology_text([(molecules.glyme(1), 1), (molecules.lithium(), 1)], "one")
    )
    system = app.GromacsTopFile(str(tmp_path / "topol.top")).createSystem(nonbondedMethod=app.NoCutoff)
    chain = molecules.glyme(1)
    here = np.vstack([chain.positions_nm, [[0.5, 0.2, 0.3]]])
    away = np.vstack([chain.positions_nm, [[500.0, 0.0, 0.0]]])
    distances = np.linalg.norm(here[:-1] - here[-1], axis=1)
    sigma = np.array([np.sqrt(molecules.TYPES[k][3] * 0.2126) for k in chain.types])
    epsilon = np.array([np.sqrt(molecules.TYPES[k][4] * 0.07648) for k in chain.types])
    coulomb = 138.935456 * 0.75 * np.array(chain.charges) / distances
    expected = (4 * epsilon * ((sigma / distances) ** 12 - (sigma / distances) ** 6) + coulomb).sum()
    found = energy_and_forces(system, here) - energy_and_forces(system, away)
    assert found == pytest.approx(expected, rel=2e-4)


def test_every_bond_angle_and_torsion_has_its_parameters(pair):
    kinds = {type(force).__name__: force for force in pair.getForces()}
    assert kinds["HarmonicBondForce"].getNumBonds() == 22 + 14
    # Of an atom with n neighbours n (n - 1) / 2 angles; diglyme has 6 carbons of 4 and 3 oxygens of 2.
    assert kinds["HarmonicAngleForce"].getNumAngles() == 6 * 6 + 3 + 2 * 6 + 2 * 6 + 1
    # Of a bond between atoms of n and m neighbours (n - 1) (m - 1) torsions.
    assert kinds["RBTorsionForce"].getNumTorsions() == 2 * 9 + 6 * 3 + 2 * 9 + 2 * 3
