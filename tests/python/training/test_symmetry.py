"""Renaming equal hydrogens: alike in both frames of a pair; of rotors a rotation that no length notices."""

import torch
from alanine import alanine_molecule, alanine_positions

from openmm_scoredyn.molecule.geometry import equal_ends, rotors
from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates, wrap
from openmm_scoredyn.training.dataset import rename_equals, turn_rotors


def frames(count: int = 300):
    generator = torch.Generator().manual_seed(0)
    start = torch.as_tensor(alanine_positions()).float()
    return tuple(start + 0.005 * torch.randn(count, 22, 3, generator=generator) for _ in range(2))


def test_alanine_dipeptide_has_three_methyl_groups():
    molecule = alanine_molecule()
    names = [{molecule.atom_names[i] for i in rotor.hydrogens} for rotor in rotors(molecule)]
    assert len(names) == 3 and {"HB1", "HB2", "HB3"} in names


def test_renaming_keeps_the_set_of_positions_and_the_hand():
    molecule, (before, after) = alanine_molecule(), frames()
    renamed, _ = turn_rotors(rotors(molecule), (before, after), torch.Generator().manual_seed(1))
    moved = (renamed != before).any(dim=2)
    hydrogens = sorted(atom for rotor in rotors(molecule) for atom in rotor.hydrogens)
    assert set(moved.any(0).nonzero()[:, 0].tolist()) == set(hydrogens)
    assert torch.equal(renamed.sort(dim=1).values, before.sort(dim=1).values)
    # The dihedral from the first to the second hydrogen of a group is +120 degrees in every name.
    measure = InternalCoordinates(molecule)
    relative = measure(renamed)[:, 41:][:, measure.has_sibling[2:]]
    original = measure(before)[:, 41:][:, measure.has_sibling[2:]]
    assert wrap(relative.mean(0) - original.mean(0)).abs().max() < 0.1


def test_both_frames_of_a_pair_are_renamed_alike_and_all_names_occur():
    molecule, (before, _) = alanine_molecule(), frames()
    first, second = turn_rotors(rotors(molecule), (before, before + 1.0), torch.Generator().manual_seed(2))
    torch.testing.assert_close(second - first, torch.ones_like(first), rtol=0, atol=1e-6)
    for rotor in rotors(molecule):
        stayed = (first[:, rotor.hydrogens[0]] == before[:, rotor.hydrogens[0]]).all(dim=1).float().mean()
        assert abs(stayed - 1 / 3) < 4 * (2 / 9 / len(before)) ** 0.5


def test_any_names_of_equal_ends_and_both_mirror_images_occur_alike():
    molecule, (before, after) = alanine_molecule(), frames(3000)
    groups = equal_ends(molecule)
    assert sorted(map(len, groups)) == [3, 3, 3]
    renamed, other = rename_equals(groups, True, (before, after), torch.Generator().manual_seed(1))
    hand, usual = (torch.linalg.det(x[:, [6, 10, 14]] - x[:, [8]]) for x in (renamed, before))  # about CA
    mirrored = hand * usual < 0
    assert abs(mirrored.float().mean() - 0.5) < 4 * 0.5 / len(before) ** 0.5
    back = torch.where(mirrored[:, None, None], -renamed, renamed)
    sixth = 4 * (5 / 36 / len(before)) ** 0.5
    for group in map(list, groups):
        same = (back[:, group, None] == before[:, None, group]).all(3)
        assert torch.equal(same.sum(2), torch.ones(len(before), 3, dtype=torch.long))
        orders, counts = same.long().argmax(2).unique(dim=0, return_counts=True)
        assert len(orders) == 6 and (counts / len(before) - 1 / 6).abs().max() < sixth
        # Alike in both frames.
        theirs = torch.where(mirrored[:, None, None], -other, other)
        assert torch.equal((theirs[:, group, None] == after[:, None, group]).all(3), same)


def test_names_are_exchanged_without_mirror_images_where_these_are_not_wanted():
    molecule, (before, _) = alanine_molecule(), frames(500)
    (renamed,) = rename_equals(equal_ends(molecule), False, (before,), torch.Generator().manual_seed(1))
    hand, usual = (torch.linalg.det(x[:, [6, 10, 14]] - x[:, [8]]) for x in (renamed, before))  # about CA
    assert (hand * usual > 0).all()
    assert (renamed != before).any()
