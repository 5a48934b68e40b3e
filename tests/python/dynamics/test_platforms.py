"""What differs between platforms: precision, order of atoms, images of molecules; and what must not."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import bulk
import numpy as np
import openmm
import pytest
from contexts import positions_of
from openmm import app, unit
from platforms import platforms_here
from programs import MASSES, POSITIONS, OrnsteinUhlenbeck

import openmm_scoredyn as sd
from openmm_scoredyn import ScoreDynamicsIntegrator

PRECISE = [
    (name, precision)
    for name in platforms_here(("OpenCL", "CUDA", "HIP"))
    for precision in ("single", "mixed", "double")
]
# By how much a network may differ between host and GPU, nm; OpenCL leaves it on the host.
NETWORK_ROUNDING = {"Reference": 0, "CPU": 0, "OpenCL": 0, "CUDA": 1e-5, "HIP": 1e-5}


@pytest.fixture(params=PRECISE, ids=lambda pair: "-".join(pair))
def precise(request):
    """Platform and properties of every platform with precisions."""
    name, precision = request.param
    return openmm.Platform.getPlatformByName(name), {"Precision": precision}


def make_context(system, path, platform, properties=None, positions=POSITIONS, forces_only_reported=False):
    integrator = ScoreDynamicsIntegrator(path)
    integrator.setForcesOnlyReported(forces_only_reported)
    integrator.setRandomNumberSeed(4)
    context = openmm.Context(system, integrator, platform, properties or {})
    context.setPositions(positions)
    return context, integrator


def alanine(name):
    """The shipped model in an ordinary script; nothing but the name of the platform differs."""
    model = sd.pretrained("alanine-dipeptide-obc2")
    pdb = app.PDBFile(str(model.with_name("alanine-dipeptide.pdb")))
    system = app.ForceField("amber99sbildn.xml", "amber99_obc.xml").createSystem(
        pdb.topology, nonbondedMethod=app.NoCutoff, constraints=app.HBonds, hydrogenMass=3 * unit.amu
    )
    integrator = sd.ScoreDynamicsIntegrator(model)
    integrator.setRandomNumberSeed(7)
    simulation = app.Simulation(pdb.topology, system, integrator, openmm.Platform.getPlatformByName(name))
    simulation.context.setPositions(pdb.positions)
    simulation.context.applyConstraints(1e-5)
    text = io.StringIO()
    simulation.reporters.append(
        app.StateDataReporter(text, 5, step=True, potentialEnergy=True, temperature=True)
    )
    simulation.step(20)
    return positions_of(simulation.context), text.getvalue().splitlines()


def test_a_script_is_switched_by_the_name_of_the_platform(platform):
    expected, _ = alanine("Reference")
    found, rows = alanine(platform.getName())
    # Constrained bonds are kept to a relative 1e-5 by each platform in its own way.
    np.testing.assert_allclose(found, expected, atol=2e-5 + NETWORK_ROUNDING[platform.getName()])
    assert len(rows) == 5
    energies = [float(row.split(",")[1]) for row in rows[1:]]
    assert np.all(np.isfinite(energies)) and max(energies) < 200


def test_parity_with_reference(make_program, make_system, precise):
    """Same seed, same noise, same positions, whatever the precision: float32 goes in and comes out."""
    path = make_program(OrnsteinUhlenbeck())
    context, integrator = make_context(make_system(), path, *precise)
    reference, other = make_context(make_system(), path, openmm.Platform.getPlatformByName("Reference"))
    for _ in range(10):
        integrator.step(1)
        other.step(1)
        rounding = NETWORK_ROUNDING[precise[0].getName()]
        np.testing.assert_allclose(positions_of(context), positions_of(reference), rtol=0, atol=rounding)


def run_bulk(tmp_path, module, platform, properties, steps, **values):
    path = bulk.save_bulk_program(tmp_path / "bulk.pt", module, 40, **values)
    context, integrator = make_context(bulk.make_system(40), path, platform, properties, bulk.start(40))
    integrator.step(steps)
    return context, integrator


# The context reorders atoms when positions are set, and then after 250 steps.
@pytest.mark.parametrize("steps", [3, 400])
def test_atoms_keep_their_identity_in_a_box(tmp_path, precise, steps):
    module = bulk.Streaming(40)
    context, _ = run_bulk(tmp_path, module, *precise, steps)
    expected = bulk.start(40) + steps * module.velocity.numpy().astype(float)
    # Up to 8 boxes away; every float32 on the way there rounds by 1e-6 at most.
    np.testing.assert_allclose(positions_of(context), expected, rtol=0, atol=1e-6 * steps)


def test_history_goes_on_when_molecules_move_to_another_image(tmp_path, precise):
    module, steps = bulk.Accelerating(40), 300
    context, integrator = run_bulk(tmp_path, module, *precise, 100, history_length=2)
    integrator.step(steps - 100)
    path = 0.005 * steps * (steps + 1)
    expected = bulk.start(40) + path * module.velocity.numpy().astype(float)
    # A history started again at the 251st step would be wrong by several nm.
    np.testing.assert_allclose(positions_of(context), expected, rtol=0, atol=0.05)


def test_a_restart_in_a_box_goes_on_bit_for_bit(tmp_path, precise):
    context, integrator = run_bulk(tmp_path, bulk.Accelerating(40), *precise, 255, history_length=2)
    saved = context.createCheckpoint()
    integrator.step(5)
    unbroken = positions_of(context)
    context.loadCheckpoint(saved)
    integrator.step(5)
    assert np.array_equal(positions_of(context), unbroken)


def test_history_goes_on_in_another_context(tmp_path, precise):
    """A State holds the history, and positions outside the box."""
    context, integrator = run_bulk(tmp_path, bulk.Accelerating(40), *precise, 200, history_length=2)
    saved = context.getState(positions=True, velocities=True, integratorParameters=True)
    other, resumed = run_bulk(tmp_path, bulk.Accelerating(40), *precise, 0, history_length=2)
    other.setState(saved)
    integrator.step(20)
    resumed.step(20)
    np.testing.assert_allclose(positions_of(other), positions_of(context), rtol=0, atol=1e-3)


def test_history_goes_on_when_a_force_changes(tmp_path, precise):
    """Molecules that are no longer alike make OpenMM put atoms back in order and into the box,
    with rounding.
    """
    module, steps = bulk.Accelerating(40), 200
    path = bulk.save_bulk_program(tmp_path / "bulk.pt", module, 40, history_length=2)
    system = bulk.make_system(40)
    context, integrator = make_context(system, path, *precise, positions=bulk.start(40))
    integrator.step(steps - 30)
    force = next(f for f in system.getForces() if isinstance(f, openmm.NonbondedForce))
    force.setParticleParameters(0, 0, 0.2, 0)
    force.updateParametersInContext(context)
    integrator.step(30)
    expected = bulk.start(40) + 0.005 * steps * (steps + 1) * module.velocity.numpy().astype(float)
    np.testing.assert_allclose(positions_of(context), expected, rtol=0, atol=0.05)


# ---- other forces ----


def python_force(state):
    """A harmonic well about the origin, 10 kJ/mol/nm^2."""
    positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    return 5.0 * np.sum(positions**2), -10.0 * positions


def torch_force():
    torch_plugin = pytest.importorskip("openmmtorch", reason="openmmtorch does not import beside this torch")
    import torch

    class Well(torch.nn.Module):
        def forward(self, positions):
            return 5.0 * positions.square().sum()

    return torch_plugin.TorchForce(torch.jit.script(Well()))


@pytest.mark.parametrize("kind", ["python", "custom", "torch"])
def test_other_forces_show_in_energies_and_change_nothing_else(make_program, make_system, platform, kind):
    def custom():
        force = openmm.CustomExternalForce("5*(x^2+y^2+z^2)")
        for particle in range(len(MASSES)):
            force.addParticle(particle)
        return force

    make = {"python": lambda: openmm.PythonForce(python_force), "custom": custom, "torch": torch_force}
    path = make_program(OrnsteinUhlenbeck())
    system = make_system()
    system.addForce(make[kind]())
    with_force, integrator = make_context(system, path, platform, forces_only_reported=True)
    without, other = make_context(make_system(), path, platform)
    for _ in range(3):
        integrator.step(1)
        other.step(1)
        state = with_force.getState(positions=True, velocities=True, energy=True, forces=True)
        positions = state.getPositions(asNumpy=True)._value
        plain = without.getState(positions=True, velocities=True)
        assert np.array_equal(positions, plain.getPositions(asNumpy=True)._value)
        assert np.array_equal(
            state.getVelocities(asNumpy=True)._value, plain.getVelocities(asNumpy=True)._value
        )
        assert state.getPotentialEnergy()._value == pytest.approx(5 * np.sum(positions**2), rel=1e-5)
        np.testing.assert_allclose(state.getForces(asNumpy=True)._value, -10 * positions, atol=1e-4)


# ---- size ----

GROWTH = """
import sys
import bulk, openmm, pathlib, tempfile
from openmm_scoredyn import ScoreDynamicsIntegrator
# The highest memory is counted from here on: importing a torch for CUDA takes more than a small system.
pathlib.Path("/proc/self/clear_refs").write_text("5")
platform, molecules, box = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
with tempfile.NamedTemporaryFile(suffix=".pt") as file:
    path, module = pathlib.Path(file.name), bulk.Messages(2 * molecules)
    bulk.save_bulk_program(path, module, molecules, box, denoising_steps=2)
    integrator = ScoreDynamicsIntegrator(file.name)
    context = openmm.Context(
        bulk.make_system(molecules, box), integrator, openmm.Platform.getPlatformByName(platform)
    )
    context.setPositions(bulk.start(molecules, box))
    integrator.step(3)
    assert context.getState().getStepCount() == 3
