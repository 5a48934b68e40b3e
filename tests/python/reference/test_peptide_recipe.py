"""The peptides' sequences, structures and solvent."""

import json
from collections import Counter

import numpy as np
import openmm as mm
import pytest
from openmm import app
from recipes import EXAMPLES, recipe

from openmm_scoredyn.data import load
from openmm_scoredyn.reference.lanes import copies_at_once

pytest.importorskip("pdbfixer")
needs_lanes = pytest.mark.skipif(not copies_at_once(), reason="needs a processor with AVX2 and FMA")


@pytest.fixture(scope="module")
def peptides():
    with recipe("peptides") as module:
        yield module


@pytest.fixture(scope="module")
def build(peptides):
    return peptides("build")


@pytest.fixture(scope="module")
def lists():
    return json.loads((EXAMPLES / "peptides" / "sequences.json").read_text())


def test_committed_lists_are_those_of_the_seed(peptides, lists):
    assert peptides("sequences").draw() == lists


def test_no_sequence_is_in_two_lists(lists):
    assert {purpose: len(names) for purpose, names in lists.items()} == {
        "held_out": 20,
        "tetrapeptides": 5,
        "validation": 10,
        "training": 80,
        "capped": 20,
        "tripeptides": 20,
        "capped_dipeptides": 10,
        "protonated": 6,
    }
    names = [name for purpose in lists for name in lists[purpose]]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "purpose, times",
    [
        ("held_out", 2),
        ("training", 8),
        ("validation", 1),
        ("capped", 1),
        ("tripeptides", 3),
        ("capped_dipeptides", 1),
    ],
)
def test_every_amino_acid_is_there_equally_often(lists, purpose, times):
    counts = Counter("".join(lists[purpose]))
    assert set(counts) == set("ACDEFGHIKLMNPQRSTVWY") and set(counts.values()) == {times}


def test_what_was_drawn_later_shares_no_pair_with_what_judges(lists):
    kept = {*lists["held_out"], *lists["validation"]}
    for word in lists["tripeptides"] + lists["capped_dipeptides"]:
        assert not kept & {word[k : k + 2] for k in range(len(word) - 1)}
    assert not any(three in four for three in lists["tripeptides"] for four in lists["tetrapeptides"])


def closest_heavy_atoms_nm(topology, positions_nm):
    """The shortest distance of heavy atoms that are neither bonded nor bonded to the same atom."""
    number = topology.getNumAtoms()
    bonded = np.eye(number)
    for bond in topology.bonds():
        i, j = bond.atom1.index, bond.atom2.index
        bonded[i, j] = bonded[j, i] = 1
    heavy = np.array([atom.element.symbol != "H" for atom in topology.atoms()])
    counted = heavy & heavy[:, None] & (bonded @ bonded == 0)
    return np.linalg.norm(positions_nm[:, None] - positions_nm, axis=-1)[counted].min()


@pytest.mark.parametrize(
    "sequence, capped, atoms, charge",
    [
        ("H", True, 29, 0),
        ("RE", False, 42, 0),
        ("LP", False, 36, 0),
        ("TI", False, 36, 0),
        ("RWGI", False, 77, 1),
        ("HIP", True, 30, 1),
        ("CYM", True, 22, -1),
    ],
)
def test_structures_are_natural(build, sequence, capped, atoms, charge):
    topology, positions_nm = build.structure(sequence, capped)
    build.require_natural(topology, positions_nm)
    assert topology.getNumAtoms() == atoms
    assert closest_heavy_atoms_nm(topology, positions_nm) > 0.22
    system = build.system(topology)
    nonbonded = next(force for force in system.getForces() if isinstance(force, mm.NonbondedForce))
    charges = [nonbonded.getParticleParameters(i)[0]._value for i in range(atoms)]
    assert sum(charges) == pytest.approx(charge, abs=1e-4)
    assert not any(isinstance(force, mm.CMMotionRemover) for force in system.getForces())


def test_other_stereochemistry_is_refused(build):
    topology, positions_nm = build.structure("TI", capped=False)
    with pytest.raises(ValueError, match="THR 1 has the wrong handedness"):
        build.require_natural(topology, positions_nm * (1, 1, -1))
    index = {(atom.residue.index, atom.name): atom.index for atom in topology.atoms()}
    swapped = positions_nm.copy()
    pair = [index[1, "CG1"], index[1, "CG2"]]
    swapped[pair] = swapped[pair[::-1]]
    with pytest.raises(ValueError, match="ILE 2 has the wrong handedness"):
        build.require_natural(topology, swapped)


def test_solvent_is_that_of_openmms_obc2(build):
    topology, positions_nm = build.structure("HD", capped=False)
    slow = app.ForceField("amber14/protein.ff14SB.xml", "implicit/obc2.xml").createSystem(
        topology, nonbondedMethod=app.NoCutoff, constraints=app.HBonds
    )
    states = []
    for system in (slow, build.system(topology)):
        context = mm.Context(system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference"))
        context.setPositions(positions_nm)
        if system is slow:
            mm.LocalEnergyMinimizer.minimize(context, 10, 50)
            positions_nm = context.getState(getPositions=True).getPositions(asNumpy=True)
        states.append(context.getState(getEnergy=True, getForces=True))
    energies = [state.getPotentialEnergy()._value for state in states]
    forces = [state.getForces(asNumpy=True)._value for state in states]
    # The same constants to six digits in the two implementations.
    assert energies[1] == pytest.approx(energies[0], rel=1e-6)
    assert np.abs(forces[1] - forces[0]).max() < 1e-5 * np.abs(forces[0]).max()


@needs_lanes
def test_sets_of_copies_are_made_packed_and_found_again(peptides, monkeypatch, tmp_path):
    md = peptides("make_md")
    monkeypatch.setattr(md, "DATA", tmp_path / "data")
    monkeypatch.setattr(md, "FINE_PS", {"capped": (1, 4, 1)})
    monkeypatch.setattr(md, "COARSE_PS", {"capped": (1, 40, 20)})
    out = tmp_path / "out"
    fine, coarse = (s for s in md.all_sets.__wrapped__() if s.sequence == "G")
    monkeypatch.setattr(md, "all_sets", lambda: [fine, coarse])
    for this in (fine, coarse):
        assert this.files(out) == []
        md.make(this, out)
        assert this.files(out) == [this.store(out)]
        md.pack(this, out)
        assert this.files(out) == this.packed_files() == [this.packed / f"{this.kind}_0000.npz"]
    (of_fine,), (of_coarse,) = load(fine.packed_files()[0]), load(coarse.packed_files()[0])
    assert of_fine.molecule == of_coarse.molecule
    for trajectory, frames, spacing_ps in ((of_fine, 4, 1.0), (of_coarse, 2, 20.0)):
        assert [len(segment) for segment in trajectory.segments] == [frames] * 16
        assert (trajectory.frame_spacing_ps, trajectory.temperature_K) == (spacing_ps, 310.0)
        assert trajectory.steered is False
    # Coarse copies go on from frames spread over the fine ones, from the first to the last.
    frames = np.concatenate(of_fine.segments)
    begun = md.starts(coarse, out)
    assert np.array_equal(begun[[0, 15]], frames[[0, 63]])
    assert len(np.unique(begun, axis=0)) == 16
