"""Threads and processes: caps, turns, forks; and whole numbers of steps of any type."""

import subprocess
import sys
import threading

import numpy as np
import openmm
import pytest
from contexts import make_context, trajectory
from programs import POSITIONS, Drift, OrnsteinUhlenbeck
from refusals import refusal

from openmm_scoredyn import ScoreDynamicsIntegrator, ScoreModel


def test_numbers_of_threads_that_would_end_the_process_are_refused(make_program):
    path = make_program(Drift())
    for threads in (257, 20000, 2**31 - 1):
        with refusal(f"the number of threads is {threads}; expected 1 to 256"):
            ScoreDynamicsIntegrator(path).setNumThreads(threads)
    xml = openmm.XmlSerializer.serialize(ScoreDynamicsIntegrator(path))
    with refusal("the number of threads is 20000; expected 1 to 256"):
        openmm.XmlSerializer.deserialize(xml.replace('numThreads="1"', 'numThreads="20000"'))
    model = ScoreModel(path)
    with pytest.raises(Exception, match="the number of threads is 20000; expected 1 to 256"):
        model.sample(POSITIONS[None], 1, num_threads=20000)


def test_threads_that_step_one_integrator_take_turns(make_program, make_system):
    path = make_program(OrnsteinUhlenbeck())
    context, integrator = make_context(path, make_system())
    threads = [threading.Thread(target=integrator.step, args=(25,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert context.getStepCount() == 100
    serial = make_context(path, make_system())
    # The noise of a step is a function of its number, whoever draws it.
    assert np.array_equal(trajectory(*serial, 101)[-1], trajectory(context, integrator, 1)[-1])


FORK = """
import os, sys
import numpy as np
import openmm_scoredyn as sd
model = sd.ScoreModel(sys.argv[1])
frames = np.load(sys.argv[2])
used, wanted = int(sys.argv[3]), int(sys.argv[4])
model.sample(frames, 1, seed=1, num_threads=used)
child = os.fork()
if child == 0:
    try:
        model.sample(frames, 1, seed=1, num_threads=wanted)
        os.write(1, b"drawn")
    except Exception as error:
        os.write(1, str(error).encode())
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.parametrize("used, wanted, found", [(2, 2, "forked"), (2, 1, "drawn"), (1, 2, "drawn")])
def test_fork_after_threads_is_told(make_program, tmp_path, used, wanted, found):
    """OpenMP would wait without end for threads that the fork did not copy."""

    np.save(tmp_path / "frames.npy", np.repeat(POSITIONS[None, None], 64, axis=0))
    arguments = [make_program(OrnsteinUhlenbeck()), str(tmp_path / "frames.npy"), str(used), str(wanted)]
    done = subprocess.run(
        [sys.executable, "-c", FORK, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert found in done.stdout


def test_whole_numbers_of_steps_of_any_type(make_program, make_system):
    context, integrator = make_context(make_program(Drift()), make_system())
    for steps in (1e1, np.float64(2), np.int64(3)):
        integrator.step(steps)
    assert context.getStepCount() == 15
    for steps in (2.5, -1, "one", float("nan")):
        with refusal(f"the number of steps is {steps!r}; expected an integer from 0"):
            integrator.step(steps)
    assert context.getStepCount() == 15
