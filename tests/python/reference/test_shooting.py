"""Two-way shooting: weighted paths give the transition probabilities of equilibrium, whatever the bias."""

import dataclasses

import numpy as np
import pytest
from alanine import PDB, alanine_molecule, make_trajectory
from kills import files_of

from openmm_scoredyn import data
from openmm_scoredyn.errors import MoleculeError, SamplingError, TrajectoryError
from openmm_scoredyn.molecule.geometry import backbone_torsions, dihedral_angles
from openmm_scoredyn.reference import bias as bias_module
from openmm_scoredyn.reference.bias import TorsionBias, find_bias
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.plan import TORSIONS, SimulationPlan
from openmm_scoredyn.reference.shooting import path_weights, two_way_path
from openmm_scoredyn.reference.simulate import simulate

SHOOTING = SimulationPlan(2, 2, n_segments=6, steering="shooting", equilibration_ps=1.0, frames_per_chunk=4)
# From the free energy of phi: two basins, a barrier between them.
BIAS = TorsionBias((4.3, -3.7, -9.9), (-15.3, 13.2, -3.0))


def two_wells(states: int = 9, barrier_kT: float = 7.0) -> tuple[np.ndarray, np.ndarray]:
    """Equilibrium populations and transition matrix of a Metropolis walk in a double well: reversible, and
    solvable.
    """
    x = np.linspace(-1, 1, states)
    energy = barrier_kT * (x**2 - 1) ** 2
    matrix = np.zeros((states, states))
    for i in range(states - 1):
        matrix[i, i + 1] = 0.5 * min(1, np.exp(energy[i] - energy[i + 1]))
        matrix[i + 1, i] = 0.5 * min(1, np.exp(energy[i + 1] - energy[i]))
    np.fill_diagonal(matrix, 1 - matrix.sum(1))
    return np.exp(-energy) / np.exp(-energy).sum(), matrix


@pytest.mark.parametrize("flattening", [0.7, 1.2])
def test_weighted_paths_have_the_exact_transition_probabilities(flattening):
    """Down to a hop of probability 4e-5, to its error bar, from 20,000 paths."""
    equilibrium, matrix = two_wells()
    generator, intervals, count = np.random.default_rng(2), 10, 20_000
    factors = equilibrium**-flattening
    starts = generator.choice(
        len(equilibrium), count, p=equilibrium * factors / (equilibrium * factors).sum()
    )
    cumulative = matrix.cumsum(1)

    def shoot(start):
        def run(sign, steps):
            states, now = [], start
            for _ in range(steps):
                now = int(np.searchsorted(cumulative[now], generator.random()))
                states.append(now)
            return np.array(states, dtype=int)

        path = two_way_path(np.array(start), run, intervals, generator)
        assert len(path) == intervals + 1
        return path[[0, -1]], path_weights(factors[path])

    ends, weights = (np.array(part) for part in zip(*map(shoot, starts)))
    ends, weights = np.concatenate([ends, ends[:, ::-1]]), np.concatenate([weights[:, 0], weights[:, 1]])
    exact = np.linalg.matrix_power(matrix, intervals)
    for begin, end in ((0, 8), (1, 7), (0, 1), (4, 0)):
        chosen = ends[:, 0] == begin
        hit, weight = ends[chosen, 1] == end, weights[chosen]
        found = weight[hit].sum() / weight.sum()
        error = np.sqrt((weight**2 * (hit - found) ** 2).sum()) / weight.sum()
        # Both directions of a path are counted, so errors are up to sqrt(2) larger.
        assert abs(found - exact[begin, end]) < 3.5 * 1.4 * error, (begin, end)
        assert error < 0.35 * exact[begin, end], (begin, end)


def test_the_bias_is_the_same_in_openmm_and_in_the_weights():
    import openmm

    system = openmm.System()
    for _ in range(4):
        system.addParticle(12.0)
    system.addForce(BIAS.force((0, 1, 2, 3)))
    context = openmm.Context(
        system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
    )
    positions = np.random.default_rng(3).normal(size=(6, 4, 3))
    angles = dihedral_angles(positions, np.array([[0, 1, 2, 3]]))[:, 0]
    for frame, angle in zip(positions, angles):
        context.setPositions(frame)
        found = context.getState(getEnergy=True).getPotentialEnergy()._value
        assert found == pytest.approx(float(BIAS.energy(angle)), abs=1e-4)


def test_metadynamics_finds_the_barrier(monkeypatch):
    from openmm.app import PDBFile

    monkeypatch.setattr(bias_module, "METADYNAMICS_PS", 300.0)
    pdb = PDBFile(str(PDB))
    found = find_bias(
        pdb.topology, pdb.positions, Physics(), backbone_torsions(alanine_molecule())[0][0], seed=1
    )
    barrier, basin = found.energy(np.radians([0.0, -80.0]))
    assert 20 < basin - barrier < 60  # 28 kJ/mol, times 1.5


