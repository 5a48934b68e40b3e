"""Reference dynamics in a box of water: what is kept, restarts, steering, shooting, many copies."""

import dataclasses
import shutil
from functools import partial

import numpy as np
import pytest
from alanine import PDB, alanine_positions
from kills import run_through_kills

from openmm_scoredyn import data
from openmm_scoredyn.data import preparation
from openmm_scoredyn.data.bias import TorsionBias
from openmm_scoredyn.data.copies import repulsion
from openmm_scoredyn.data.physics import Physics
from openmm_scoredyn.data.plan import SimulationPlan
from openmm_scoredyn.data.pressure import build_box_system
from openmm_scoredyn.data.simulate import simulate
from openmm_scoredyn.data.solvation import SolvatedBox, solvate
from openmm_scoredyn.dihedrals import backbone_torsions, phi_psi
from openmm_scoredyn.errors import MoleculeError, OutputError, SamplingError, TrajectoryError

# Far too small for physics; the same code.
TINY = Physics.in_solvent("tip3p", padding_nm=0.6, cutoff_nm=0.45, npt_ps=0.8)
FREE = SimulationPlan(
    1, 6, equilibration_ps=0.2, frame_spacing_ps=0.04, frames_per_chunk=2, physics=TINY
)
BIAS = TorsionBias((4.3, -3.7, -9.9), (-15.3, 13.2, -3.0))
KT = 0.00831446 * 300


def alanine_topology():
    from openmm.app import PDBFile

    return PDBFile(str(PDB)).topology


@pytest.fixture(scope="module")
def tiny_box(tmp_path_factory):
    """Folder with a box of one alanine dipeptide in very little water, for plans of `TINY`."""
    directory = tmp_path_factory.mktemp("box")
    preparation.prepare(directory, FREE, PDB.read_text(), None)
    return directory / "box"


def with_box(directory, tiny_box):
    shutil.copytree(tiny_box, directory / "box")
    return directory


def bond_lengths(trajectory):
    first, second = np.array(trajectory.molecule.bonds).T
    return np.linalg.norm(trajectory.positions[:, first] - trajectory.positions[:, second], axis=-1)


def test_restart_in_water_gives_the_same_bytes(tmp_path, tiny_box):
    (unbroken,) = simulate(PDB, FREE, with_box(tmp_path / "unbroken", tiny_box))
    directory = with_box(tmp_path / "broken", tiny_box)
    (broken,), kills = run_through_kills(partial(simulate, PDB, FREE, directory))
    assert kills >= FREE.n_chunks
    assert broken.read_bytes() == unbroken.read_bytes()
    # The solute alone, and noise that does not repeat from chunk to chunk.
    (trajectory,) = data.load(broken)
    assert trajectory.positions.shape == (6, 22, 3)
    moved = np.diff(trajectory.positions, axis=0)
    assert np.abs(moved).reshape(5, -1).mean(1).min() > 1e-3
    assert (trajectory.solvent, trajectory.force_field) == ("tip3p", "amber99sbildn.xml + tip3p.xml")


def test_the_box_is_made_once(tmp_path, tiny_box, monkeypatch):
    directory = with_box(tmp_path / "md", tiny_box)
    monkeypatch.setattr(preparation, "make_box", lambda *arguments: pytest.fail("the box was made again"))
    preparation.prepare(directory, FREE, PDB.read_text(), None)
    assert not list(directory.glob("*.npz")), "the folder's npz files are trajectories"


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
    from openmm_scoredyn.data.pressure import _scaled

    positions = np.random.default_rng(0).normal(size=(7, 3))
    molecules = [[0, 1, 2], [3, 4, 5, 6]]
    scaled = _scaled(positions, molecules, 1.1)
    for atoms in molecules:
        np.testing.assert_allclose(scaled[atoms].mean(0), 1.1 * positions[atoms].mean(0))
        np.testing.assert_allclose(scaled[atoms] - scaled[atoms[0]], positions[atoms] - positions[atoms[0]])


