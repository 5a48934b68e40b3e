"""Where the tree of internal coordinates of a transferable network begins, and which molecules that lets it
serve.
"""

import pytest

from openmm_scoredyn.errors import MoleculeError, TrainingError
from openmm_scoredyn.molecule.building import build
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.registry import NetworkChoice
from openmm_scoredyn.networks.zmatrix_transformer.coordinates import (
    coordinate_table,
    first_zmatrix,
    known_zmatrix,
)

TRAINING = ("ALA-ALA", "ALA-VAL", "VAL-ALA", "VAL-VAL")


@pytest.fixture(scope="module")
def peptide():
    """Particles of a peptide by its sequence, each built once."""
    made: dict[str, Particles] = {}

    def of(sequence: str) -> Particles:
        if sequence not in made:
            made[sequence] = Particles.from_topology(build(sequence).topology)
        return made[sequence]

    return of


def classes(peptide, root: str) -> set[str]:
    """The classes of coordinates of the dipeptides in training."""
    molecules = [peptide(sequence) for sequence in TRAINING]
    tables = [coordinate_table(molecule, first_zmatrix(molecule, root)) for molecule in molecules]
    return {name for table in tables for name in table.classes}


@pytest.mark.parametrize("sequence", ["ALA-VAL-ALA", "VAL-ALA-VAL-ALA", "ALA-ALA-VAL-VAL-ALA"])
def test_longer_chains_have_the_coordinates_of_dipeptides_if_trees_begin_at_the_first_atom(peptide, sequence):
    molecule = peptide(sequence)
    zmatrix, _ = known_zmatrix(molecule, "first", classes(peptide, "first"))
    assert molecule.atom_names[zmatrix.root] == "N" and molecule.residue_indices[zmatrix.root] == 0


def test_from_the_centre_a_longer_chain_goes_through_residues_in_a_direction_of_its_own(peptide):
    with pytest.raises(MoleculeError, match="the model never saw the improper .*; expected one of"):
        known_zmatrix(peptide("ALA-ALA-VAL-VAL-ALA"), "centre", classes(peptide, "centre"))


def test_the_root_is_found_where_a_file_begins_with_another_atom(peptide):
    molecule = peptide("VAL-ALA")
    last_first = molecule.subset(range(len(molecule))[::-1])
    zmatrix, table = known_zmatrix(last_first, "first", classes(peptide, "first"))
    assert last_first.atom_names[zmatrix.root] == "N"
    assert last_first.residue_indices[zmatrix.root] == molecule.residue_indices[0]
    usual = coordinate_table(molecule, first_zmatrix(molecule, "first"))
    assert sorted(table.classes) == sorted(usual.classes)


def test_an_unknown_residue_is_refused_whatever_the_root(peptide):
    with pytest.raises(MoleculeError, match="the model never saw the"):
        known_zmatrix(peptide("SER-ALA"), "first", classes(peptide, "first"))


@pytest.mark.parametrize("root", ["centre", "first"])
def test_too_few_particles_are_refused_in_a_sentence(root):
    two = Particles(("C", "O"), (12.0, 16.0), ("C", "O"), ("CO", "CO"), (0, 0), ((0, 1),))
    with pytest.raises(MoleculeError, match="need at least 4 atoms, found 2"):
        first_zmatrix(two, root)


def test_an_unknown_root_is_refused():
    with pytest.raises(TrainingError, match="expected centre or first, found 'last'"):
        NetworkChoice.of("zmatrix_transformer", root="last")
