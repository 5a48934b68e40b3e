"""What a denoiser works on: lattices, neighbours, spacing, files of frames."""

import sys

import crystals
import numpy as np
import pytest

from openmm_scoredyn import errors
from openmm_scoredyn.crystals.lattices import NAMES, face_distances, read_lattice
from openmm_scoredyn.crystals.neighbours import closest_distances, find_neighbours
from openmm_scoredyn.crystals.spacing import measure_spacing

# Nearest neighbours of every atom, on average; of quartz 24 Si with 4 and 48 O with 2.
COORDINATION = {
    "fcc": 12,
    "bcc": 8,
    "hcp": 12,
    "sc": 6,
    "diamond": 4,
    "NaCl": 6,
    "CsCl": 8,
    "ZnS": 4,
    "quartz": 8 / 3,
}


@pytest.mark.parametrize("name", NAMES)
def test_lattices_have_their_coordination(name):
    lattice = read_lattice(name)
    numbers = crystals.neighbour_numbers(lattice.positions, lattice.cell, 1.04)
    assert numbers.mean() == pytest.approx(COORDINATION[name])
    assert face_distances(lattice.cell).min() > 4
    assert (set(lattice.elements) == {""}) == (name in crystals.SHELLS)


def test_a_lattice_from_a_file_or_a_structure(tmp_path):
    from ase.build import bulk
    from ase.io import write

    copper = bulk("Cu", "fcc", a=3.6)
    write(tmp_path / "copper.cif", copper)
    for source in (copper, tmp_path / "copper.cif"):
        lattice = read_lattice(source)
        assert crystals.neighbour_numbers(lattice.positions, lattice.cell, 1.2).tolist() == [12] * len(
            lattice.positions
        )


@pytest.mark.parametrize("source", ["fc", "damaged.cif", "molecule.xyz"])
def test_what_is_no_lattice_is_refused(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged.cif").write_text("not a cif\n")
    (tmp_path / "molecule.xyz").write_text("1\n\nH 0 0 0\n")
    with pytest.raises(errors.LatticeError, match="expected"):
        read_lattice(source)


def test_neighbours_in_a_skewed_cell_are_those_of_all_pairs():
    generator = np.random.default_rng(4)
    cell = np.array([[2.0, 0.1, 0.0], [0.7, 1.8, 0.2], [-0.4, 0.5, 1.7]])
    positions = generator.random((60, 3)) @ cell
    near = find_neighbours(positions, cell, (True,) * 3, 0.9)
    expected = set()
    for shift in (np.array(list(np.ndindex(5, 5, 5))) - 2) @ cell:
        vectors = positions[None] + shift - positions[:, None]
        lengths = np.linalg.norm(vectors, axis=-1)
        expected |= {
            (i, j, *np.round(vectors[i, j], 4)) for i, j in np.argwhere((lengths > 0) & (lengths < 0.9))
        }
    rows, columns = np.nonzero(near.present)
    found = {
        (i, near.indices[i, k], *np.round(near.separations[i, k].astype(float), 4))
        for i, k in zip(rows, columns)
    }
    assert len(found) == len(expected)
    ordered = np.array(sorted(found)) - np.array(sorted(expected))
    assert np.abs(ordered).max() < 2e-4


def test_the_closest_atom_is_found_where_atoms_are_few():
    positions = np.array([[0.0, 0, 0], [0, 0, 3.0], [0, 0, 3.5]])
    assert closest_distances(positions, np.eye(3) * 60, (True,) * 3)[1:] == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("structure", crystals.SHELLS)
@pytest.mark.parametrize("amplitude", [0.0, 0.08, 0.14])
def test_spacing_is_measured_in_the_heat(structure, amplitude):
    positions, cell = crystals.crystal(structure)
    hot = positions + crystals.waves(positions, cell, crystals.COPPER_NM, amplitude)
    assert measure_spacing(hot, cell, (True,) * 3) == pytest.approx(crystals.COPPER_NM, rel=0.04)


def test_a_missing_package_is_one_sentence(monkeypatch):
    from openmm_scoredyn.crystals.classify import classify

    monkeypatch.setitem(sys.modules, "ovito", None)
    with pytest.raises(errors.MissingDependencyError, match="pip install 'openmm-scoredyn"):
        classify(np.zeros((2, 3)), np.eye(3))
    monkeypatch.setitem(sys.modules, "vesin", None)
    with pytest.raises(errors.MissingDependencyError, match="pip install 'openmm-scoredyn"):
        find_neighbours(np.zeros((2, 3)), np.eye(3), (True,) * 3, 1.0)