def test_steering_in_water_is_labelled_and_reaches_its_target(tmp_path, tiny_box):
    plan = dataclasses.replace(FREE, frames_per_segment=2, steering=(60.0, 40.0))
    (path,) = simulate(PDB, plan, with_box(tmp_path / "md", tiny_box))
    (trajectory,) = data.load(path)
    assert trajectory.steered and not trajectory.consecutive
    released = np.degrees(phi_psi(trajectory.positions[:1], trajectory.molecule))[0] - (60, 40)
    assert np.abs((released + 180) % 360 - 180).max() < 60


def test_shooting_in_water_uses_the_bias_it_is_given(tmp_path, tiny_box, monkeypatch):
    monkeypatch.setattr(preparation, "find_bias", lambda *arguments: pytest.fail("a bias was looked for"))
    plan = SimulationPlan(
        1,
        2,
        n_segments=2,
        steering="shooting",
        equilibration_ps=0.1,
        frame_spacing_ps=0.08,
        frames_per_chunk=2,
        physics=TINY,
    )
    BIAS.save(tmp_path / "given.json")
    (path,) = simulate(PDB, plan, with_box(tmp_path / "md", tiny_box), bias=tmp_path / "given.json")
    (paths,) = data.load(path)
    assert paths.steered and paths.weights.shape == (2, 2)
    assert [segment.shape for segment in paths.segments] == [(2, 22, 3)] * 2
    phi = np.array([backbone_torsions(paths.molecule)[0][0]])
    factors = BIAS.boltzmann_factor(data.shooting.dihedral_angles(paths.positions, phi)[:, 0].reshape(2, 2), 300.0)
    np.testing.assert_allclose(
        paths.weights[:, 0] / paths.weights[:, 1], factors[:, 0] / factors[:, 1], rtol=1e-3
    )
    # What lies in the folder is used without being named again; another one is refused.
    assert simulate(PDB, plan, tmp_path / "md") == [path]
    TorsionBias((1.0,), (0.0,)).save(tmp_path / "other.json")
    with pytest.raises(OutputError, match="holds paths shot with another bias"):
        simulate(PDB, plan, tmp_path / "md", bias=tmp_path / "other.json")


def centres_context(masses, contact, box_nm, integrator):
    """Two rigid-less molecules of as many atoms as there are masses, without any force but the repulsion."""
    import openmm

    system = openmm.System()
    for mass in [*masses, *masses]:
        system.addParticle(mass)
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * box_nm))
    system.addForce(repulsion(2, len(masses), contact))
    return openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))


def test_repulsion_is_flat_beyond_contact_and_along_the_line_of_centres_within():
    import openmm

    masses, contact, box = np.array([12.0, 3.0, 16.0]), 1.2, 4.0
    context = centres_context(masses, contact, box, openmm.VerletIntegrator(0.001))
    generator = np.random.default_rng(1)
    shape = generator.normal(size=(2, 3, 3)) * 0.1
    shape -= np.einsum("a,mak->mk", masses, shape)[:, None] / masses.sum()
    direction = np.array([2.0, -1.0, 2.0]) / 3

    def evaluate(distance, image=(0, 0, 0)):
        positions = shape.copy()
        positions[1] += distance * direction + np.array(image) * box
        context.setPositions(positions.reshape(6, 3))
        state = context.getState(getEnergy=True, getForces=True)
        return state.getPotentialEnergy()._value, state.getForces(asNumpy=True)._value.reshape(2, 3, 3)

    for distance in (1.21, 1.9):
        energy, forces = evaluate(distance)
        assert energy == 0 and np.all(forces == 0)
    for distance, image in ((1.1, (0, 0, 0)), (0.9, (0, 0, 0)), (1.1, (1, 0, -1))):
        energy, forces = evaluate(distance, image)
        assert energy == pytest.approx(0.5 * 500 * (contact - distance) ** 2, rel=1e-5)
        # All atoms of a molecule are accelerated alike: nothing inside it is pushed about.
        acceleration = forces / masses[None, :, None]
        expected = 500 * (contact - distance) / masses.sum() * direction
        np.testing.assert_allclose(acceleration[1], np.tile(expected, (3, 1)), rtol=1e-4)
        np.testing.assert_allclose(acceleration[0], np.tile(-expected, (3, 1)), rtol=1e-4)


