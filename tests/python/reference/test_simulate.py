import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from alanine import PDB, alanine_molecule
from kills import files_of, run_through_kills
from typer.testing import CliRunner

from openmm_scoredyn import data
from openmm_scoredyn.cli import app
from openmm_scoredyn.data.frame_store import FrameStore
from openmm_scoredyn.errors import ClusterError, MoleculeError, OutputError, SamplingError
from openmm_scoredyn.molecule.building import build
from openmm_scoredyn.molecule.geometry import backbone_torsions, dihedral_angles, rotatable_torsions
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.plan import SimulationPlan
from openmm_scoredyn.reference.simulate import simulate
from openmm_scoredyn.reference.system import build_reference_system
from openmm_scoredyn.reference.tasks import make_trajectory, run_on_executor
from openmm_scoredyn.version import __version__

FREE = SimulationPlan(2, 12, equilibration_ps=1.0, frames_per_chunk=5)
STEERED = SimulationPlan(2, 4, n_segments=3, steering="uniform", equilibration_ps=1.0, frames_per_chunk=5)


@pytest.mark.parametrize("plan", [FREE, STEERED], ids=["free", "steered"])
def test_restart_at_every_chunk_gives_the_same_bytes(tmp_path, plan):
    simulate(PDB, plan, tmp_path / "unbroken")
    _, kills = run_through_kills(partial(simulate, PDB, plan, tmp_path / "broken"))
    assert kills >= 2 * plan.n_chunks
    assert files_of(tmp_path / "broken") == files_of(tmp_path / "unbroken")
    # Two stores of three chunks each, with the index, a state to go on from, and no lock.
    assert len(files_of(tmp_path / "broken")) == 1 + 2 * (plan.n_chunks + 2)


def test_processes_give_the_bytes_of_one(tmp_path):
    reports = []
    simulate(PDB, FREE, tmp_path / "one")
    simulate(PDB, FREE, tmp_path / "two", processes=2, progress=lambda *report: reports.append(report))
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    assert reports[-1] == (22.0, 22.0)


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_of_an_executor_give_the_bytes_of_one(tmp_path, workers):
    """Threads of one process too, although the random numbers of Reference are global to it."""
    reports = []
    plan = dataclasses.replace(FREE, n_trajectories=3)
    simulate(PDB, plan, tmp_path / "one")
    with ThreadPoolExecutor(workers) as executor:
        simulate(
            PDB,
            plan,
            tmp_path / "many",
            executor=executor,
            progress=lambda *report: reports.append(report),
        )
    assert files_of(tmp_path / "one") == files_of(tmp_path / "many")
    assert reports[-1] == (33.0, 33.0)


def test_killed_workers_of_a_cluster_change_no_byte(tmp_path):
    pytest.importorskip("distributed")
    from openmm_scoredyn.dynamics import open_cluster

    plan = dataclasses.replace(FREE, frames_per_segment=60, frames_per_chunk=2)
    simulate(PDB, plan, tmp_path / "one")
    killed, seen = [], []

    def kill(done, total):
        seen.append(done)
        if 0 < done < total and not killed:
            killed.extend(client.run(os.getpid).values())
            os.kill(killed[0], signal.SIGKILL)

    with open_cluster("local:2") as executor:
        client = executor._client
        simulate(PDB, plan, tmp_path / "many", executor=executor, progress=kill)
    assert killed and files_of(tmp_path / "one") == files_of(tmp_path / "many")
    assert seen == sorted(seen), "what was there is not made again"


def test_the_command_takes_a_cluster(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    given = []

    def recorded(executor, *rest):
        given.append(executor)
        run_on_executor(executor, *rest)

    monkeypatch.setattr("openmm_scoredyn.reference.simulate.run_on_executor", recorded)
    common = [str(PDB), *["--length", "3ps", "--equilibration", "1ps", "--trajectories", "2", "--seed", "1"]]
    for out, cluster in (("one", []), ("many", ["--cluster", "local:1"])):
        done = CliRunner().invoke(app, ["simulate", *common, "--out", str(tmp_path / out), *cluster])
        assert done.exit_code == 0, done.output
        assert len(given) == bool(cluster)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "many")


def test_a_worker_that_cannot_do_the_task_says_so(tmp_path):
    with pytest.raises(ClusterError, match="another openmm-scoredyn; expected 0.0.1, found"):
        make_trajectory(None, FREE, str(tmp_path), 0, "0.0.1")
    with pytest.raises(ClusterError, match="cannot see .*none; expected the folder that all is written to"):
        make_trajectory(None, FREE, str(tmp_path / "none"), 0, __version__)


