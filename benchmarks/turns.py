"""Candidates that take turns, so that whatever else the machine does hits all of them; medians
and quartiles.
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path


def take_turns(
    candidates: dict[str, tuple[Callable[[], object], float]],
    rounds: int,
    clock=time.process_time,
    after_round: Callable[[dict[str, list[float]]], object] = lambda times: None,
) -> dict[str, list[float]]:
    """Seconds per unit of every candidate in every round, after one round of warm-up.

    Parameters
    ----------
    candidates : dict of str to (callable, float)
        What is measured, and how many units (steps, picoseconds, ...) one call makes.
    rounds : int
    clock : callable
        `time.process_time`, the processor time of all threads of this process, which other jobs on the
        machine hardly change; or `time.perf_counter`, wall time, which alone is right for a GPU.
    after_round : callable
        Given what is measured so far, after every round but the warm-up: what a run that is cut short leaves.

    Returns
    -------
    dict of str to list of float
    """
    times = {name: [] for name in candidates}
    for turn in range(rounds + 1):
        for name, (call, units) in candidates.items():
            start = clock()
            call()
            if turn > 0:
                times[name].append((clock() - start) / units)
        if turn > 0:
            after_round(times)
    return times


def keep(path: Path | None, found: dict) -> None:
    """Write what was found as JSON, whole or not at all; without a path, nothing."""
    if path:
        half = path.with_suffix(".half")
        half.write_text(json.dumps(found, indent=1))
        half.replace(path)


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """First quartile, median, third quartile; of a single value, that value."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high