def test_copies_come_as_close_as_the_boltzmann_distribution_says():
    """Two free atoms in a box: how often they are within contact, and how deep, against the integral over distances."""
    import openmm

    contact, box = 0.8, 2.0
    integrator = openmm.LangevinMiddleIntegrator(300, 20.0, 0.01)
    integrator.setRandomNumberSeed(3)
    context = centres_context([20.0], contact, box, integrator)
    context.setPositions(np.array([[0.0, 0, 0], [1.0, 0, 0]]))
    context.setVelocitiesToTemperature(300, 4)
    distances = []
    for _ in range(20_000):
        integrator.step(10)
        x = context.getState(getPositions=True).getPositions(asNumpy=True)._value
        difference = x[1] - x[0]
        distances.append(np.linalg.norm(difference - box * np.round(difference / box)))
    distances = np.array(distances)
    r = np.linspace(0, contact, 4001)
    density = 4 * np.pi * r**2 * np.exp(-0.5 * 500 * (contact - r) ** 2 / KT)
    within = np.trapezoid(density, r)
    expected = within / (box**3 - 4 / 3 * np.pi * contact**3 + within)
    inside = distances < contact
    blocks = inside.reshape(40, -1).mean(1)
    assert abs(inside.mean() - expected) < 4 * blocks.std(ddof=1) / np.sqrt(40)
    assert 0 < inside.mean() and blocks.std(ddof=1) / np.sqrt(40) < 0.2 * expected
    assert distances.min() > contact - 5 * np.sqrt(KT / 500)


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


def test_copies_have_trajectories_of_their_own_and_are_whole(tmp_path):
    plan = dataclasses.replace(FREE, copies=2, frames_per_segment=3, physics=dataclasses.replace(TINY, npt_ps=0.4))
    reports = []
    paths = simulate(PDB, plan, tmp_path, progress=lambda *report: reports.append(report))
    assert [path.name for path in paths] == ["trajectory_0000.npz", "trajectory_0001.npz"]
    assert reports[-1] == pytest.approx((2 * 3 * 0.04, 2 * 3 * 0.04))
    trajectories = data.load(tmp_path)
    for trajectory in trajectories:
        lengths = bond_lengths(trajectory)
        assert 0.08 < lengths.min() and lengths.max() < 0.2
    inside = [t.positions - t.positions.mean(1, keepdims=True) for t in trajectories]
    assert np.abs(inside[0] - inside[1]).max() > 0.01
    box = SolvatedBox.load(tmp_path / "box" / "box.npz")
    difference = trajectories[0].positions.mean(1) - trajectories[1].positions.mean(1)
    difference -= np.diag(box.vectors) * np.round(difference / np.diag(box.vectors))
    assert np.linalg.norm(difference, axis=1).min() > box.contact_nm - 5 * np.sqrt(KT / 500)


