"""The shipped model of peptides on sequences that it never saw: hops against MD, lags, handedness,
refusals.
"""

from pathlib import Path

import numpy as np
import pytest
from torsion_hops import hops

import openmm_scoredyn as sd
from openmm_scoredyn.data import load
from openmm_scoredyn.errors import MoleculeError, SamplingError
from openmm_scoredyn.export.binding import bind_particles, open_model
from openmm_scoredyn.molecule.building import build
from openmm_scoredyn.molecule.geometry import dihedral_angles, each_backbone, rotatable_torsions
from openmm_scoredyn.molecule.structure import select_atoms

MODEL = "peptides-obc2"
HELD_OUT = Path(__file__).parents[3] / "examples" / "data" / "peptides-obc2" / "held_out"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_steps_of_ten_picoseconds_of_an_unseen_dipeptide_hop_as_often_as_those_of_md():
    """Four standard errors, and a fifth for what the model is off by; one that hops half as often is told."""
    trajectories = [t for t in load(HELD_OUT / "IS") if t.frame_spacing_ps == 10.0]
    before = np.concatenate([s[:-1] for t in trajectories for s in t.segments])
    after = np.concatenate([s[1:] for t in trajectories for s in t.segments])
    particles = trajectories[0].molecule
    model = bind_particles(open_model(MODEL), particles, before[0])
    drawn = model.sample(before, 1, seed=1, lag_time_ps=10.0)[0]
    ours, theirs = (hops(before, y, rotatable_torsions(particles)) for y in (drawn, after))
    blocks = [[part.mean() for part in np.array_split(x, 16)] for x in (ours, theirs)]
    error = np.hypot(*(np.std(b, ddof=1) / 4 for b in blocks))
    assert abs(ours.mean() - theirs.mean()) < 4 * error + 0.2 * theirs.mean()
    assert 4 * error < 0.25 * theirs.mean()


def test_a_dipeptide_from_its_sequence_keeps_its_handedness_over_many_nanoseconds():
    made = build("ILE-SER")
    model = sd.bind(MODEL, made.topology, positions=made.positions)
    start = np.repeat(np.asarray(made.positions, dtype=np.float32)[None], 16, axis=0)
    frames = model.sample(start, 40, seed=1, lag_time_ps=100.0)
    assert np.isfinite(frames).all()
    assert model.num_rejected_draws < 0.05 * 16 * 40
    (atoms,) = [phi for _, phi, _ in each_backbone(model.card.particles) if phi]
    phi = dihedral_angles(frames[10:].reshape(-1, *start.shape[1:]), np.array([atoms]))
    assert (phi < 0).mean() > 0.8


def test_a_lag_beyond_the_range_is_refused():
    made = build("GLY-ALA")
    model = sd.bind(MODEL, made.topology, positions=made.positions)
    with pytest.raises(SamplingError, match="expected 1 to 1000 ps, found 2000 ps"):
        model.sample(np.asarray(made.positions, dtype=np.float32)[None], 1, seed=1, lag_time_ps=2000.0)


def test_the_mirror_image_is_refused():
    made = build("ACE-ALA-NME")
    with pytest.raises(MoleculeError, match="ALA:CA is the mirror image of what the model was trained on"):
        sd.bind(MODEL, made.topology, positions=-np.asarray(made.positions))


@pytest.mark.parametrize(
    "smiles, words",
    [
        ("CC(=O)NC(C)(C)C(=O)NC", "never saw a particle like"),
        ("CC(=O)NC(CF)C(=O)NC", "never saw a particle like"),
        ("C=CCNC(C)=O", "never saw"),
    ],
    ids=["aminoisobutyric", "fluoroalanine", "alkene"],
)
def test_what_is_no_natural_residue_is_refused(smiles, words):
    made = build(smiles=smiles)
    with pytest.raises(MoleculeError, match=words):
        sd.bind(MODEL, made.topology, positions=made.positions)


def test_a_structure_without_hydrogens_is_refused_by_that_name():
    made = build("GLY-ALA")
    heavy = [k for k, atom in enumerate(made.topology.atoms()) if atom.element.symbol != "H"]
    bare, there = select_atoms(made.topology, np.asarray(made.positions), heavy)
    with pytest.raises(MoleculeError, match="hydrogens; expected all of them, found none"):
        sd.bind(MODEL, bare, positions=there)


@pytest.mark.parametrize("sequence", ["ACE-ALA-VAL-NME", "ALA-SER-ALA", "VAL-SER-ALA-ALA"])
def test_longer_and_capped_peptides_are_bound_and_keep_their_handedness(sequence):
    """None of them is in training."""
    made = build(sequence)
    model = sd.bind(MODEL, made.topology, positions=made.positions)
    start = np.repeat(np.asarray(made.positions, dtype=np.float32)[None], 16, axis=0)
    frames = model.sample(start, 20, seed=1, lag_time_ps=100.0)
    assert model.num_rejected_draws < 0.1 * 16 * 20
    phis = np.array([phi for _, phi, _ in each_backbone(model.card.particles) if phi])
    phi = dihedral_angles(frames[5:].reshape(-1, *start.shape[1:]), phis)
    assert ((phi < 0).mean(axis=0) > 0.7).all()


@pytest.mark.parametrize("state", ["ASH", "CYM", "GLH", "HID", "HIP", "LYN"])
def test_other_protonation_states_are_known(state):
    (first, *_) = load(HELD_OUT.with_name("protonated") / state)
    start = np.repeat(first.segments[0][:1].astype(np.float32), 16, axis=0)
    model = bind_particles(open_model(MODEL), first.molecule, start[0])
    assert model.card.provenance.training_data["binding"]["new_joints"] == []
    frames = model.sample(start, 20, seed=1, lag_time_ps=100.0)
    assert np.isfinite(frames).all()
    assert model.num_rejected_draws < 0.05 * 16 * 20


def test_a_larger_peptide_says_by_how_much_it_goes_beyond_training():
    made = build("VAL-SER-ALA-ALA-GLY-ALA")
    model = sd.bind(MODEL, made.topology, positions=made.positions)
    assert "times the largest in training" in model.card.provenance.training_data["binding"]["extrapolation"]