def test_kill_and_restart_of_a_real_run(tmp_path):
    plan = dataclasses.replace(FREE, n_trajectories=2, frames_per_segment=120)
    script = tmp_path / "script.py"
    script.write_text(
        "from openmm_scoredyn.reference.plan import SimulationPlan\n"
        "from openmm_scoredyn.reference.simulate import simulate\n"
        "if __name__ == '__main__':\n"
        f"    simulate({str(PDB)!r}, SimulationPlan(2, 120, equilibration_ps=1.0, frames_per_chunk=5),\n"
        f"             {str(tmp_path / 'broken')!r}, processes=2)\n"
    )
    process = subprocess.Popen([sys.executable, script], start_new_session=True)
    chunk = tmp_path / "broken" / "trajectory_0001.frames" / "000002.positions.npy"
    deadline = time.monotonic() + 60
    while not chunk.exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    # Only the parent: its workers must notice and stop by themselves.
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.5)
    before = files_of(tmp_path / "broken")
    time.sleep(0.5)
    assert before == files_of(tmp_path / "broken"), "a worker outlived its parent"
    assert FrameStore(chunk.parent).n_frames < 120
    subprocess.run([sys.executable, script], check=True)
    simulate(PDB, plan, tmp_path / "unbroken")
    assert files_of(tmp_path / "broken") == files_of(tmp_path / "unbroken")


def test_what_is_written_can_be_loaded_and_says_what_it_is(tmp_path):
    simulate(PDB, STEERED, tmp_path)
    trajectories = data.load(tmp_path)
    assert [t.steered for t in trajectories] == [True, True]
    assert [len(t.segments) for t in trajectories] == [3, 3]
    assert trajectories[0].force_field == "amber99sbildn.xml + amber99_obc.xml"
    masses = np.array(trajectories[0].molecule.masses_amu)
    hydrogen = np.array(trajectories[0].molecule.types) == "H"
    np.testing.assert_allclose(masses[hydrogen], 3.0)
    assert masses.sum() == pytest.approx(144.17, abs=0.1)
    assert not np.array_equal(trajectories[0].positions, trajectories[1].positions)


def dihedral(x, atoms):
    a, b, c, d = (x[index].astype(float) for index in atoms)
    n1, n2 = np.cross(b - a, c - b), np.cross(c - b, d - c)
    return np.degrees(np.arctan2(np.dot(np.cross(n1, n2), (c - b) / np.linalg.norm(c - b)), np.dot(n1, n2)))


def test_steering_reaches_its_target_and_lets_go(tmp_path):
    # phi = 60 is where the free molecule hardly ever is; psi = -90 is steep, so that it is left after the
    # release.
    plan = SimulationPlan(1, 6, n_segments=4, steering=(60.0, -90.0), equilibration_ps=0.0)
    simulate(PDB, plan, tmp_path)
    ((phi, psi),) = backbone_torsions(alanine_molecule())
    (trajectory,) = data.load(tmp_path)
    released = np.array([[dihedral(s[0], phi) - 60, dihedral(s[0], psi) + 90] for s in trajectory.segments])
    released = (released + 180) % 360 - 180
    # k = 50 kJ/mol gives a spread of about 13 degrees, and the molecule's own forces pull.
    assert np.abs(released).max() < 60
    assert np.abs(released).mean() < 25
    moved = [abs((dihedral(s[-1], psi) + 90 + 180) % 360 - 180) for s in trajectory.segments]
    assert max(moved) > 40


def test_rotamers_reach_every_torsion(tmp_path):
    """phi, psi and chi1 of valine, each released near the target that was drawn for it."""
    valine = build("ACE-VAL-NME")
    plan = SimulationPlan(1, 2, n_segments=12, steering="rotamers", equilibration_ps=0.0)
    simulate(valine, plan, tmp_path / "md")
    (trajectory,) = data.load(tmp_path / "md")
    assert trajectory.steered
    atoms = rotatable_torsions(trajectory.molecule)
    assert len(atoms) == 3
    released = dihedral_angles(np.stack([segment[0] for segment in trajectory.segments]), atoms)
    drawn = [np.random.default_rng([1, 0, k]).uniform(-np.pi, np.pi, 3) for k in range(12)]
    apart = np.degrees(np.abs((released - drawn + np.pi) % (2 * np.pi) - np.pi))
    assert apart.mean() < 25 and (apart.mean(axis=0) < 40).all()
    longer = SimulationPlan(1, 2, n_segments=14, steering="rotamers", equilibration_ps=0.0)
    simulate(valine, longer, tmp_path / "md")
    (after,) = data.load(tmp_path / "md")
    np.testing.assert_array_equal(after.segments[11], trajectory.segments[11])


