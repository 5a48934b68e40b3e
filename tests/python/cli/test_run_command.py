"""`scoredyn run` with a real integrator and a program whose process is known."""

import os
import signal
import subprocess
import sys
import time
import tracemalloc
from functools import partial

import numpy as np
import openmm
import programs
import pytest
import typer
from kills import Killed, files_of, killed_from, run_through_kills
from typer.testing import CliRunner

from openmm_scoredyn import data
from openmm_scoredyn.cli.duration import format_duration
from openmm_scoredyn.cli.run import run
from openmm_scoredyn.dynamics import run_replicas, store_guard
from openmm_scoredyn.errors import MoleculeError, OutputError, ProgramError, SamplingError
from openmm_scoredyn.program.model import ScoreModel
from openmm_scoredyn.program.native import scoredyn
from openmm_scoredyn.units import parse_duration, parse_durations, parse_temperature

APP = typer.Typer()
APP.command()(run)
START = programs.POSITIONS


@pytest.fixture
def structure(tmp_path):
    names = ("C", "H", "F", "CL", "BR")
    lines = [
        f"HETATM{i + 1:5d}  {name:<3s} MOL A   1    "
        + "".join(f"{10 * x:8.3f}" for x in START[i])
        + f"{'':22s}{element:>2s}\n"
        for i, (name, element) in enumerate(zip(names, programs.TYPES))
    ]
    path = tmp_path / "molecule.pdb"
    path.write_text("".join(lines) + "END\n")
    return path


@pytest.fixture
def program(make_program):
    return make_program(programs.OrnsteinUhlenbeck())


