import os
import resource
import struct
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import openmm
import pytest
from alanine import PDB
from kills import run_through_kills
from openmm import app

from openmm_scoredyn import data
from openmm_scoredyn.dynamics import run_simulation
from openmm_scoredyn.errors import OutputError, SamplingError

IDENTITY = {"model": "none", "seed": 3}


class CountingLangevin(openmm.LangevinMiddleIntegrator):
    """Stands for a ScoreDynamicsIntegrator: stochastic, its state is in the checkpoint, it has counters."""

    def getNumRejectedDraws(self):
        return 0

    def getNumRejectedSteps(self):
        return 0


def make_simulation():
    pdb = app.PDBFile(str(PDB))
    force_field = app.ForceField("amber99sbildn.xml", "amber99_obc.xml")
    system = force_field.createSystem(pdb.topology, constraints=app.HBonds)
    integrator = CountingLangevin(300, 10, 0.002)
    integrator.setRandomNumberSeed(3)
    simulation = app.Simulation(
        pdb.topology, system, integrator, openmm.Platform.getPlatformByName("Reference")
    )
    simulation.context.setPositions(pdb.positions)
    simulation.context.setVelocitiesToTemperature(300, 3)
    return simulation


def run(out, n_steps=60, **options):
    options = {"save_every": 4, "checkpoint_every": 10, "identity": IDENTITY} | options
    return run_simulation(make_simulation(), out, n_steps, **options)


def contents(files):
    return [path.read_bytes() for path in (files.trajectory, files.log, files.topology)]


@pytest.mark.parametrize("suffix", ["dcd", "xtc"])
def test_restart_after_every_checkpoint_gives_the_same_bytes(tmp_path, suffix):
    whole = run(tmp_path / f"whole.{suffix}")
    broken, kills = run_through_kills(partial(run, tmp_path / f"broken.{suffix}"))
    assert kills == 7
    assert contents(broken) == contents(whole)


@pytest.mark.parametrize("suffix", ["dcd", "xtc"])
def test_kill_between_checkpoints_gives_the_same_bytes(tmp_path, suffix):
    whole = run(tmp_path / f"whole.{suffix}")
    script = tmp_path / "script.py"
    # The child leaves without any clean-up, with frames on the disk that no checkpoint knows.
    script.write_text(
        f"import os, sys; sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}; import test_run\n"
        "def die(done, total):\n"
        "    if done >= 38: os._exit(9)\n"
        "import openmm_scoredyn.dynamics.single as single; single._STEPS_PER_REPORT = 2\n"
        f"test_run.run({str(tmp_path / ('broken.' + suffix))!r}, progress=die)\n"
    )
    assert subprocess.run([sys.executable, script], check=False).returncode == 9
    trajectory = tmp_path / f"broken.{suffix}"
    size = trajectory.stat().st_size
    broken = run(trajectory, 30)
    assert trajectory.stat().st_size < size, "the frames after the checkpoint were not there to cut"
    broken = run(trajectory)
    assert contents(broken) == contents(whole)


def test_a_finished_run_can_be_made_longer(tmp_path):
    whole = run(tmp_path / "whole.dcd")
    run(tmp_path / "parts.dcd", 24)
    assert contents(run(tmp_path / "parts.dcd")) == contents(whole)
    before = contents(whole)
    assert contents(run(tmp_path / "whole.dcd")) == before


@pytest.mark.parametrize("suffix", ["dcd", "xtc"])
def test_what_is_written_is_the_simulation(tmp_path, suffix):
    mdtraj = pytest.importorskip("mdtraj")
    files = run(tmp_path / f"t.{suffix}")
    simulation = make_simulation()
    expected = []
    for _ in range(15):
        simulation.step(4)
        state = simulation.context.getState(getPositions=True)
        expected.append(state.getPositions(asNumpy=True)._value)
    loaded = mdtraj.load(str(files.trajectory), top=str(files.topology))
    np.testing.assert_allclose(loaded.xyz, expected, atol=6e-4 if suffix == "xtc" else 1e-6)
    (trajectory,) = data.load(files.trajectory, topology=files.topology, frame_spacing_ps=0.008)
    assert trajectory.n_frames == 15
    lines = files.log.read_text().splitlines()
    assert lines[0] == "step,time_ps,temperature_K,rejected_draws,rejected_steps,potential_energy_kJ_mol"
    assert [int(line.split(",")[0]) for line in lines[1:]] == list(range(4, 64, 4))
    energy = simulation.context.getState(getEnergy=True).getPotentialEnergy()._value
    assert float(lines[-1].split(",")[-1]) == pytest.approx(energy, abs=1e-5)