def test_rotamers_of_a_molecule_that_does_not_turn_are_refused(tmp_path):
    (tmp_path / "water.pdb").write_text(
        "HETATM    1  O   HOH A   1       0.000   0.000   0.000  1.00  0.00           O\n"
        "HETATM    2  H1  HOH A   1       0.957   0.000   0.000  1.00  0.00           H\n"
        "HETATM    3  H2  HOH A   1      -0.240   0.927   0.000  1.00  0.00           H\nEND\n"
    )
    physics = Physics(force_field=("amber14/tip3p.xml",), solvent="vacuum")
    plan = SimulationPlan(1, 2, n_segments=2, steering="rotamers", physics=physics)
    with pytest.raises(MoleculeError, match="expected a molecule with one or more, found none"):
        simulate(tmp_path / "water.pdb", plan, tmp_path / "md")
    assert not (tmp_path / "md").exists()


def test_the_reference_system_conserves_what_it_should():
    from openmm import CMMotionRemover
    from openmm.app import PDBFile

    system = build_reference_system(PDBFile(str(PDB)).topology, Physics())
    assert not any(isinstance(force, CMMotionRemover) for force in system.getForces())
    assert system.getNumConstraints() == 12
    assert not system.usesPeriodicBoundaryConditions()


def test_temperature_of_the_dynamics():
    from openmm import unit
    from openmm.app import PDBFile

    from openmm_scoredyn.reference.engine import ReferenceEngine

    pdb = PDBFile(str(PDB))
    engine = ReferenceEngine(pdb.topology, pdb.positions, Physics(), seed=5)
    engine.start(2.0)
    kinetic = []
    for _ in range(150):
        engine.step(25)
        kinetic.append(
            engine._context.getState(getEnergy=True).getKineticEnergy().value_in_unit(unit.kilojoule_per_mole)
        )
    # 66 - 12 degrees of freedom; friction of 10/ps makes samples 0.1 ps apart nearly independent (e^-2 for
    # energies).
    expected = 0.5 * (66 - 12) * 0.00831446 * 300
    error = expected * np.sqrt(2 / 54) * np.sqrt((1 + np.exp(-2)) / (1 - np.exp(-2)) / 150)
    assert abs(np.mean(kinetic) - expected) < 4 * error


def test_another_plan_in_the_same_folder_is_refused(tmp_path):
    simulate(PDB, FREE, tmp_path)
    before = files_of(tmp_path)
    with pytest.raises(OutputError, match="holds another simulation; expected seed 2, found 1"):
        simulate(PDB, dataclasses.replace(FREE, seed=2), tmp_path)
    assert files_of(tmp_path) == before
    assert json.loads(before["plan.json"])["seed"] == 1


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"frames_per_segment": 1}, "frames_per_segment is too small; expected at least 2, found 1"),
        ({"frame_spacing_ps": 0.001}, "expected a multiple of 4 fs, found 1 fs"),
        ({"seed": -1}, "expected a seed from 0 to 2.32 - 1, found -1"),
        ({"n_trajectories": 0}, "n_trajectories is too small"),
    ],
)
def test_impossible_plans(changes, message):
    with pytest.raises(SamplingError, match=message):
        dataclasses.replace(FREE, **changes)


