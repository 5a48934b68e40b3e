"""Ensembles on Dask: workers and the scheduler are killed, jobs come from a queue, mistakes are sentences."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import programs
import pytest
from kills import files_of

from openmm_scoredyn.dynamics import ensemble, open_cluster, run_ensemble
from openmm_scoredyn.errors import ClusterError, MissingDependencyError
from openmm_scoredyn.program.model import ScoreModel

distributed = pytest.importorskip("distributed")

START = programs.POSITIONS
N_STEPS = 100
# Slow enough to be killed in the middle: some 30 tasks of a tenth of a second.
OPTIONS = {
    "n_replicas": 24,
    "replicas_per_batch": 8,
    "seed": 6,
    "steps_per_chunk": 10,
    "denoising_steps": 200,
}


@pytest.fixture
def model(make_program):
    return ScoreModel(make_program(programs.OrnsteinUhlenbeck()))


@pytest.fixture
def whole(model, tmp_path):
    """Files of the ensemble, drawn in this process."""
    run_ensemble(model, START, tmp_path / "whole", N_STEPS, **OPTIONS)
    return files_of(tmp_path / "whole")


@pytest.fixture
def started():
    """Start a Python process of Dask, killed at the end of the test."""
    processes = []

    def start(module, *arguments):
        command = [sys.executable, "-m", f"distributed.cli.{module}", "--no-dashboard", *map(str, arguments)]
        processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def free_port():
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


@pytest.mark.parametrize("cluster", ["local:1", "local:2"])
def test_local_workers_change_no_byte(model, whole, tmp_path, cluster):
    with open_cluster(cluster) as executor:
        run_ensemble(model, START, tmp_path / "e", N_STEPS, executor=executor, **OPTIONS)
    assert files_of(tmp_path / "e") == whole


def test_killed_workers_change_no_byte(model, whole, tmp_path):
    """Five kills while tasks run; the worker's nanny starts another each time."""
    killed, out = [], tmp_path / "e"

    def kill(done, total):
        if done > len(killed) * total / 6 and len(killed) < 5:
            workers = list(client.run(os.getpid).values())
            os.kill(workers[len(killed) % len(workers)], signal.SIGKILL)
            killed.append(workers[len(killed) % len(workers)])

    with open_cluster("local:2") as executor:
        client = executor._client
        run_ensemble(model, START, out, N_STEPS, executor=executor, progress=kill, **OPTIONS)
    assert len(set(killed)) == 5
    assert files_of(out) == whole


def test_a_killed_scheduler_changes_no_byte(model, whole, tmp_path, started):
    port, out = free_port(), tmp_path / "e"
    address = f"tcp://127.0.0.1:{port}"

    def start():
        scheduler = started("dask_scheduler", "--host", "127.0.0.1", "--port", port)
        started("dask_worker", address, "--nthreads", 1, "--death-timeout", 20)
        started("dask_worker", address, "--nthreads", 2, "--death-timeout", 20)
        return scheduler

    scheduler = start()

    def kill(done, total):
        if done > total / 3:
            scheduler.kill()
            scheduler.wait()

    with (
        pytest.raises(ClusterError, match="workers ended before the work did .* same command again"),
        open_cluster(address) as executor,
    ):
        run_ensemble(model, START, out, N_STEPS, executor=executor, progress=kill, **OPTIONS)
    assert files_of(out) != whole
    start()
    with open_cluster(address) as executor:
        run_ensemble(model, START, out, N_STEPS, executor=executor, **OPTIONS)
    assert files_of(out) == whole


@pytest.mark.slow
def test_a_killed_command_goes_on(model, whole, tmp_path):
    """The process that gives tasks out is killed, and its workers end with it."""
    out = tmp_path / "e"
    code = (
        "import numpy as np, sys\n"
        "from openmm_scoredyn.dynamics import open_cluster, run_ensemble\n"
        "from openmm_scoredyn.program.model import ScoreModel\n"
        "if __name__ == '__main__':\n"
        "    with open_cluster('local:2') as executor:\n"
        f"        run_ensemble(ScoreModel({model.source!r}), np.load('start.npy'), {str(out)!r}, {N_STEPS},\n"
        f"            executor=executor, **{OPTIONS!r})\n"
    )
    np.save(tmp_path / "start.npy", START)
    (tmp_path / "script.py").write_text(code)
    process = subprocess.Popen([sys.executable, "script.py"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(out.glob("*.frames/*.npy"))) < 5:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert files_of(out) != whole, "the run had ended before it was killed"
    run_ensemble(model, START, out, N_STEPS, **OPTIONS)
    assert files_of(out) == whole


@pytest.mark.slow
def test_jobs_of_a_queue(model, whole, tmp_path, monkeypatch):
    """A queue whose `sbatch` runs the job at once; a job that is killed is submitted again."""
    pytest.importorskip("dask_jobqueue")
    import dask

    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    jobs = tmp_path / "jobs"
    write_command(
        bin_folder / "sbatch",
        f'cp "$1" "$1.job"; setsid bash "$1.job" >/dev/null 2>&1 & echo $! | tee -a {jobs}',
    )
    write_command(bin_folder / "scancel", 'kill -9 -- "-$1"')
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    toml = tmp_path / "slurm.toml"
    toml.write_text(
        'kind = "slurm"\nworkers = 2\n[options]\nmemory = "2GB"\nqueue = "short"\ninterface = "lo"\n'
        f'local_directory = "{tmp_path}"\n'
    )
    killed = []

    def kill(done, total):
        if done > total / 3 and not killed:
            killed.append(int(jobs.read_text().split()[0]))
            os.killpg(killed[0], signal.SIGKILL)
            while len(jobs.read_text().split()) < 3:
                assert time.monotonic() < deadline, "no job takes the place of the one that was killed"
                time.sleep(0.1)

    deadline = time.monotonic() + 120
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}),
        open_cluster(str(toml)) as executor,
    ):
        run_ensemble(model, START, tmp_path / "e", N_STEPS, executor=executor, progress=kill, **OPTIONS)
    assert files_of(tmp_path / "e") == whole
    assert killed


