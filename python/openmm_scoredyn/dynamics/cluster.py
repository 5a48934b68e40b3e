"""Where tasks run, of ensembles and of simulations: processes here, jobs of a queueing system, or a Dask
scheduler.
"""

import logging
import os
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from openmm_scoredyn.errors import ClusterError, MissingDependencyError

_LOGGER = logging.getLogger(__name__)

# Classes of dask-jobqueue by the name in its configuration.
QUEUES = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "lsf": "LSFCluster",
    "sge": "SGECluster",
    "oar": "OARCluster",
    "moab": "MoabCluster",
    "htcondor": "HTCondorCluster",
}
_SCHEMES = ("tcp", "tls", "ws", "wss")
_CONNECT_S = 10
_SETTINGS = {
    # Workers killed under one task before it is given up: queues take nodes back, and the task goes on.
    "distributed.scheduler.allowed-failures": 10,
    # A process that does not answer for long may have a busy machine; one that is killed is seen at once.
    "distributed.comm.timeouts.tcp": "300s",
}


@contextmanager
def open_cluster(cluster: str, threads_per_task: int = 1) -> Iterator[Executor]:
    """Start or join a cluster, and give its executor; what was started ends with the context.

    Parameters
    ----------
    cluster : "local", a worker process for every `threads_per_task` processors of this machine; "local:N", N
        of them; NAME.toml, jobs of a queueing system, as said in docs/how_to/run_on_a_cluster.md; or the
        address of a Dask scheduler, as "tcp://HOST:8786"
    threads_per_task : processors that a task keeps busy

    Raises
    ------
    ClusterError
        If it is none of these, the file says what is not known, or no scheduler answers.
    MissingDependencyError
        If `distributed` is not installed, or for a queue `dask-jobqueue`.
    """
    kind, _, rest = cluster.partition(":")
    settings = _read(Path(cluster)) if cluster.endswith(".toml") else None
    if settings is None and kind != "local" and kind not in _SCHEMES:
        raise ClusterError(
            "cluster: there is no such cluster; expected local, local:N, NAME.toml or the address of a Dask"
            f" scheduler as tcp://HOST:8786, found {cluster!r}; choose one of these."
        )
    distributed = _import("distributed")
    with ExitStack() as stack:
        stack.enter_context(_settings())
        if settings is not None:
            address: Any = stack.enter_context(_queue(settings))
        elif kind == "local":
            address = stack.enter_context(_local(distributed, rest, threads_per_task))
        else:
            address = cluster
        client = stack.enter_context(_client(distributed, address))
        _LOGGER.info("Cluster: %s, dashboard %s", client.scheduler.address, client.dashboard_link)
        yield client.get_executor(pure=False)  # a task given out again is done again


def _import(package: str):
    try:
        return __import__(package)
    except ImportError:
        raise MissingDependencyError(
            f"cluster: a cluster needs the package {package.replace('_', '-')}, which is not installed; run"
            " `pip install 'openmm-scoredyn[cluster]'`."
        ) from None


@contextmanager
def _settings() -> Iterator[None]:
    """Ours; and Dask does not report connections that end, each with a traceback: what matters is raised."""
    import dask

    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with dask.config.set(_SETTINGS):
            yield
    finally:
        logger.setLevel(before)


def _local(distributed, count: str, threads_per_task: int):
    """Single-threaded worker processes on this machine."""
    if count and not (count.isascii() and count.isdigit() and int(count) > 0):
        raise ClusterError(
            "cluster: expected local or local:N with a positive number of workers, found"
            f" local:{count}; correct it."
        )
    workers = int(count) if count else max(1, len(os.sched_getaffinity(0)) // threads_per_task)
    return distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    )


@contextmanager
def _client(distributed, address) -> Iterator:
    try:
        client = distributed.Client(address, timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"cluster: no Dask scheduler answers at {address} within {_CONNECT_S} s ({error}); start one with"
            " `dask scheduler`, or correct the address."
        ) from None
    with client:
        yield client


def _read(path: Path) -> dict:
    """Settings of a queue: `kind`, `workers`, and `options` as the arguments of dask-jobqueue."""
    try:
        settings = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ClusterError(f"cluster: cannot read the cluster {path} ({error}); give a TOML file.") from None
    known: dict[str, type] = {"kind": str, "workers": int, "options": dict}
    if unknown := sorted(set(settings) - set(known)):
        raise ClusterError(
            f"cluster: {path} says what is not known; expected {', '.join(known)}, found {unknown[0]}; what"
            " the queueing system is to be told stands under [options]."
        )
    for name, kind in known.items():
        if type(settings.get(name)) is not kind:
            raise ClusterError(
                f"cluster: {path} lacks something; expected {name} as {kind.__name__}, found"
                f" {settings.get(name)!r}; see docs/how_to/run_on_a_cluster.md."
            )
    if settings["kind"] not in QUEUES or settings["workers"] < 1:
        raise ClusterError(
            f"cluster: {path} names no queueing system or no workers; expected a kind of {', '.join(QUEUES)}"
            f" and a positive number, found {settings['kind']} and {settings['workers']}; correct it."
        )
    return settings | {"path": path}


@contextmanager
def _queue(settings: dict) -> Iterator:
    """A cluster of jobs; one that ends, at its wall time or by a kill, is submitted again."""
    jobqueue = _import("dask_jobqueue")
    import dask

    kind, options, path = (settings[name] for name in ("kind", "options", "path"))
    known = {name.replace("-", "_") for name in dask.config.get(f"jobqueue.{kind}")}
    if unknown := sorted(set(options) - known):
        raise ClusterError(
            f"cluster: {path} has an option that a {kind} cluster does not know; expected some of"
            f" {', '.join(sorted(known))}, found {unknown[0]}; correct it."
        )
    made = getattr(jobqueue, QUEUES[kind])
    submit = shlex.split(made.job_cls.submit_command)[0]
    if shutil.which(submit) is None:
        raise ClusterError(
            f"cluster: there is no {kind} here; expected the command {submit}, found none; start on a machine"
            " that submits jobs."
        )
    options = {"cores": 1, "processes": 1} | options
    options["scheduler_options"] = {"dashboard_address": ":0"} | options.get("scheduler_options", {})
    try:
        cluster = made(**options)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ClusterError(
            f"cluster: the {kind} cluster of {path} cannot be started ({reason}); correct its options."
        ) from None
    with cluster:
        cluster.adapt(minimum=settings["workers"], maximum=settings["workers"])
        yield cluster
