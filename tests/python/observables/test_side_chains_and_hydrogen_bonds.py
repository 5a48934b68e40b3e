"""Torsions of amino acids by their names, and hydrogen bonds of known geometry and statistics."""

import numpy as np
import pytest
from alanine import alanine_molecule
from small_md import as_trajectory

import openmm_scoredyn as sd
from openmm_scoredyn.comparison import compare
from openmm_scoredyn.molecule.building import LETTERS
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.molecule.peptides import BACKBONE, SIDE_CHAIN, named_torsions
from openmm_scoredyn.observables import Observations, observables_for
from openmm_scoredyn.observables.hydrogen_bonds import HydrogenBonds

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def all_amino_acids():
    """Two peptides without caps, of ten residues each."""
    pytest.importorskip("PeptideBuilder")
    names = sorted(LETTERS)
    return [sd.build("-".join(half)) for half in (names[:10], names[10:])]


def test_torsions_are_those_of_mdtraj(all_amino_acids):
    """phi, psi and chi1 to chi5 of every amino acid, atom for atom as the field's scripts take them."""
    import mdtraj

    for built in all_amino_acids:
        frame = mdtraj.Trajectory(built.positions[None], mdtraj.Topology.from_openmm(built.topology))
        functions = (
            mdtraj.compute_phi,
            mdtraj.compute_psi,
            *(getattr(mdtraj, f"compute_chi{k}") for k in range(1, 6)),
        )
        expected = {tuple(row) for compute in functions for row in compute(frame)[0].tolist()}
        found = named_torsions(Particles.from_topology(built.topology))
        assert {one.atoms for one in found.values()} == expected
        sides = {one.name.split()[1][:3] for one in found.values() if one.part == SIDE_CHAIN}
        assert sides == {"chi"}


def test_side_chains_are_named_and_nothing_is_left_out(all_amino_acids):
    particles = Particles.from_topology(all_amino_acids[1].topology)
    (torsions,) = observables_for(particles, False, ["torsions"])
    named = dict(zip(torsions.labels, torsions.parts, strict=True))
    serine = next(
        f"SER{k + 1}" for k, r in enumerate(all_amino_acids[1].topology.residues()) if r.name == "SER"
    )
    assert named[f"{serine} chi1"] == SIDE_CHAIN
    ends = [text for text, part in named.items() if part == BACKBONE]
    assert [text.split()[1] for text in ends] in (["psi", "phi"], ["phi", "psi"]), "those of the open ends"


def bonded_angle(degrees: float, apart_nm: float) -> np.ndarray:
    """Alanine dipeptide's atoms far apart but for N-H of NME and O of ACE, at a distance and an angle."""
    molecule = alanine_molecule()
    names = list(zip(molecule.residue_names, molecule.atom_names, strict=True))
    positions = 10.0 * np.arange(len(names))[:, None] * np.ones(3)
    angle = np.radians(degrees)
    hydrogen = np.zeros(3)
    positions[names.index(("NME", "H"))] = hydrogen
    positions[names.index(("NME", "N"))] = [0.1, 0.0, 0.0]
    positions[names.index(("ACE", "O"))] = apart_nm * np.array([np.cos(angle), np.sin(angle), 0.0])
    return positions


def test_a_bond_is_near_and_straight():
    bonds = HydrogenBonds.of(alanine_molecule(), False)
    frames = np.array([bonded_angle(*how) for how in ((180, 0.2), (130, 0.24), (110, 0.2), (180, 0.26))])
    seen = bonds.features(frames, np.zeros((4, 3, 3)))
    assert seen.sum(axis=1).tolist() == [1, 1, 0, 0]
    assert bonds.labels[int(seen[0].argmax())] == "NME3:N-ACE1:O"
    donors = {tuple(atoms) for atoms in bonds.atoms.tolist()}
    molecule = alanine_molecule()
    names = [f"{r}:{n}" for r, n in zip(molecule.residue_names, molecule.atom_names, strict=True)]
    assert {"-".join(names[a] for a in one) for one in donors} == {
        "ALA:N-ALA:H-ALA:O",
        "NME:N-NME:H-ACE:O",
    }, "the oxygen beside a hydrogen's own amide is three bonds away"


def test_shares_and_correlations_are_those_of_a_chain():
    """A bond that breaks and forms in a Markov chain of two states."""
    breaks, forms = 0.02, 0.03

    def run(seed):
        generator, state, path = np.random.default_rng(seed), 0, []
        for value in generator.random(30_000):
            path.append(state)
            state = state ^ int(value < (breaks if state else forms))
        frames = np.array([bonded_angle(100, 0.2), bonded_angle(170, 0.2)])
        return as_trajectory(frames[np.array(path)], alanine_molecule(), seed=seed)

    chosen = observables_for(alanine_molecule(), False, ["hydrogen_bonds"])
    sides = [Observations.from_trajectories([run(seed)], chosen) for seed in (1, 2)]
    rows = {row.quantity.name: row for row in compare(*sides, chosen).rows}
    exact = {"mean number": 0.6, "NME3:N-ACE1:O": 0.6, "hydrogen bonds at 10 ps": (1 - breaks - forms) ** 10}
    for name, value in exact.items():
        assert abs(rows[name].reference.value - value) < 4 * rows[name].reference.error < 0.2 * value
        assert rows[name].verdict != "differs"
    assert not any(name.startswith("ALA2") for name in rows), "never seen, so not listed"
