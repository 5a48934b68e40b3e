"""Boxes of water: what is in them, how they are stored and scaled."""

import numpy as np
import pytest
from alanine import alanine_positions, alanine_topology

from openmm_scoredyn.errors import TrajectoryError
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.pressure import build_box_system
from openmm_scoredyn.reference.solvation import SolvatedBox, solvate


def test_a_stored_box_is_the_same_box(tmp_path):
    box = solvate(alanine_topology(), alanine_positions(), Physics.in_solvent("tip3p"), copies=1, seed=1)
    box.save(tmp_path / "box.npz")
    loaded = SolvatedBox.load(tmp_path / "box.npz")
    np.testing.assert_array_equal(loaded.positions, box.positions)
    waters = len(loaded.residues)
    assert set(loaded.residues) == {"HOH"} and len(box.positions) == 22 + 3 * waters
    assert 700 < len(box.positions) < 750
    # What keeps a molecule away from its images: the shortest lattice vector.
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), -1).reshape(-1, 3)
    lengths = np.linalg.norm(shifts @ box.vectors, axis=1)
    assert lengths[lengths > 0].min() == pytest.approx(2.2, abs=1e-6)
    system = build_box_system(alanine_topology(), loaded, Physics.in_solvent("tip3p"))
    assert system.usesPeriodicBoundaryConditions()
    assert system.getNumConstraints() == 12 + 3 * waters
    (tmp_path / "box.npz").write_bytes(b"")
    with pytest.raises(TrajectoryError, match="the box in .*box.npz cannot be read"):
        SolvatedBox.load(tmp_path / "box.npz")


def test_scaling_to_a_volume_moves_molecules_whole():
    from openmm_scoredyn.reference.pressure import _scaled

    positions = np.random.default_rng(0).normal(size=(7, 3))
    molecules = [[0, 1, 2], [3, 4, 5, 6]]
    scaled = _scaled(positions, molecules, 1.1)
    for atoms in molecules:
        np.testing.assert_allclose(scaled[atoms].mean(0), 1.1 * positions[atoms].mean(0))
        np.testing.assert_allclose(scaled[atoms] - scaled[atoms[0]], positions[atoms] - positions[atoms[0]])


def test_each_copy_has_as_much_water_as_one_alone_and_its_own_place():
    physics = Physics.in_solvent("tip3p")
    alone = solvate(alanine_topology(), alanine_positions(), physics, copies=1, seed=1)
    box = solvate(alanine_topology(), alanine_positions(), physics, copies=2, seed=1)
    assert len(box.residues) == pytest.approx(2 * len(alone.residues), rel=0.1)
    first, second = box.positions[:22], box.positions[22:44]
    difference = second.mean(0) - first.mean(0)
    difference -= np.diag(box.vectors) * np.round(difference / np.diag(box.vectors))
    assert np.linalg.norm(difference) > box.contact_nm
    # Turned, not mirrored, and not turned alike.
    inside = [np.linalg.svd(part - part.mean(0))[1] for part in (first, second)]
    np.testing.assert_allclose(*inside, atol=1e-6)
    triples = [np.linalg.det(part[[4, 8, 10]] - part[6]) for part in (first, second)]
    assert triples[0] == pytest.approx(triples[1])
    assert np.abs((first - first.mean(0)) - (second - second.mean(0))).max() > 0.05
