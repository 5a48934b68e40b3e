"""Which dihedrals are soft, and on how many pairs whitening is fitted."""

import numpy as np
import torch
from alanine import alanine_molecule, make_trajectory
from small_networks import pairs

from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks import molecule_frame
from openmm_scoredyn.networks.molecule_frame import scales
from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates
from openmm_scoredyn.networks.molecule_frame.scales import fit_scales, measured, soft_dihedrals
from openmm_scoredyn.training.dataset import collect_examples


def row_of_four() -> InternalCoordinates:
    """Of four carbon atoms in a row: three lengths, two angles, one dihedral."""
    names = ("C1", "C2", "C3", "C4")
    bonds = ((0, 1), (1, 2), (2, 3))
    return InternalCoordinates(Particles(("C",) * 4, (12.0,) * 4, names, ("BUT",) * 4, (0,) * 4, bonds))


def of_dihedrals(dihedrals) -> torch.Tensor:
    """Coordinates (P, 6) of the row of four with these dihedrals, rad."""
    return torch.nn.functional.pad(torch.tensor(dihedrals, dtype=torch.float32)[:, None], [5, 0], value=1.0)


def test_a_dihedral_that_seldom_turns_far_is_soft():
    """In one well 49 fiftieths of the time it spreads no more than a stiff one; what tells them apart is that
    it goes there and back.
    """
    there = of_dihedrals(([0.0] * 49 + [2.0]) * 20)
    assert not soft_dihedrals(row_of_four(), there, there).any()
    after = there.roll(1, 0)
    assert soft_dihedrals(row_of_four(), there, after).tolist() == [False] * 5 + [True]
    rare = of_dihedrals(([0.0] * 49 + [2.0]) * 4 + [0.0] * 800)  # four times there, four times back
    assert not soft_dihedrals(row_of_four(), rare, rare.roll(1, 0)).any()
    near = of_dihedrals(([0.0] * 49 + [1.5]) * 20)  # 86 degrees
    assert not soft_dihedrals(row_of_four(), near, near.roll(1, 0)).any()


def test_a_wide_dihedral_is_soft_though_it_never_goes_far_in_a_step():
    slowly = of_dihedrals(np.linspace(-3, 3, 1000))
    assert soft_dihedrals(row_of_four(), slowly, slowly).tolist() == [False] * 5 + [True]


def test_angles_between_siblings_do_not_turn():
    """Hydrogens of a methyl that change places do so about no bond of their own."""
    coordinates = InternalCoordinates(alanine_molecule())
    before, _ = pairs(400)
    old = measured(coordinates, before)
    new = old.clone()
    dihedral = torch.arange(60) >= 2 * 22 - 3
    new[::20, dihedral] += 2.0
    turned = soft_dihedrals(coordinates, old, new)
    assert torch.equal(turned[41:], ~coordinates.has_sibling[2:]) and not turned[:41].any()


def test_whitening_is_fitted_to_enough_pairs_and_softness_to_all(monkeypatch):
    """To every other pair here; the far turns are in the pairs between."""
    monkeypatch.setattr(scales, "ENOUGH_PAIRS", 200)
    coordinates = InternalCoordinates(alanine_molecule())
    before, after = pairs(400)
    few = fit_scales(coordinates, before[::2], after[::2])
    found = fit_scales(coordinates, before, after)
    for name in ("origin", "centre", "whiten", "unwhiten", "feature_scale"):
        assert torch.equal(getattr(found, name), getattr(few, name)), name
    turned = measured(coordinates, after)
    row = int((~coordinates.has_sibling[2:]).nonzero()[0, 0]) + 41
    turned[1:41:2, row] += 2.0
    after = coordinates.place(turned, before)
    assert fit_scales(coordinates, before, after).soft[row] and not found.soft[row]


def test_of_very_many_pairs_a_network_is_fitted_to_a_part_evenly_spread(monkeypatch):
    (examples,) = collect_examples([make_trajectory(201)], 1.0, time_reversal=True)
    monkeypatch.setattr(molecule_frame, "MOST_PAIRS", 150)
    whole, part = (
        molecule_frame.ARCHITECTURE.fit(molecule_frame.MoleculeFrameConfig(width=8, blocks=1), [one])
        for one in (examples, examples[::3])
    )
    assert torch.equal(whole.conformation.whiten, part.conformation.whiten)
    monkeypatch.undo()
    every = molecule_frame.ARCHITECTURE.fit(molecule_frame.MoleculeFrameConfig(width=8, blocks=1), [examples])
    assert not torch.equal(every.conformation.whiten, part.conformation.whiten)
