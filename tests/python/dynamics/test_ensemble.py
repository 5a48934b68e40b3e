"""Ensembles: the same bytes by any workers, after any kill; other ensembles, damage and strangers refused."""

import json
import multiprocessing
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

import numpy as np
import programs
import pytest
from kills import files_of, run_through_kills

from openmm_scoredyn import data
from openmm_scoredyn.data import lock
from openmm_scoredyn.data.frame_store import StoredFrames
from openmm_scoredyn.data.lock import exclusive
from openmm_scoredyn.dynamics import ensemble, run_ensemble, store_guard
from openmm_scoredyn.errors import ClusterError, OutputError, SamplingError, TrajectoryError
from openmm_scoredyn.program.model import ScoreModel

START = programs.POSITIONS
# Eleven replicas in batches of four, the last of three; three chunks each, the last shorter.
OPTIONS = {
    "n_replicas": 11,
    "replicas_per_batch": 4,
    "seed": 6,
    "save_every": 2,
    "steps_per_chunk": 10,
}
N_STEPS = 26


class Broken(Executor):
    """Its workers are gone."""

    def submit(self, function, *arguments):
        future = Future()
        future.cancel()
        future.set_running_or_notify_cancel()
        return future


@pytest.fixture
def model(make_program):
    # The limit makes the guard reject some draws, so that counts are compared as well.
    return ScoreModel(make_program(programs.OrnsteinUhlenbeck(), max_displacement_nm=0.005))


@pytest.fixture
def whole(model, tmp_path):
    """Files of the ensemble, drawn in this process."""
    run_ensemble(model, START, tmp_path / "whole", N_STEPS, **OPTIONS)
    return files_of(tmp_path / "whole")


def test_replicas_are_those_of_one_batch(model, tmp_path):
    stores = run_ensemble(model, START, tmp_path / "e", N_STEPS, **OPTIONS)
    assert [store.name for store in stores] == [f"replicas_{i:09d}.frames" for i in (0, 4, 8)]
    direct = model.sample(np.repeat(START[None], 11, axis=0), N_STEPS, seed=6, save_every=2)
    trajectories = data.load(tmp_path / "e")
    segments = [segment for trajectory in trajectories for segment in trajectory.segments]
    assert all(isinstance(segment, StoredFrames) for segment in segments), "nothing is read before it is used"
    np.testing.assert_array_equal(np.stack(segments), direct.swapaxes(0, 1))
    rejected = sum(store_guard(store)["displacement"] for store in stores)
    assert rejected > 0
    # `model` drew one step of one replica for each call, and everything once in `direct`.
    assert model.rejected_draws_by_cause["displacement"] in (rejected, rejected + 1)


def test_every_replica_has_its_own_start(model, tmp_path):
    starts = START + np.linspace(0, 0.001, 11, dtype=np.float32)[:, None, None]
    run_ensemble(model, starts, tmp_path / "e", N_STEPS, **OPTIONS)
    direct = model.sample(starts, N_STEPS, seed=6, save_every=2)
    segments = [segment for trajectory in data.load(tmp_path / "e") for segment in trajectory.segments]
    np.testing.assert_array_equal(np.stack(segments), direct.swapaxes(0, 1))


@pytest.mark.parametrize(
    "workers",
    [
        partial(ThreadPoolExecutor, 1),
        partial(ThreadPoolExecutor, 3),
        partial(ProcessPoolExecutor, 1, multiprocessing.get_context("spawn")),
        partial(ProcessPoolExecutor, 2, multiprocessing.get_context("spawn")),
    ],
    ids=["1 thread", "3 threads", "1 process", "2 processes"],
)
def test_workers_change_no_byte(model, whole, tmp_path, workers):
    with workers() as executor:
        run_ensemble(model, START, tmp_path / "e", N_STEPS, executor=executor, **OPTIONS)
    assert files_of(tmp_path / "e") == whole


def test_kills_change_no_byte(model, whole, tmp_path):
    seen = []

    def run(progress):
        def both(done, total):
            seen.append((done, total))
            progress(done, total)

        return run_ensemble(model, START, tmp_path / "e", N_STEPS, progress=both, **OPTIONS)

    _, kills = run_through_kills(run)
    assert kills >= 9, "a kill after every chunk of every batch"
    assert seen[-1] == (11 * N_STEPS, 11 * N_STEPS)
    assert files_of(tmp_path / "e") == whole


