"""The same molecule under other names, found by its bonds and its handedness."""

import dataclasses

import numpy as np
import pytest

from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule import graph
from openmm_scoredyn.molecule.building import build
from openmm_scoredyn.molecule.geometry import four_bonded, triple_products
from openmm_scoredyn.molecule.graph import match_graph
from openmm_scoredyn.molecule.matching import same_names
from openmm_scoredyn.molecule.particles import Particles


def molecule(sequence=None, **how) -> tuple[Particles, np.ndarray]:
    structure = build(sequence, **how)
    return Particles.from_topology(structure.topology), np.asarray(structure.positions)


def shuffled(particles: Particles, positions: np.ndarray, seed: int) -> tuple[Particles, np.ndarray]:
    """The same atoms in another order, as one residue with names that say nothing."""
    order = np.random.default_rng(seed).permutation(len(particles))
    count = len(order)
    renamed = dataclasses.replace(
        particles.subset(order.tolist()),
        atom_names=tuple(f"X{k}" for k in range(count)),
        residue_names=("UNL",) * count,
        residue_indices=(0,) * count,
    )
    return renamed, positions[order]


MOLECULES = {
    "peptide": {"sequence": "ACE-VAL-ILE-PHE-NME"},
    "butane": {"smiles": "CCCC"},
    "cyclohexane": {"smiles": "C1CCCCC1"},
    "ibuprofen": {"smiles": "CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)O"},
    "neopentane": {"smiles": "CC(C)(C)C"},
}


@pytest.fixture(scope="module", params=MOLECULES.values(), ids=MOLECULES.keys())
def known(request):
    return molecule(**request.param)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_elements_bonds_and_handedness_are_the_same_after_it(known, seed):
    expected, positions = known
    found, moved = shuffled(expected, positions, seed)
    order = match_graph(found, expected, moved, positions)
    assert sorted(order) == list(range(len(expected)))
    assert [found.types[atom] for atom in order] == list(expected.types)
    ours, theirs = (
        {frozenset(bond) for bond in bonds} for bonds in (expected.bonds, found.subset(order.tolist()).bonds)
    )
    assert ours == theirs
    centres = np.array(four_bonded(expected))
    signs = [np.sign(triple_products(one[None], centres)) for one in (positions, moved[order])]
    np.testing.assert_array_equal(*signs)


def test_names_that_agree_are_kept():
    expected, positions = molecule("ACE-VAL-NME")
    found = dataclasses.replace(expected, residue_names=("UNL",) * len(expected))
    assert not same_names(found, expected) and same_names(expected, expected)
    np.testing.assert_array_equal(
        match_graph(found, expected, positions, positions), np.arange(len(expected))
    )


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ("CCCC", "CC(C)C", "expected C4 H10 with 13 bonds, found the same, bonded otherwise"),
        ("CCCC", "CCCCC", "expected C4 H10 with 13 bonds, found C5 H12 with 16 bonds"),
        ("C[C@H](O)CC", "C[C@@H](O)CC", "differ in handedness; expected one stereoisomer"),
        ("C[C@H](F)CC(C)(C)C", "C[C@@H](F)CC(C)(C)C", "differ in handedness"),
        # Decalin and bicyclopentyl: neighbourhoods of any size are the same, the molecules are not.
        ("C1CC[C@H]2CCCC[C@H]2C1", "C1CCCC1C1CCCC1", "the same, bonded otherwise"),
    ],
)
def test_other_molecules_are_refused(one, other, message):
    ours, theirs = molecule(smiles=one), molecule(smiles=other)
    with pytest.raises(MoleculeError, match=message):
        match_graph(theirs[0], ours[0], theirs[1], ours[1])


def test_a_search_without_end_is_given_up(monkeypatch):
    monkeypatch.setattr(graph, "MOST_TRIES", 5)
    ours = molecule(smiles="CCCC")
    with pytest.raises(MoleculeError, match="the molecules differ"):
        match_graph(ours[0], ours[0], ours[1], ours[1])


def carbons(count: int, bonds) -> Particles:
    names = tuple(f"C{k}" for k in range(count))
    return Particles(("C",) * count, (12.0,) * count, names, ("UNL",) * count, (0,) * count, tuple(bonds))


def test_bonds_that_close_rings_count_too():
    """Two rings of three and one of six: all neighbourhoods are the same, and so are the ways along bonds."""
    three = carbons(6, [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5)])
    six = carbons(6, [(k, (k + 1) % 6) for k in range(6)])
    positions = np.random.default_rng(1).normal(size=(6, 3))
    for found, expected in ((three, six), (six, three)):
        with pytest.raises(MoleculeError, match="the same, bonded otherwise"):
            match_graph(found, expected, positions, positions)


def test_long_molecules_are_no_matter_of_recursion():
    count = 1500
    chain = carbons(count, [(k, k + 1) for k in range(count - 1)])
    positions = np.arange(3.0 * count).reshape(-1, 3)
    np.testing.assert_array_equal(match_graph(chain, chain, positions, positions), np.arange(count))