def test_dcd_does_not_hold_the_date(tmp_path):
    content = run(tmp_path / "t.dcd").trajectory.read_bytes()
    assert content[100:180].rstrip(b"\0") == b"Created by OpenMM"
    assert content[180:260].rstrip(b"\0") == b"Created by openmm-scoredyn"
    assert struct.unpack("<4i", content[260:276]) == (164, 4, 22, 4)


@pytest.mark.parametrize("suffix", ["dcd", "xtc"])
def test_full_disk_leaves_the_last_checkpoint(tmp_path, suffix):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    out = tmp_path / f"t.{suffix}"
    whole = run(tmp_path / f"whole.{suffix}", 100, save_every=1)
    # The restart file is larger than its limit would allow, so the trajectory has to outgrow it.
    limit = whole.restart.stat().st_size + 500
    assert whole.trajectory.stat().st_size > limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
    try:
        with pytest.raises(OutputError, match="cannot write .*t.*make room or check the path"):
            run(out, 100, save_every=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert 0 < out.stat().st_size < limit
    lines = out.with_suffix(".log.csv").read_text().splitlines()
    assert int(lines[-1].split(",")[0]) % 10 == 0
    assert contents(run(out, 100, save_every=1)) == contents(whole)


def test_a_failing_step_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    simulation = make_simulation()
    step = simulation.step

    def fail_late(n_steps):
        step(n_steps)
        if simulation.currentStep > 30:
            raise openmm.OpenMMException("a step failed for good")

    monkeypatch.setattr(simulation, "step", fail_late)
    with pytest.raises(openmm.OpenMMException, match="a step failed for good"):
        run_simulation(
            simulation, tmp_path / "t.dcd", 60, identity=IDENTITY, save_every=4, checkpoint_every=10
        )
    assert simulation.reporters == []
    lines = (tmp_path / "t.log.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == [str(step) for step in range(4, 31, 4)]
    assert contents(run(tmp_path / "t.dcd")) == contents(run(tmp_path / "whole.dcd"))


def test_failure_before_the_first_frame_leaves_nothing(tmp_path):
    simulation = make_simulation()
    simulation.context.setPositions(np.full((22, 3), np.nan))
    with pytest.raises((openmm.OpenMMException, ValueError)):
        run_simulation(simulation, tmp_path / "t.dcd", 20, identity=IDENTITY)
    assert os.listdir(tmp_path) == []


def test_files_of_others_are_not_touched(tmp_path):
    out = tmp_path / "t.dcd"
    out.write_bytes(b"precious")
    with pytest.raises(OutputError, match="t.dcd exists already and cannot be taken up"):
        run(out)
    assert out.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == ["t.dcd"]


def test_another_run_is_not_taken_up(tmp_path):
    before = contents(run(tmp_path / "t.dcd", 20))
    with pytest.raises(OutputError, match="is of another run; expected seed 4, found 3"):
        run(tmp_path / "t.dcd", 40, identity=IDENTITY | {"seed": 4})
    with pytest.raises(OutputError, match="is of another run; expected save_every 2, found 4"):
        run(tmp_path / "t.dcd", 40, save_every=2)
    files = run(tmp_path / "t.dcd", 20)
    assert contents(files) == before
    os.truncate(files.trajectory, 100)
    with pytest.raises(OutputError, match="is shorter than it was"):
        run(tmp_path / "t.dcd", 40)
    files.restart.write_bytes(b"damaged")
    with pytest.raises(OutputError, match="the restart file .*t.restart cannot be read"):
        run(tmp_path / "t.dcd", 40)


def test_bad_arguments(tmp_path):
    with pytest.raises(OutputError, match="expected NAME.dcd or NAME.xtc, found t.pdb"):
        run(tmp_path / "t.pdb")
    with pytest.raises(OutputError, match="cannot write .*missing/t.dcd; No such file"):
        run(tmp_path / "missing" / "t.dcd")
    with pytest.raises(SamplingError, match="expected positive numbers of steps, found 0 in all"):
        run(tmp_path / "t.dcd", 0)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", ["dcd", "xtc"])
def test_files_that_are_not_what_was_written_are_refused(tmp_path, suffix):
    files = run(tmp_path / f"t.{suffix}", 40)
    content = bytearray(files.trajectory.read_bytes())
    content[-40] ^= 1
    files.trajectory.write_bytes(content)
    with pytest.raises(OutputError, match=rf"t.{suffix} is not what was written; expected the SHA-256 of"):
        run(tmp_path / f"t.{suffix}", 60)
    assert files.trajectory.read_bytes() == bytes(content), "it is left as it is"


def test_one_process_writes_a_trajectory(tmp_path):
    def again(done, total):
        with pytest.raises(OutputError, match=f"t.dcd is being written by process {os.getpid()} on"):
            run(tmp_path / "t.dcd")

    run(tmp_path / "t.dcd", progress=again)
    assert not list(tmp_path.glob(".*"))