def test_mistakes_are_named_before_any_work(tmp_path):
    with pytest.raises(SamplingError, match=r"expected a cutoff of at most 0.45 nm at a padding of 0.6 nm, found 0.8"):
        Physics.in_solvent("tip3p", padding_nm=0.6)
    with pytest.raises(SamplingError, match=r"pressure_bar must be positive; found -1"):
        Physics.in_solvent("tip3p", pressure_bar=-1.0)
    with pytest.raises(SamplingError, match=r"several copies share a box of water"):
        SimulationPlan(1, 3, copies=2)
    with pytest.raises(SamplingError, match=r"paths are shot one by one"):
        SimulationPlan(1, 2, copies=2, steering="shooting", physics=TINY)
    with pytest.raises(SamplingError, match=r"a bias is for shooting; expected steering shooting, found none"):
        simulate(PDB, FREE, tmp_path / "out", bias=tmp_path / "bias.json")
    shooting = SimulationPlan(1, 2, steering="shooting", physics=TINY)
    with pytest.raises(TrajectoryError, match=r"the bias in .*bias.json cannot be read"):
        simulate(PDB, shooting, tmp_path / "out", bias=tmp_path / "bias.json")
    with pytest.raises(SamplingError, match=r"no registered Platform called .Hurry.; give a platform"):
        nowhere = dataclasses.replace(FREE, physics=dataclasses.replace(TINY, platform="Hurry"))
        simulate(PDB, nowhere, tmp_path / "out")
    wet = tmp_path / "wet.pdb"
    water = "HETATM   23  O   HOH A   4      20.000   0.000   0.000  1.00  0.00           O\n"
    wet.write_text("".join(l for l in PDB.read_text().splitlines(True) if l.startswith(("ATOM", "HETATM"))) + water)
    with pytest.raises(MoleculeError, match=r"water is added to the molecule; expected .* without, found 1 residues"):
        simulate(wet, FREE, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_command_has_the_defaults_of_the_solvent(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from openmm_scoredyn.cli import app

    asked = {}

    def note(structure, plan, directory, **options):
        asked.update(plan=plan, **options)
        options["progress"](0.0, 10.0)
        options["progress"](10.0, 10.0)
        return [directory / f"{number}.npz" for number in range(plan.n_trajectories * plan.copies)]

    monkeypatch.setattr("openmm_scoredyn.data.simulate.simulate", note)
    arguments = ["simulate", str(PDB), "--out", str(tmp_path / "md"), "--length", "10ps", "--trajectories", "1"]
    result = CliRunner().invoke(app, [*arguments, "--solvent", "tip3p", "--copies", "3", "--seed", "5"])
    assert result.exit_code == 0, result.output
    assert asked["plan"].physics == Physics(
        ("amber99sbildn.xml", "tip3p.xml"), "tip3p", friction_per_ps=1.0, platform="CPU"
    )
    assert (asked["plan"].copies, asked["plan"].equilibration_ps) == (3, 200.0)
    assert "3 trajectories, 33 ps in all" in result.output and "ns/day" not in result.output, "made at no speed"
    CliRunner().invoke(app, arguments)
    assert asked["plan"].physics == Physics() and asked["plan"].equilibration_ps == 1000.0


def slow_runs(directory, platform, copies, frames, seed):
    """Trajectories of `copies` in one box, in water as real simulations have it."""
    physics = Physics.in_solvent("tip3p", platform=platform, npt_ps=100.0)
    plan = SimulationPlan(1, frames, equilibration_ps=20.0, physics=physics, copies=copies, seed=seed)
    return data.load(simulate(PDB, plan, directory / f"{copies}_{seed}"))


def measure(trajectory):
    """Populations and how fast they change, of one trajectory (K,): share of alpha_R, its crossings, means, fast motions."""
    angles = phi_psi(trajectory.positions, trajectory.molecule)
    psi = np.degrees(angles[:, 1])
    helical, extended = (psi > -70) & (psi < 10), (psi > 110) | (psi < -150)
    visited = helical[helical | extended]
    steps = np.angle(np.exp(1j * np.diff(angles, axis=0)))
    ends = np.linalg.norm(trajectory.positions[:, 1] - trajectory.positions[:, 18], axis=-1)
    decay = ends - ends.mean()
    return np.array(
        [
            helical.mean(),
            (visited[1:] != visited[:-1]).mean(),
            *np.cos(angles).mean(0),
            *(steps**2).mean(0),
            ends.mean(),
            ends.var(),
            (decay[1:] * decay[:-1]).mean() / ends.var(),
        ]
    )


@pytest.mark.slow
def test_many_copies_behave_like_one_alone(tmp_path):
    """The same start and the same history in both, so that they agree at any length; on a GPU long enough for crossings.

    Half an hour on a processor of its own.
    """
    from conftest import platforms_here

    on_gpu = bool(platforms_here(("CUDA",)))
    platform, copies, alone, frames = ("CUDA", 64, 8, 4000) if on_gpu else ("CPU", 4, 6, 120)
    together = np.array([measure(t) for t in slow_runs(tmp_path, platform, copies, frames, seed=1)])
    apart = [t for seed in range(alone) for t in slow_runs(tmp_path, platform, 1, frames, seed)]
    apart = np.array([measure(t) for t in apart])
    error = np.sqrt(sum(part.var(0, ddof=1) / len(part) for part in (together, apart)))
    difference = together.mean(0) - apart.mean(0)
    # Few trajectories: Student's t with about 7 degrees of freedom goes beyond 5 once in a thousand times.
    assert np.all(np.abs(difference) <= 5 * error), (difference, error)
