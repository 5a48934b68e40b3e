"""What the workers of an executor did, whoever they are."""

from concurrent.futures import BrokenExecutor, CancelledError, Future

from openmm_scoredyn.errors import ClusterError


def outcome(future: Future, command: str):
    """The result of a task; the ways of executors to say that nobody works are one sentence.

    Raises
    ------
    ClusterError
        If the workers, or their scheduler, are gone; what the task itself raised is passed on.
    """
    try:
        return future.result()
    except (CancelledError, BrokenExecutor) as error:
        reason = str(error) or "the scheduler is gone"
    except Exception as error:
        # Of Dask, which need not be installed.
        if type(error).__name__ not in ("KilledWorker", "SchedulerClosedError"):
            raise
        reason = str(error)
    raise ClusterError(
        f"{command}: the workers ended before the work did ({reason}); expected them to finish, so they or"
        " their scheduler were killed; give the same command again to go on after the last chunks."
    )