def test_bad_structures_and_paths(tmp_path):
    with pytest.raises(MoleculeError, match="cannot read .*missing.pdb; No such file"):
        simulate(tmp_path / "missing.pdb", FREE, tmp_path / "out")
    (tmp_path / "bare.pdb").write_text(
        "".join(line for line in PDB.read_text().splitlines(True) if " H" not in line[11:15])
    )
    with pytest.raises(MoleculeError, match="no System with amber99sbildn.xml"):
        simulate(tmp_path / "bare.pdb", FREE, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot create the folder .*file"):
        simulate(PDB, FREE, tmp_path / "file")


SALT = """\
HETATM    1 NA    NA A   1       0.000   0.000   0.000  1.00  0.00          NA
HETATM    2 CL    CL A   2       3.000   0.000   0.000  1.00  0.00          CL
END
"""


def test_structures_and_force_fields_of_other_kinds(tmp_path):
    (tmp_path / "salt.pdb").write_text(SALT)
    implicit = dataclasses.replace(FREE, physics=Physics(("amber14-all.xml", "amber99_obc.xml")))
    with pytest.raises(MoleculeError, match=r"no System|does not know an atom of the structure .* in vacuum"):
        simulate(tmp_path / "salt.pdb", implicit, tmp_path / "out")
    (tmp_path / "ala.prmtop").write_text("%VERSION  VERSION_STAMP = V0001.000\n%FLAG TITLE\n")
    with pytest.raises(
        MoleculeError, match="holds no positions; expected ala.inpcrd, .* beside it, found none"
    ):
        simulate(tmp_path / "ala.prmtop", FREE, tmp_path / "out")
    files = ("amber99sbildn.xml", str(tmp_path / "ala.prmtop"))
    with pytest.raises(MoleculeError, match="give force field files of OpenMM, in XML"):
        simulate(PDB, dataclasses.replace(FREE, physics=Physics(files, "vacuum")), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    dry = Physics.in_solvent("tip3p", force_field=("amber99sbildn.xml",))
    with pytest.raises(
        MoleculeError, match=r"the force field holds no water: add tip3p.xml to --force-field"
    ):
        simulate(PDB, dataclasses.replace(FREE, physics=dry), tmp_path / "wet")


def test_dynamics_that_blow_up_are_reported(tmp_path):
    hot = dataclasses.replace(FREE, physics=Physics(timestep_fs=40.0), frame_spacing_ps=1.0)
    with pytest.raises(SamplingError, match="blown up"):
        simulate(PDB, hot, tmp_path)
    assert not FrameStore(tmp_path / "trajectory_0000.frames").chunks


def test_a_script_without_a_main_guard_is_told(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from openmm_scoredyn.reference.plan import SimulationPlan\nfrom openmm_scoredyn.reference.simulate"
        f" import simulate\nsimulate({str(PDB)!r}, SimulationPlan(2, 5, equilibration_ps=0.0),"
        f" {str(tmp_path / 'out')!r}, processes=2)\n"
    )
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "SamplingError: simulate: a worker process ended on its own" in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--length", "2ps"], "2 trajectories, 4 ps in all"),
        (["--length", "2ps", "--steered", "--segments", "3"], "2 trajectories, 12 ps in all"),
        (["--shooting", "--segments", "5"], "2 trajectories, 10 ps in all"),
    ],
)
def test_the_time_said_is_the_time_between_frames(tmp_path, monkeypatch, options, said):
    """The first frame of a segment has none before it; a shot path is two frames, one spacing long."""
    from typer.testing import CliRunner

    from openmm_scoredyn.cli import app
    from openmm_scoredyn.reference import simulate as module

    monkeypatch.setattr(module, "prepare", lambda *rest: None)
    monkeypatch.setattr(module, "run_trajectory", lambda text, plan, directory, index, *rest: None)
    monkeypatch.setattr(module, "require_frames", lambda path, expected: None)
    result = CliRunner().invoke(app, ["simulate", str(PDB), "--out", str(tmp_path), *options])
    assert result.exit_code == 0, result.exception
    assert said in result.output


def test_command(tmp_path):
    import typer
    from typer.testing import CliRunner

    from openmm_scoredyn.cli.simulate import simulate as command

    app = typer.Typer()
    app.command()(command)
    free = [
        str(PDB),
        "--out",
        str(tmp_path / "free"),
        "--length",
        "4ps",
        "--spacing",
        "2ps",
        "--equilibration",
        "1ps",
    ]
    result = CliRunner().invoke(app, [*free, "--start", "60,-90", "--trajectories", "1"])
    assert result.exit_code == 0, result.output
    (trajectory,) = data.load(tmp_path / "free")
    assert (trajectory.n_frames, trajectory.frame_spacing_ps, trajectory.steered) == (3, 2.0, True)
    steered = [str(PDB), "--out", str(tmp_path / "steered"), "--length", "2ps", "--equilibration", "1ps"]
    result = CliRunner().invoke(app, [*steered, "--steered", "--segments", "3", "--trajectories", "1"])
    assert result.exit_code == 0, result.output
    (trajectory,) = data.load(tmp_path / "steered")
    assert [len(segment) for segment in trajectory.segments] == [3, 3, 3]
    assert CliRunner().invoke(app, [*free, "--start", "sixty"]).exit_code == 2
    result = CliRunner().invoke(app, [*free, "--seed", "-3"])
    assert isinstance(result.exception, SamplingError)