def test_a_finished_ensemble_is_made_longer(model, whole, tmp_path):
    run_ensemble(model, START, tmp_path / "e", 10, **OPTIONS)
    run_ensemble(model, START, tmp_path / "e", N_STEPS, **OPTIONS)
    assert files_of(tmp_path / "e") == whole
    run_ensemble(model, START, tmp_path / "e", N_STEPS, executor=Broken(), **OPTIONS)  # done at once
    with pytest.raises(SamplingError, match="holds a longer run; expected at most 10 steps, found 26; ask"):
        run_ensemble(model, START, tmp_path / "e", 10, **OPTIONS)
    assert files_of(tmp_path / "e") == whole


def test_a_worker_loads_the_program_once(model, tmp_path, monkeypatch):
    loaded = []

    class Counted(ScoreModel):
        def __init__(self, *arguments):
            loaded.append(threading.get_ident())
            super().__init__(*arguments)

    monkeypatch.setattr(ensemble, "ScoreModel", Counted)
    with ThreadPoolExecutor(2) as executor:
        run_ensemble(model, START, tmp_path / "e", N_STEPS, executor=executor, **OPTIONS)
        run_ensemble(model, START, tmp_path / "e", 2 * N_STEPS, executor=executor, **OPTIONS)
        assert len(loaded) == len(set(loaded)) <= 2
        run_ensemble(model, START, tmp_path / "other", N_STEPS, executor=executor, **OPTIONS | {"seed": 7})
    assert len(loaded) > len(set(loaded)), "another ensemble is opened"


@pytest.mark.parametrize(
    "changes, found",
    [
        ({"seed": 7}, "expected seed 7, found 6"),
        ({"n_replicas": 12}, "expected n_replicas 12, found 11"),
        ({"replicas_per_batch": 5}, "expected replicas_per_batch 5, found 4"),
        ({"steps_per_chunk": 12}, "expected steps_per_chunk 12, found 10"),
        ({"denoising_steps": 7}, "expected denoising_steps 7, found 5"),
    ],
    ids=str,
)
def test_another_ensemble_is_not_taken_up(model, whole, tmp_path, changes, found):
    with pytest.raises(OutputError, match=f"whole is of a run with other settings; {found}; use the same"):
        run_ensemble(model, START, tmp_path / "whole", N_STEPS, **OPTIONS | changes)
    with pytest.raises(OutputError, match="expected start_sha256"):
        run_ensemble(model, START + 0.001, tmp_path / "whole", N_STEPS, **OPTIONS)
    assert files_of(tmp_path / "whole") == whole


def test_damage_is_refused(model, whole, tmp_path):
    chunk = tmp_path / "whole" / "replicas_000000004.frames" / "000001.positions.npy"
    content = bytearray(chunk.read_bytes())
    content[-3] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(TrajectoryError, match="000004.frames/000001.positions.npy .*its checksum is another"):
        data.load(tmp_path / "whole")
    chunk.write_bytes(content[:-1])
    with pytest.raises(TrajectoryError, match=r"000004.frames/000001.positions.npy is not what was written"):
        run_ensemble(model, START, tmp_path / "whole", 2 * N_STEPS, **OPTIONS)


@pytest.mark.parametrize(
    "file, error, message",
    [
        ("replicas_000000008.frames/state_000002", TrajectoryError, "000008.frames/state_000002 .*checksum"),
        ("program.pt", Exception, "SHA-256|checksum|damaged"),
        ("start.npy", ClusterError, "cannot read .*the checksum of start.npy is another"),
    ],
)
def test_damage_to_what_a_worker_needs_is_refused(model, whole, tmp_path, file, error, message):
    path = tmp_path / "whole" / file
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(error, match=message):
        run_ensemble(model, START, tmp_path / "whole", 2 * N_STEPS, **OPTIONS)


