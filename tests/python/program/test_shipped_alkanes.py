"""The shipped transferable model on alkanes that it never saw: names, sizes, refusals, a step against MD."""

from pathlib import Path

import numpy as np
import pytest
from openmm import app, unit
from torsion_hops import hops

import openmm_scoredyn as sd
from openmm_scoredyn.data import load
from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.building import build
from openmm_scoredyn.molecule.geometry import equal_ends, rotatable_torsions
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.molecule.structure import select_atoms

MODEL = "alkanes-tip3p"
HELD_OUT = Path(__file__).parents[3] / "examples" / "data" / "alkanes-tip3p" / "held_out"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_steps_of_octane_hop_as_often_as_those_of_md():
    """Four standard errors; a model that hops half as often is told."""
    trajectories = load(HELD_OUT / "octane")
    before = np.concatenate([s[:-1] for t in trajectories for s in t.segments])
    after = np.concatenate([s[1:] for t in trajectories for s in t.segments])
    particles = trajectories[0].molecule
    octane = sd.bind(MODEL, topology(particles))
    drawn = octane.sample(before, 1, seed=1, lag_time_ps=1.0)[0]
    ours, theirs = (hops(before, y, rotatable_torsions(particles)) for y in (drawn, after))
    blocks = [[part.mean() for part in np.array_split(x, 25)] for x in (ours, theirs)]
    error = np.hypot(*(np.std(b, ddof=1) / 5 for b in blocks))
    assert abs(ours.mean() - theirs.mean()) < 4 * error
    assert 4 * error < 0.5 * theirs.mean()
    assert octane.num_rejected_draws < 0.005 * len(before)


def topology(particles: Particles) -> app.Topology:
    made = app.Topology()
    residue = made.addResidue("ALK", made.addChain())
    atoms = [
        made.addAtom(name, app.Element.getBySymbol(kind), residue)
        for name, kind in zip(particles.atom_names, particles.types, strict=True)
    ]
    for i, j in particles.bonds:
        made.addBond(atoms[i], atoms[j])
    return made


@pytest.mark.parametrize("smiles", ["CCCCCCCCCC", "CC(C)CC", "CC(C)(C)CC"])
def test_alkanes_from_smiles_with_any_names_of_their_hydrogens(smiles):
    """Draws are accepted as often whichever way round equal hydrogens are named; four standard errors."""
    made = build(smiles=smiles)
    positions = np.asarray(made.positions, dtype=float)
    groups = equal_ends(Particles.from_topology(made.topology))
    order = np.arange(len(positions))
    for group in map(list, groups):  # the other way round
        order[group] = group[::-1]
    renamed, there = select_atoms(made.topology, positions, order)
    rejected = []
    for named, start in ((made.topology, positions), (renamed, there)):
        model = sd.bind(MODEL, named, positions=start)
        frames = model.sample(np.repeat(np.asarray(start)[None], 50, 0), 40, seed=1)
        assert np.isfinite(frames).all()
        rejected.append(model.num_rejected_steps)
    one, other = rejected
    assert abs(one - other) <= 4 * (one + other + 1) ** 0.5
    assert max(rejected) < 0.02 * 2000


def test_the_card_says_how_far_it_is_from_what_was_trained(caplog):
    caplog.set_level("WARNING", "openmm_scoredyn")

    def said(smiles):
        made = build(smiles=smiles)
        card = sd.bind(MODEL, made.topology, positions=made.positions).card
        return card.provenance.training_data["binding"]["extrapolation"]

    assert said("CCCCCCCCCC") == "32 particles, 1.4 times the largest in training (23)"
    for smiles in ("CCCC", "CC(C)CC", "CC(C)(C)CC"):
        assert said(smiles) == "none in size"
    assert caplog.messages == []
    assert said("CC(C)C(C)C") == (
        "none in size; groups that training never had side by side: C4(C4 C4 C4 H1)-C4(C4 C4 C4 H1)"
    )
    (warning,) = caplog.messages
    assert "never saw these groups side by side: C4(C4 C4 C4 H1)-C4(C4 C4 C4 H1); trust neither" in warning


@pytest.mark.parametrize(
    "smiles, message",
    [
        ("CC=CC", "never saw a particle like MOL:C2, C with 3 bonds"),
        ("CCCO", "never saw a particle like MOL:O1"),
        ("C[N+](C)(C)C", "never saw a particle like MOL:N1"),
        ("C1CCCCC1", "never saw a bond C4-C4 in a ring; expected no ring"),
        ("C", "never saw the angle H1-C4-H1|never saw a particle like MOL:C1 with these neighbours"),
    ],
)
def test_other_molecules_are_refused(smiles, message):
    with pytest.raises(MoleculeError, match=message):
        sd.bind(MODEL, build(smiles=smiles).topology)


def test_another_force_field_is_refused_and_its_own_is_taken():
    butane = build(smiles="CCCC").topology
    files = Path(sd.__file__).parent / "reference" / "force_fields" / "oplsaa_alkanes_tip3p.xml"
    options = {"constraints": app.HBonds, "hydrogenMass": 3 * unit.dalton}
    own = app.ForceField(str(files)).createSystem(butane, **options)
    assert sd.bind(MODEL, butane, own).card.num_particles == 14
    other = app.ForceField(str(files)).createSystem(butane, **options)
    for force in other.getForces():
        if type(force).__name__ == "HarmonicAngleForce":
            i, j, k, angle, constant = force.getAngleParameters(0)
            force.setAngleParameters(0, i, j, k, angle, 1.1 * constant)
    with pytest.raises(MoleculeError, match="trained with another force field; expected angle"):
        sd.bind(MODEL, butane, other)