def invoke(*arguments):
    result = CliRunner().invoke(APP, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def outputs(path):
    return {
        p.suffixes[-1]: p.read_bytes() for p in path.parent.glob(f"{path.stem}.*") if p.suffix != ".restart"
    }


def test_trajectory_has_the_distribution_of_the_process(program, structure, tmp_path):
    mdtraj = pytest.importorskip("mdtraj")
    out = tmp_path / "t.dcd"
    # With few denoising steps the spread comes out too small; 60 leave it far below the standard error.
    result = invoke(program, structure, "--length", "2ns", "--out", out, "--seed", 5, "--denoising-steps", 60)
    assert result.exit_code == 0
    frames = mdtraj.load(str(out), top=str(tmp_path / "t.topology.pdb")).xyz.astype(float)
    assert frames.shape == (2000, 5, 3)
    x = frames[100:] - START
    # Stationary spread 0.002 nm, correlation 0.6 a step; four standard errors of 15 coordinates.
    effective = x.size * (1 - 0.36) / (1 + 0.36)
    assert np.mean(x**2) == pytest.approx(0.002**2, rel=4 * np.sqrt(2 / effective))
    assert np.mean(x[1:] * x[:-1]) / np.mean(x**2) == pytest.approx(0.6, abs=4 / np.sqrt(effective))


def test_kill_and_restart_gives_the_bytes_of_an_unbroken_run(program, structure, tmp_path):
    whole, broken = tmp_path / "whole.dcd", tmp_path / "broken.dcd"
    arguments = [program, structure, "--length", "3ns", "--save-every", "2ps", "--seed", 9]
    invoke(*arguments, "--out", whole)
    code = "import sys, typer; from openmm_scoredyn.cli.run import run; typer.run(run)"
    command = [sys.executable, "-c", code, *map(str, arguments), "--out", str(broken)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (broken.exists() and broken.stat().st_size > whole.stat().st_size / 10):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert broken.stat().st_size < whole.stat().st_size, "the run had ended before it was killed"
    invoke(*arguments, "--out", broken)
    assert outputs(broken) == outputs(whole)
    assert sorted(outputs(whole)) == [".csv", ".dcd", ".pdb"]


def test_a_file_that_holds_more_is_not_called_shorter(program, structure, tmp_path):
    out = tmp_path / "t.dcd"
    arguments = [program, structure, "--out", out, "--length"]
    invoke(*arguments, "40ps")
    before = outputs(out)
    with pytest.raises(
        SamplingError, match="t.dcd holds a longer run; expected at most 10 ps, found 40 ps; ask for"
    ):
        invoke(*arguments, "10ps")
    assert outputs(out) == before
    assert "40 ps in" in invoke(*arguments, "40ps").output, "a command that is given again is done at once"
    assert "50 ps in" in invoke(*arguments, "50ps").output


def test_replicas_can_be_loaded_and_equal_single_runs(program, structure, tmp_path):
    out = tmp_path / "r.frames"
    arguments = [program, structure, "--length", "30ps", "--save-every", "3ps", "--seed", 4]
    result = invoke(*arguments, "--replicas", 3, "--device", "cpu", "--out", out)
    causes = ", ".join(f"{cause.replace('_', ' ')} 0" for cause in scoredyn.CAUSES)
    assert f"Draws rejected by the guard: {causes}." in " ".join(result.output.split())
    assert store_guard(out) == {"steps": 90} | dict.fromkeys(scoredyn.CAUSES, 0)
    (trajectory,) = data.load(out)
    assert [segment.shape for segment in trajectory.segments] == [(10, 5, 3)] * 3
    assert trajectory.frame_spacing_ps == 3.0
    assert not trajectory.steered and not trajectory.consecutive
    assert trajectory.molecule == ScoreModel(program).card.particles
    invoke(*arguments, "--out", tmp_path / "single.xtc")
    mdtraj = pytest.importorskip("mdtraj")
    single = mdtraj.load(str(tmp_path / "single.xtc"), top=str(structure)).xyz
    np.testing.assert_allclose(trajectory.segments[0], single, atol=6e-4)
    assert np.abs(trajectory.segments[1] - single).max() > 2e-3


@pytest.mark.parametrize("save_every", [1, 4])
@pytest.mark.parametrize("module", [programs.OrnsteinUhlenbeck, programs.Inertial])
def test_replicas_go_on_after_a_kill(make_program, tmp_path, module, save_every):
    memory = 2 if module is programs.Inertial else 1
    model = ScoreModel(make_program(module(), history_length=memory))
    start = np.repeat(START[None], 4, axis=0)
    options = {"seed": 6, "save_every": save_every, "steps_per_chunk": 10}
    whole = run_replicas(model, start, tmp_path / "whole.frames", 40, **options)
    direct = model.sample(np.repeat(start[:, None], memory, axis=1), 40, seed=6, save_every=save_every)
    np.testing.assert_array_equal(np.stack(data.load(whole)[0].segments), direct.transpose(1, 0, 2, 3))

    broken, kills = run_through_kills(
        partial(run_replicas, model, start, tmp_path / "broken.frames", 40, **options)
    )
    assert kills >= 3
    assert files_of(broken) == files_of(whole)
    assert not list(tmp_path.glob(".*"))


def test_replicas_take_the_lag_time_and_temperature_chosen(make_program, tmp_path):
    lists = {"lag_times_ps": [1.0, 5.0], "temperatures_K": [280.0, 300.0]}
    model = ScoreModel(make_program(programs.LagAndTemperature(), **lists))
    chosen = {"lag_time_ps": 5.0, "temperature_K": 300.0}
    options = {"seed": 6, "save_every": 2}
    out = run_replicas(model, START[None], tmp_path / "r.frames", 4, **chosen, **options)
    (trajectory,) = data.load(out)
    assert (trajectory.frame_spacing_ps, trajectory.temperature_K) == (10.0, 300.0)
    np.testing.assert_allclose(trajectory.segments[0][-1], START + [0.2, 0.12, 0], rtol=0, atol=1e-5)


def test_the_lag_time_is_chosen_and_another_is_refused_before_anything_is_written(
    make_program, structure, tmp_path
):
    """Every step moves by 0.01 nm a ps: where a run ends says which lag time its steps had."""
    program = make_program(programs.LagAndTemperature(), lag_times_ps=[1.0, 5.0], lag_time_range=True)
    single, many = tmp_path / "a.dcd", tmp_path / "a.frames"
    options = ("--length", "8ps", "--lag", "4ps")
    invoke(program, structure, *options, "--out", single)
    invoke(program, structure, *options, "--replicas", 2, "--out", many)
    for path in (single, many):
        (trajectory,) = data.load(path)
        assert trajectory.frame_spacing_ps == 4.0
        frames = trajectory.segments[0]
        assert len(frames) == 2
        np.testing.assert_allclose((frames[1] - frames[0])[:, 0], 0.04, rtol=0, atol=1e-4)
    for out in ("b.dcd", "b.frames"):
        with pytest.raises(SamplingError, match="expected 1 to 5 ps, found 8 ps"):
            invoke(program, structure, "--length", "8ps", "--lag", "8ps", "--out", tmp_path / out)
        assert not (tmp_path / out).exists()


def test_without_a_lag_time_steps_have_the_recommended_one(make_program, structure, tmp_path):
    known = {"lag_times_ps": [1.0, 5.0], "lag_time_range": True, "recommended_lag_time_ps": 4.0}
    program = make_program(programs.LagAndTemperature(), **known)
    for out in (tmp_path / "a.dcd", tmp_path / "a.frames"):
        invoke(program, structure, "--length", "8ps", "--out", out)
        (trajectory,) = data.load(out)
        assert trajectory.frame_spacing_ps == 4.0
        frames = trajectory.segments[0]
        assert len(frames) == 2
        np.testing.assert_allclose((frames[1] - frames[0])[:, 0], 0.04, rtol=0, atol=1e-4)
    drawn = ScoreModel(program).sample(START[None], 1, seed=1)[0, 0]
    np.testing.assert_allclose((drawn - START)[:, 0], 0.04, rtol=0, atol=1e-4)


@pytest.mark.parametrize("length", [45, 60])
def test_replicas_made_longer_equal_those_of_one_call(make_program, tmp_path, length):
    """A finished run goes on within a chunk and at its end, with the counts of all of its steps."""
    start = np.repeat(START[None], 4, axis=0)
    program = make_program(programs.OrnsteinUhlenbeck(), max_displacement_nm=0.005)
    options = {"seed": 6, "steps_per_chunk": 10}
    grown = run_replicas(ScoreModel(program), start, tmp_path / "r.frames", 35, **options)
    with pytest.raises(OutputError, match="expected seed 7, found 6"):
        run_replicas(ScoreModel(program), start, grown, length, **options | {"seed": 7})
    run_replicas(ScoreModel(program), start, grown, length, **options)
    whole = run_replicas(ScoreModel(program), start, tmp_path / "whole.frames", length, **options)
    for ours, theirs in zip(*(data.load(path)[0].segments for path in (grown, whole)), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert store_guard(grown) == store_guard(whole)
    assert store_guard(whole)["displacement"] > 0
    with pytest.raises(SamplingError, match="holds a longer run; expected at most 40 steps, found"):
        run_replicas(ScoreModel(program), start, grown, 40, **options)


def test_replicas_of_another_run_are_not_taken_up(program, tmp_path):
    model = ScoreModel(program)
    start = np.repeat(START[None], 2, axis=0)
    with pytest.raises(Killed):
        run_replicas(
            model, start, tmp_path / "r.frames", 20, seed=1, steps_per_chunk=10, progress=killed_from(10)
        )
    with pytest.raises(OutputError, match="expected seed 2, found 1"):
        run_replicas(model, start, tmp_path / "r.frames", 20, seed=2, steps_per_chunk=10)
    run_replicas(model, start, tmp_path / "r.frames", 20, seed=1, steps_per_chunk=10)
    before = files_of(tmp_path / "r.frames")
    run_replicas(model, start, tmp_path / "r.frames", 20, seed=1, steps_per_chunk=10)
    assert files_of(tmp_path / "r.frames") == before, "a command that is given again is done at once"
    (tmp_path / "other.frames").mkdir()
    (tmp_path / "other.frames" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists already and is no store of frames"):
        run_replicas(model, start, tmp_path / "other.frames", 20, seed=1)
    assert files_of(tmp_path / "other.frames") == {"notes.txt": b"mine"}


def test_a_run_that_was_killed_when_it_began_its_index_goes_on(program, tmp_path):
    model, start = ScoreModel(program), np.repeat(START[None], 2, axis=0)
    killed = """if True:
        import os, signal, sys
        from openmm_scoredyn.data.frame_store import FrameStore
        os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)
        FrameStore(sys.argv[1]).begin({})
    """
    store = tmp_path / "r.frames"
    assert subprocess.run([sys.executable, "-c", killed, store], check=False).returncode == -signal.SIGKILL
    assert [name[:13] for name in files_of(store)] == [".index.jsonl."], "whole, but not in its place"
    run_replicas(model, start, store, 20, seed=1)
    run_replicas(model, start, tmp_path / "whole.frames", 20, seed=1)
    assert files_of(store) == files_of(tmp_path / "whole.frames")


def test_replicas_of_another_device_are_not_taken_up(program, tmp_path):
    model = ScoreModel(program)
    start = np.repeat(START[None], 2, axis=0)
    with pytest.raises(Killed):
        run_replicas(
            model, start, tmp_path / "r.frames", 20, seed=1, steps_per_chunk=10, progress=killed_from(10)
        )
    model.device = "cuda:1"
    with pytest.raises(OutputError, match="expected device cuda, found cpu"):
        run_replicas(model, start, tmp_path / "r.frames", 20, seed=1, steps_per_chunk=10)


def test_settings_reach_the_integrator(program, structure, tmp_path):
    def last_frame(name, *options):
        out = tmp_path / f"{name}.dcd"
        invoke(program, structure, "--length", "5ps", "--out", out, *options)
        return out.read_bytes()[-200:]

    plain = last_frame("a")
    assert last_frame("b") == plain
    assert last_frame("c", "--seed", 2) != plain
    assert last_frame("d", "--denoising-steps", 8) != plain
    assert last_frame("e", "--solver", "heun") != plain
    with pytest.raises(openmm.OpenMMException, match="magic"):
        last_frame("f", "--solver", "magic")


def test_bad_input(program, structure, tmp_path):
    out = tmp_path / "t.dcd"
    cases = [
        (["--length", "10K"], SamplingError, "expected a positive number with a unit .* found '10K'"),
        (["--length", "0ns"], SamplingError, "expected a positive number"),
        (["--length", "1.5ps"], SamplingError, "expected a multiple of 1 ps, found 1.5ps"),
        (
            ["--length", "10ps", "--save-every", "500fs"],
            SamplingError,
            "expected a multiple of 1 ps, found 500fs",
        ),
        (["--length", "10ps", "--replicas", "2"], OutputError, "expected NAME.frames, found t.dcd"),
        (
            ["--length", "10ps", "--device", "cuda"],
            SamplingError,
            "expected none of --device, found --device cuda; say",
        ),
        (
            ["--length", "10ps", "--replicas", "2", "--device", "gpu"],
            ProgramError,
            "expected 'cpu', .*found 'gpu'",
        ),
        (["--length", "10ps", "--platform", "Abacus"], openmm.OpenMMException, "Abacus"),
    ]
    for options, error, message in cases:
        with pytest.raises(error, match=message):
            invoke(program, structure, "--out", out, *options)
    with pytest.raises(OutputError, match="the folder .*missing does not exist"):
        invoke(program, structure, "--length", "1ps", "--out", tmp_path / "missing" / "t.dcd")
    with pytest.raises(OutputError, match="expected NAME.dcd or NAME.xtc, found t.pdb"):
        invoke(program, structure, "--length", "1ps", "--out", tmp_path / "t.pdb")
    with pytest.raises(MoleculeError, match="cannot read .*none.pdb"):
        invoke(program, tmp_path / "none.pdb", "--length", "1ps", "--out", out)
    # Nothing was written by any of them.
    assert {path.suffix for path in tmp_path.iterdir()} == {".pdb", ".pt"}
    assert not out.exists()


def test_a_program_that_always_fails_leaves_empty_files(make_program, structure, tmp_path):
    # The card's displacement limit is met at once, so no step ever succeeds.
    program = make_program(programs.Jumping(), max_displacement_nm=1e-9)
    with pytest.raises(openmm.OpenMMException, match="displacement|moved|move"):
        invoke(program, structure, "--length", "5ps", "--out", tmp_path / "t.dcd", "--max-resamples", 2)
    assert (tmp_path / "t.dcd").stat().st_size == 0
    assert (tmp_path / "t.log.csv").read_text().count("\n") == 1


def test_a_range_of_durations():
    assert parse_durations("1ps:1ns") == (1.0, 1000.0)
    assert parse_durations("2ps") == (2.0, None)
    for text in ("1ps:", ":1ns", "1ps:2ps:3ps"):
        with pytest.raises(SamplingError, match="expected a positive number with a unit"):
            parse_durations(text)


def test_durations():
    assert [parse_duration(text) for text in ("10ns", " 0.5 us ", "250ps", "4fs", "1e3ps")] == [
        1e4,
        5e5,
        250,
        0.004,
        1e3,
    ]
    assert [format_duration(t) for t in (2.5e6, 1e4, 12.5, 0.004)] == [
        "2.5 us",
        "10 ns",
        "12.5 ps",
        "0.004 ps",
    ]
    assert [parse_duration("10"), parse_temperature("310"), parse_temperature(" 310 K")] == [10, 310, 310]
    for text in ("", "K", "-3K", "10ns", "nan"):
        with pytest.raises(SamplingError, match="Temperature: expected a positive number with a unit"):
            parse_temperature(text)
    for text in ("", "ns", "10 years", "-1ns", "nanps", "1-2ns"):
        with pytest.raises(SamplingError, match="Duration: expected a positive number with a unit"):
            parse_duration(text)


def test_memory_does_not_grow_with_the_length(program, tmp_path, monkeypatch):
    """Frames go to the disk chunk by chunk; 4,096 replicas of a million steps would be a terabyte."""
    from openmm_scoredyn.dynamics import replicas

    monkeypatch.setattr(replicas, "_CHUNK_BYTES", 1 << 18)
    model, start = ScoreModel(program), np.repeat(START[None], 64, axis=0)
    peaks = []
    for steps in (200, 1600):
        tracemalloc.start()
        out = run_replicas(model, start, tmp_path / f"{steps}.frames", steps, seed=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    all_frames = 4 * start.size * 1600
    assert sum(path.stat().st_size for path in out.iterdir()) > all_frames
    assert peaks[1] < 1.2 * peaks[0] < all_frames / 2


def test_too_many_replicas_are_a_sentence(program, tmp_path, monkeypatch):
    model = ScoreModel(program)

    def sample(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(ScoreModel, "sample", sample)
    with pytest.raises(SamplingError, match="run: 2 replicas do not fit into memory; expected fewer"):
        run_replicas(model, np.repeat(START[None], 2, axis=0), tmp_path / "r.frames", 20, seed=1)


def test_one_process_writes_replicas(program, tmp_path):
    model, start, out = ScoreModel(program), np.repeat(START[None], 2, axis=0), tmp_path / "r.frames"

    def again(done, total):
        with pytest.raises(OutputError, match=f"r.frames is being written by process {os.getpid()} on"):
            run_replicas(model, start, out, 20, seed=1)

    run_replicas(model, start, out, 20, seed=1, progress=again)
    assert not list(out.glob(".*"))


def test_an_ensemble_on_a_cluster(program, structure, tmp_path):
    pytest.importorskip("distributed")
    arguments = [program, structure, "--length", "30ps", "--save-every", "3ps", "--seed", 4, "--replicas", 5]
    result = invoke(*arguments, "--batch", 2, "--cluster", "local:1", "--out", tmp_path / "e")
    assert "150 ps in" in result.output and "displacement 0." in " ".join(result.output.split())
    together = invoke(*arguments, "--out", tmp_path / "r.frames") and data.load(tmp_path / "r.frames")[0]
    parts = [segment for trajectory in data.load(tmp_path / "e") for segment in trajectory.segments]
    np.testing.assert_array_equal(np.stack(parts), np.stack(together.segments))
    assert len(list((tmp_path / "e").glob("replicas_*.frames"))) == 3
    before = files_of(tmp_path / "e")
    refused = [
        (["--out", tmp_path / "x.frames"], "expected a folder, found x.frames; rename it"),
        (["--out", tmp_path / "e", "--platform", "CPU"], "expected none of --platform"),
        (["--out", tmp_path / "e", "--batch", 3], "expected replicas_per_batch 3, found 2"),
    ]
    for options, message in refused:
        with pytest.raises((OutputError, SamplingError), match=message):
            invoke(*arguments, "--cluster", "local:1", "--batch", 2, *options)
    with pytest.raises(SamplingError, match="only a cluster draws batches; expected none of --batch, found"):
        invoke(*arguments, "--batch", 2, "--out", tmp_path / "r.frames")
    assert files_of(tmp_path / "e") == before