def test_a_plan_that_cannot_be_read(model, whole, tmp_path):
    plan = tmp_path / "whole" / "ensemble.json"
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {"format_version": "2.0"}))
    for _ in range(2):
        with pytest.raises(OutputError, match="ensemble.json cannot be read .*choose another folder"):
            run_ensemble(model, START, tmp_path / "whole", N_STEPS, **OPTIONS)
        plan.write_text("{")


def test_refusals_leave_no_folder(model, tmp_path):
    cases = [
        ({"n_replicas": 0}, "at least one replica"),
        ({"positions": START[:4]}, "wrong shape"),
        ({"positions": np.repeat(START[None], 3, axis=0)}, "found 11 replicas and .3, 5, 3."),
        ({"n_steps": 25}, "a multiple of 2, found 25"),
        ({"n_steps": 0}, "positive n_steps, found 0"),
        ({"replicas_per_batch": 0}, "positive replicas, found 0"),
        ({"solver": "magic"}, "unknown solver"),
        ({"lag_time_ps": 3.0}, "does not know the lag time"),
        ({"box": np.eye(3)}, "not periodic"),
    ]
    for changes, message in cases:
        arguments = {"positions": START, "n_steps": N_STEPS} | OPTIONS | changes
        with pytest.raises(SamplingError, match=message):
            run_ensemble(model, folder=tmp_path / "e", **arguments)
    assert not (tmp_path / "e").exists()


def test_a_folder_of_something_else_is_left_alone(model, tmp_path):
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="e exists already and is no ensemble; .* found notes.txt in it"):
        run_ensemble(model, START, tmp_path / "e", N_STEPS, **OPTIONS)
    assert files_of(tmp_path / "e") == {"notes.txt": b"mine"}


def test_one_process_gives_out_the_tasks_of_an_ensemble(model, tmp_path):
    def again(done, total):
        with pytest.raises(OutputError, match="e is being written by process"):
            run_ensemble(model, START, tmp_path / "e", N_STEPS, **OPTIONS)

    run_ensemble(model, START, tmp_path / "e", N_STEPS, progress=again, **OPTIONS)


def test_a_worker_waits_for_one_that_lost_its_scheduler(model, whole, tmp_path, monkeypatch):
    store = tmp_path / "e" / "replicas_000000004.frames"
    store.mkdir(parents=True)
    held = exclusive(store, "run")
    held.__enter__()
    for name in ("ensemble.json", "program.pt", "start.npy"):
        (tmp_path / "e" / name).write_bytes(whole[name])
    waits = []

    def release(seconds):
        if not waits:
            held.__exit__(None, None, None)
        waits.append(seconds)

    with monkeypatch.context() as patch:
        patch.setattr(lock.time, "sleep", release)
        run_ensemble(model, START, tmp_path / "e", N_STEPS, **OPTIONS)
    assert waits
    assert files_of(tmp_path / "e") == whole
    monkeypatch.setattr(ensemble, "_WAIT_FOR_LOCK_S", 0.3)
    with (
        exclusive(store, "run"),
        pytest.raises(OutputError, match="000004.frames is being written by process"),
    ):
        run_ensemble(model, START, tmp_path / "e", 2 * N_STEPS, **OPTIONS)


def test_workers_that_are_gone_are_a_sentence(model, tmp_path):
    with pytest.raises(
        ClusterError, match="workers ended before the work did .* give the same command again"
    ):
        run_ensemble(model, START, tmp_path / "e", N_STEPS, executor=Broken(), **OPTIONS)


def test_a_worker_elsewhere_is_refused(model, whole, tmp_path):
    """Of another version, or on a machine whose file system is another."""
    text = whole["ensemble.json"].decode()
    task = ensemble.Task(str(tmp_path / "whole"), text, 0, 2 * N_STEPS, 1, "0.0.1")
    with pytest.raises(ClusterError, match="has another openmm-scoredyn; expected 0.0.1, found"):
        ensemble.advance_batch(task)
    task = task._replace(version=ensemble.__version__, folder=str(tmp_path / "elsewhere"))
    with pytest.raises(ClusterError, match="cannot read .*elsewhere .* all workers share"):
        ensemble.advance_batch(task)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "ensemble.json").write_text("{}")
    with pytest.raises(ClusterError, match="its ensemble.json is another"):
        ensemble.advance_batch(task)
    assert files_of(tmp_path / "whole") == whole