def write_command(path, line):
    path.write_text(f"#!/bin/bash\n{line}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    "cluster, message",
    [
        ("slurm", "no such cluster; expected local, local:N, NAME.toml or .* found 'slurm'; choose"),
        ("ftp://host:1", "no such cluster; .* found 'ftp://host:1'"),
        ("local:0", "positive number of workers, found local:0"),
        ("local:two", "positive number of workers, found local:two"),
        ("tcp://", "no Dask scheduler answers at tcp://"),
        ("none.toml", "cannot read the cluster none.toml .*No such file"),
    ],
)
def test_unknown_clusters_are_refused(cluster, message):
    with pytest.raises(ClusterError, match=message), open_cluster(cluster):
        pass


def test_a_scheduler_that_does_not_answer_is_refused(monkeypatch):
    from openmm_scoredyn.dynamics import cluster

    monkeypatch.setattr(cluster, "_CONNECT_S", 1)
    with (
        pytest.raises(ClusterError, match=r"no Dask scheduler answers at tcp://127.0.0.1:1 within 1 s"),
        open_cluster("tcp://127.0.0.1:1"),
    ):
        pass


SLURM = 'kind = "slurm"\nworkers = 2\n[options]\nmemory = "2GB"\n'


@pytest.mark.parametrize(
    "text, message",
    [
        ("workers = [", "cannot read the cluster"),
        ("worker = 2\n" + SLURM, "expected kind, workers, options, found worker; what the queueing system"),
        (
            SLURM + 'wall_time = "1:00"\n',
            "a slurm cluster does not know; .* walltime.* found wall_time; correct",
        ),
        (SLURM.replace("slurm", "slrm"), "expected a kind of slurm, pbs, .* found slrm and 2"),
        (SLURM.replace("2\n", "0\n"), "positive number, found slurm and 0"),
        (SLURM.replace("= 2\n", '= "2"\n'), "expected workers as int, found '2'"),
        ('kind = "slurm"\nworkers = 2\n', "expected options as dict, found None"),
        (SLURM, "there is no slurm here; expected the command sbatch, found none"),
    ],
)
def test_what_a_file_says_is_checked(tmp_path, text, message):
    pytest.importorskip("dask_jobqueue")
    assert shutil.which("sbatch") is None
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(ClusterError, match=message), open_cluster(str(tmp_path / "c.toml")):
        pass


def test_options_that_a_queue_refuses_are_a_sentence(tmp_path, monkeypatch):
    pytest.importorskip("dask_jobqueue")
    write_command(tmp_path / "sbatch", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "c.toml").write_text(SLURM.replace('memory = "2GB"\n', ""))
    with (
        pytest.raises(ClusterError, match="cannot be started .You must specify how much cores and memory"),
        open_cluster(str(tmp_path / "c.toml")),
    ):
        pass


def test_without_dask_a_cluster_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(
            MissingDependencyError, match=r"needs the package distributed.* 'openmm-scoredyn\[cluster\]'"
        ),
        open_cluster("local"),
    ):
        pass


def test_a_worker_that_dies_of_every_task_is_given_up(model, tmp_path, monkeypatch):
    """As one that the system kills for its memory."""
    with open_cluster("local:1") as executor:
        executor._client.run(dies_of_tasks)
        executor._client.run_on_scheduler(allow_no_kill)
        with pytest.raises(ClusterError, match="workers ended before the work did .* same command again"):
            run_ensemble(model, START, tmp_path / "e", N_STEPS, executor=executor, **OPTIONS)


def dies_of_tasks():
    """Done on a worker: the first task ends it."""
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGKILL))
    ensemble.run_replicas = lambda *arguments, **options: os.kill(os.getpid(), signal.SIGKILL)


def allow_no_kill(dask_scheduler):
    """Done on the scheduler."""
    dask_scheduler.allowed_failures = 0
