"""Damaged copies of a file, and what becomes of them: refused in one sentence, the same result, another
result, a traceback, or no answer in time.

Every mutant is tried in a worker process, so that one that ends or hangs it counts as such.
"""

import concurrent.futures
import multiprocessing
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from io import BytesIO

import numpy as np

OUTCOMES = (
    "refused",
    "refused by OpenMM",
    "dropped by OpenMM",
    "same result",
    "other result",
    "traceback",
    "crash",
    "hang",
)
PATIENCE_S = 60.0


class RefusedByOpenMM(Exception):
    """OpenMM itself refused the file, in words of its own."""


class DroppedByOpenMM(Exception):
    """OpenMM read the file as one that holds nothing of ours, and calls nothing of ours."""


def random_places(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """A bit, a byte or a run of up to eight bytes changed anywhere."""
    yield from _changed(data, [(0, len(data))], count, seed)


def regions(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """The same, every part of the zip file equally often: each record, the directory, the end."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        starts = [entry.header_offset for entry in archive.infolist()] + [archive.start_dir, len(data) - 22]
    yield from _changed(data, list(zip(starts, [*starts[1:], len(data)])), count, seed)


def single_bits(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """One bit changed anywhere."""
    generator = np.random.default_rng(seed)
    for place in generator.integers(0, 8 * len(data), count):
        yield _with(data, int(place) // 8, bytes([data[int(place) // 8] ^ 1 << int(place) % 8]))


def cut_short(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """The file without its end."""
    for length in np.random.default_rng(seed).integers(0, len(data), count):
        yield data[: int(length)]


def _changed(data: bytes, parts: list[tuple[int, int]], count: int, seed: int) -> Iterator[bytes]:
    generator = np.random.default_rng(seed)
    for i in range(count):
        begin, end = parts[i % len(parts)]
        place = int(generator.integers(begin, end))
        kind = generator.integers(3)
        old = data[place : place + (1 if kind < 2 else int(generator.integers(2, 9)))]
        new = bytes([old[0] ^ 1 << int(generator.integers(8))]) if kind == 0 else generator.bytes(len(old))
        if new == old:
            new = bytes([old[0] ^ 1]) + old[1:]
        yield _with(data, place, new)


def _with(data: bytes, place: int, new: bytes) -> bytes:
    return data[:place] + new + data[place + len(new) :]


def classify(
    use: Callable[[bytes], str], data: bytes, mutants: Iterator[bytes], patience_s: float = PATIENCE_S
) -> tuple[Counter, list[str]]:
    """Count what becomes of mutants of `data`.

    Parameters
    ----------
    use : a function of a module, which gives a text that says what came out, the same for the same result

    Returns
    -------
    counts : Counter over OUTCOMES
    oddities : what the mutants said that were neither refused nor harmless
    """
    counts, oddities = Counter(), []
    expected = use(data)
    pool = _Worker(data, patience_s)
    try:
        for mutant in mutants:
            outcome, said = pool.outcome(use, mutant, expected)
            counts[outcome] += 1
            if outcome not in ("refused", "same result"):
                oddities.append(f"{outcome}: {said}")
    finally:
        pool.stop()
    return counts, oddities


class _Worker:
    """One process that tries mutants, replaced by another where one ended or hung."""

    def __init__(self, whole: bytes, patience_s: float):
        self.pool, self.whole, self.patience_s = None, whole, patience_s

    def outcome(self, use, mutant: bytes, expected: str) -> tuple[str, str]:
        if self.pool is None:
            context = multiprocessing.get_context("spawn")
            self.pool = concurrent.futures.ProcessPoolExecutor(1, mp_context=context)
            # To start it and to import takes longer than any answer.
            with suppress(BrokenProcessPool):
                self.pool.submit(_try, use, self.whole, expected).result()
        try:
            return self.pool.submit(_try, use, mutant, expected).result(self.patience_s)
        except BrokenProcessPool:
            self.stop()
            return "crash", "the process ended"
        except TimeoutError:
            for process in list(self.pool._processes.values()):
                process.kill()
            self.stop()
            return "hang", f"no answer in {self.patience_s:g} s"

    def stop(self) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)
        self.pool = None


def _try(use, mutant: bytes, expected: str) -> tuple[str, str]:
    import openmm

    from openmm_scoredyn.errors import ScoreDynError

    try:
        found = use(mutant)
    except (RefusedByOpenMM, DroppedByOpenMM) as error:
        return f"{type(error).__name__.removesuffix('ByOpenMM').lower()} by OpenMM", str(error)
    except (ScoreDynError, openmm.OpenMMException) as error:
        one_sentence = str(error).strip() and "\n" not in str(error).strip()
        return ("refused", "") if one_sentence else ("traceback", repr(error))
    except Exception as error:  # noqa: BLE001 - whatever else is raised is what is looked for
        return "traceback", repr(error)
    return ("same result", "") if found == expected else ("other result", f"{found} instead of {expected}")