def prepared(directory):
    directory.mkdir()
    BIAS.save(directory / "bias.json")
    return directory


def test_restart_gives_the_same_bytes(tmp_path):
    class Killed(Exception):
        pass

    def kill_after_first_chunk(done, total):
        if done > 0:
            raise Killed

    unbroken = simulate(PDB, SHOOTING, prepared(tmp_path / "unbroken"))
    with pytest.raises(Killed):
        simulate(PDB, SHOOTING, prepared(tmp_path / "broken"), progress=kill_after_first_chunk)
    broken = simulate(PDB, SHOOTING, tmp_path / "broken")
    assert [files_of(path) for path in broken] == [files_of(path) for path in unbroken]
    loaded = data.load(unbroken)[0]
    assert loaded.steered and loaded.weights.shape == (6, 2) and len(loaded.segments) == 6
    assert not np.array_equal(loaded.weights, np.ones((6, 2)))
    # One picosecond moves every atom, but not far.
    moved = np.abs(np.diff(np.stack(loaded.segments), axis=1))
    assert 0.005 < moved.mean() < 0.2


@pytest.mark.parametrize("torsion", TORSIONS)
def test_weights_follow_from_the_bias_at_the_ends(tmp_path, torsion):
    plan = dataclasses.replace(SHOOTING, shot_torsion=torsion)
    paths = data.load(simulate(PDB, plan, prepared(tmp_path / "paths")))
    atoms = np.array([backbone_torsions(paths[0].molecule)[0][TORSIONS.index(torsion)]])
    for path in paths:
        ends = np.stack(path.segments).reshape(-1, 22, 3)
        angle = dihedral_angles(ends, atoms)[:, 0].reshape(-1, 2)
        factors = BIAS.boltzmann_factor(angle, 300.0)
        np.testing.assert_allclose(
            path.weights[:, 0] / path.weights[:, 1], factors[:, 0] / factors[:, 1], rtol=1e-3
        )


def test_the_chain_follows_the_bias_of_its_torsion(tmp_path):
    """A strong bias holds psi where equilibrium hardly goes."""
    atoms = np.array([backbone_torsions(make_trajectory(2).molecule)[0][1]])
    held = np.radians(-100.0)
    TorsionBias((-60.0 * float(np.cos(held)),), (-60.0 * float(np.sin(held)),)).save(tmp_path / "bias.json")
    plan = dataclasses.replace(SHOOTING, n_trajectories=1, shot_torsion="psi", frame_spacing_ps=0.08)
    (paths,) = data.load(simulate(PDB, plan, tmp_path / "paths", bias=tmp_path / "bias.json"))
    angle = np.degrees(dihedral_angles(paths.positions, atoms)[:, 0])
    assert np.median(np.abs((angle + 100 + 180) % 360 - 180)) < 50


def test_mistakes_are_named(tmp_path):
    with pytest.raises(SamplingError, match="a segment of two frames; expected frames_per_segment 2"):
        SimulationPlan(1, 3, steering="shooting")
    with pytest.raises(SamplingError, match="expected one of phi, psi, found omega"):
        SimulationPlan(1, 2, steering="shooting", shot_torsion="omega")
    with pytest.raises(SamplingError, match="is for shooting; expected steering shooting, found none"):
        SimulationPlan(1, 2, shot_torsion="psi")
    glycine = tmp_path / "water.pdb"
    glycine.write_text(
        "HETATM    1  O   HOH A   1       0.000   0.000   0.000  1.00  0.00           O\n"
        "HETATM    2  H1  HOH A   1       0.957   0.000   0.000  1.00  0.00           H\n"
        "HETATM    3  H2  HOH A   1      -0.240   0.927   0.000  1.00  0.00           H\nEND\n"
    )
    physics = Physics(force_field=("amber14/tip3p.xml",), solvent="vacuum")
    plan = SimulationPlan(1, 2, steering="shooting", physics=physics)
    with pytest.raises(MoleculeError, match="steering needs a residue with phi and psi"):
        simulate(glycine, plan, tmp_path / "out")
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())
    with pytest.raises(
        TrajectoryError, match=r"weights of shape \(1, 2\); expected \(2, 2\), for segments of two"
    ):
        make_trajectory(2, 2, weights=np.ones((1, 2), np.float32))
    with pytest.raises(TrajectoryError, match="expected weights that are positive and finite"):
        make_trajectory(2, 2, weights=np.zeros((2, 2), np.float32))