print(pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.slow
def test_twenty_thousand_particles_step_in_linear_memory(platform):
    """Ten times the particles take at most some ten times the memory; one byte per pair alone would be 400
    MB.
    """

    def peak(molecules, box):
        done = subprocess.run(
            [sys.executable, "-c", GROWTH, platform.getName(), str(molecules), str(box)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return (
            int(done.stdout.split()[-1]) / 1024
        )  # an OpenCL without a GPU makes OpenMM print a warning before

    small, middle, large = peak(100, 3.0), peak(5_000, 6.0), peak(10_000, 7.5)
    assert large - small < 2.5 * (middle - small), (small, middle, large)
    assert large - small < 400, (small, middle, large)


# ---- machines without a device ----


def test_platforms_that_are_not_there_do_not_break_the_import(tmp_path):
    """OpenMM without its OpenCL plugin, as on a machine without an OpenCL driver."""
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    original = Path(openmm.version.openmm_library_path) / "plugins"
    shutil.copy(original / "libOpenMMCPU.so", plugins)
    code = (
        "import openmm\n"
        "from openmm_scoredyn.program.native import scoredyn\n"
        "n = openmm.Platform.getNumPlatforms()\n"
        "print(sorted(openmm.Platform.getPlatform(i).getName() for i in range(n)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=os.environ
        | {
            "OPENMM_PLUGIN_DIR": str(plugins),
            "LD_LIBRARY_PATH": str(original.parent),
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['CPU', 'Reference']"
    assert "not extended" not in done.stderr