def frames_of(directory):
    return [trajectory.positions for trajectory in data.load(directory)]


@pytest.mark.parametrize(
    ("plan", "longer"),
    [
        (FREE, {"frames_per_segment": 19, "n_trajectories": 3}),
        (STEERED, {"n_segments": 5}),
        (SimulationPlan(1, 6, steering=(60.0, -90.0), equilibration_ps=0.0), {"frames_per_segment": 9}),
    ],
    ids=["free", "steered", "pulled"],
)
def test_a_simulation_is_made_longer(tmp_path, plan, longer):
    longer = dataclasses.replace(plan, **longer)
    simulate(PDB, plan, tmp_path / "grown")
    before = frames_of(tmp_path / "grown")
    simulate(PDB, longer, tmp_path / "grown")
    simulate(PDB, longer, tmp_path / "whole")
    after = frames_of(tmp_path / "grown")
    for ours, theirs in zip(after, frames_of(tmp_path / "whole"), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert len(after[0]) > len(before[0])
    np.testing.assert_array_equal(after[0][: len(before[0])], before[0])
    with pytest.raises(OutputError, match=r"holds more; expected .* of at least"):
        simulate(PDB, plan, tmp_path / "grown")
    assert [len(frames) for frames in frames_of(tmp_path / "grown")] == [len(frames) for frames in after]


def test_new_folders_draw_a_new_seed(tmp_path):
    from typer.testing import CliRunner

    from openmm_scoredyn.cli import app

    def make(folder, *options):
        free = ["simulate", str(PDB), "--length", "2ps", "--equilibration", "1ps", "--trajectories", "1"]
        result = CliRunner().invoke(app, [*free, "--out", str(tmp_path / folder), *options])
        assert result.exit_code == 0, result.exception
        return frames_of(tmp_path / folder)[0]

    one, two = make("one"), make("two")
    assert not np.array_equal(one, two)
    seed = json.loads((tmp_path / "one" / "plan.json").read_text())["seed"]
    np.testing.assert_array_equal(make("three", "--seed", str(seed)), one)
    # The same command goes on: the folder keeps its seed.
    np.testing.assert_array_equal(make("one", "--length", "4ps")[:3], one)


@pytest.mark.parametrize("gone", ["000001.positions.npy", None], ids=["a chunk", "a store"])
def test_what_vanished_is_not_reported(tmp_path, gone):
    def remove(done, total):
        store = tmp_path / "trajectory_0000.frames"
        if done == total:
            for path in [store / gone] if gone else list(store.iterdir()):
                path.unlink()

    with pytest.raises(OutputError, match="frames"):
        simulate(PDB, FREE, tmp_path, progress=remove)


def test_one_process_at_a_time(tmp_path):
    def again(done, total):
        with pytest.raises(OutputError, match=f"is being written by process {os.getpid()} on"):
            simulate(PDB, FREE, tmp_path)

    simulate(PDB, FREE, tmp_path, progress=again)
    assert not list(tmp_path.glob(".*")), "the lock is gone"


def test_sigterm_ends_the_workers_too(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from openmm_scoredyn.reference.plan import SimulationPlan\n"
        "from openmm_scoredyn.reference.simulate import simulate\n"
        "if __name__ == '__main__':\n"
        f"    simulate({str(PDB)!r}, SimulationPlan(2, 50_000, equilibration_ps=1.0,"
        " frames_per_chunk=20_000),\n"
        f"             {str(tmp_path / 'out')!r}, processes=2)\n"
    )
    process = subprocess.Popen([sys.executable, script], start_new_session=True)
    stores = [tmp_path / "out" / f"trajectory_{index:04d}.frames" / "index.jsonl" for index in range(2)]
    deadline = time.monotonic() + 120
    while not all(store.exists() for store in stores):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    time.sleep(1.0)
    asked = time.monotonic()
    process.terminate()
    assert process.wait(timeout=60) == 128 + signal.SIGTERM
    # A chunk takes minutes; a frame does not.
    assert time.monotonic() - asked < 20
    for _ in range(100):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("a worker outlived its parent")
