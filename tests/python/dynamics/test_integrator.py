"""ScoreDynamicsIntegrator among OpenMM's own classes and Python's threads."""

import _thread
import io
import signal
import threading
import time

import numpy as np
import openmm
import pytest
import torch
from contexts import make_context, positions_of
from openmm import app, unit
from programs import POSITIONS, Drift, OrnsteinUhlenbeck

from openmm_scoredyn import ScoreDynamicsIntegrator
from openmm_scoredyn.program.native import scoredyn


def test_simulation_with_reporters(make_either, make_system):
    topology = app.Topology()
    residue = topology.addResidue("MOL", topology.addChain())
    for symbol in ("C", "H", "F", "Cl", "Br"):
        topology.addAtom(symbol, app.Element.getBySymbol(symbol), residue)
    integrator = ScoreDynamicsIntegrator(
        make_either(OrnsteinUhlenbeck()), 300 * unit.kelvin, 1 * unit.picosecond
    )
    simulation = app.Simulation(topology, make_system(), integrator)
    simulation.context.setPositions(POSITIONS)
    text = io.StringIO()
    simulation.reporters.append(app.StateDataReporter(text, 2, step=True, time=True, kineticEnergy=True))
    simulation.step(10)
    assert len(text.getvalue().splitlines()) == 6
    assert text.getvalue().splitlines()[-1].startswith("10,10.0")


def test_compound_integrator_switches_between_langevin_and_model(make_program, make_system, platform):
    compound = openmm.CompoundIntegrator()
    compound.addIntegrator(openmm.LangevinMiddleIntegrator(300, 1, 0.001))
    compound.addIntegrator(ScoreDynamicsIntegrator(make_program(OrnsteinUhlenbeck())))
    context = openmm.Context(make_system(), compound, platform)
    context.setPositions(POSITIONS)
    compound.step(2)
    compound.setCurrentIntegrator(1)
    compound.step(3)
    assert context.getState().getTime()._value == pytest.approx(3.002)
    member = ScoreDynamicsIntegrator.cast(compound.getIntegrator(1))
    assert member.getSolver() == "dpmpp_2m"
    with pytest.raises(openmm.OpenMMException, match="expected a ScoreDynamicsIntegrator"):
        ScoreDynamicsIntegrator.cast(compound.getIntegrator(0))


def test_motion_remover_is_accepted(make_program, make_system, platform):
    system = make_system()
    system.addForce(openmm.CMMotionRemover())
    context, integrator = make_context(make_program(OrnsteinUhlenbeck()), system, platform)
    integrator.step(3)
    assert np.isfinite(positions_of(context)).all()


def test_gil_is_released_while_stepping(make_program, make_system):
    _context, integrator = make_context(make_program(OrnsteinUhlenbeck()), make_system())
    ticks = []

    def tick():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    done = threading.Event()
    thread = threading.Thread(target=tick)
    thread.start()
    begin = time.perf_counter()
    integrator.step(3000)
    end = time.perf_counter()
    done.set()
    thread.join()
    assert sum(begin < t < end for t in ticks) > 5


def test_thread_count_of_the_process_is_kept(make_either, make_system):
    context, integrator = make_context(make_either(OrnsteinUhlenbeck()), make_system())
    before = torch.get_num_threads()
    integrator.setNumThreads(before + 1)
    integrator.step(2)
    assert torch.get_num_threads() == before
    assert context.getState().getStepCount() == 2


def test_control_c_stops_between_steps(make_program, make_system):
    context, integrator = make_context(make_program(Drift()), make_system())
    # A process started in the background ignores the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.2, _thread.interrupt_main).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            integrator.step(1_000_000)
    finally:
        signal.signal(signal.SIGINT, before)
    assert 0 < context.getState().getStepCount() < 1_000_000


def test_units_in_and_out(make_program):
    integrator = ScoreDynamicsIntegrator(
        make_program(Drift()), 0.3 * unit.kelvin * 1000, 1000 * unit.femtosecond
    )
    assert integrator.getTemperature().value_in_unit(unit.kelvin) == pytest.approx(300)
    assert integrator.getStepSize().value_in_unit(unit.femtosecond) == pytest.approx(1000)
    assert integrator.getModel().name == "Drift"


def test_model_as_path_bytes_or_loaded(make_either, make_system, tmp_path):
    from pathlib import Path

    from openmm_scoredyn import ScoreModel

    path = make_either(OrnsteinUhlenbeck())
    content = Path(path).read_bytes()
    for model in (path, Path(path), content, ScoreModel(path), ScoreModel(content)):
        integrator = ScoreDynamicsIntegrator(model)
        assert integrator.getModelSHA256() == scoredyn.Program(path).sha256
        is_bytes = isinstance(model, bytes) or (isinstance(model, ScoreModel) and not model.program.path)
        assert integrator.getModelPath() == ("" if is_bytes else path)
