"""What is done with a damaged file: what a user would do with a whole one, told as a text."""

import hashlib
import tempfile
from pathlib import Path

import numpy as np
from mutants import DroppedByOpenMM, RefusedByOpenMM


def digest(*arrays) -> str:
    """SHA-256 of the numbers of arrays."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def draw(data: bytes) -> str:
    """Load a score program and draw three steps of the molecule of `programs`."""
    from programs import POSITIONS

    from openmm_scoredyn.program.model import ScoreModel

    model = ScoreModel(data)
    return model.card.name + digest(model.sample(POSITIONS[None], 3, seed=3))


def draw_shipped(data: bytes) -> str:
    """Load the shipped model and draw three steps."""
    from openmm_scoredyn.program.model import ScoreModel

    model = ScoreModel(data)
    start = np.array(golden_history(model.card), np.float32).reshape(1, model.card.num_particles, 3)
    return model.card.name + digest(model.sample(start, 3, seed=3))


def golden_history(card) -> list[float]:
    """The history of the first golden example."""
    golden = card.golden if isinstance(card.golden, dict) else card.golden[0]
    return golden["history"]


def denoise(data: bytes) -> str:
    """Load a crystal denoiser and denoise a small crystal."""
    from crystals import crystal

    from openmm_scoredyn.crystals.model import CrystalDenoiser

    positions, box = crystal()
    return digest(CrystalDenoiser(data).denoise(positions, box, iterations=1))


def read_checkpoint(data: bytes) -> str:
    """Read a checkpoint of training as resuming and exporting do."""
    from openmm_scoredyn.program import archive

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "last.ckpt"
        path.write_bytes(data)
        content = archive.read_checkpoint(path)
    return digest(*(value.numpy() for value in content["state_dict"].values()))


def make_context(program: bytes):
    """A context of the molecule of `programs`, with positions and velocities."""
    import openmm
    from programs import MASSES, POSITIONS, TEMPERATURE

    from openmm_scoredyn import ScoreDynamicsIntegrator

    integrator = ScoreDynamicsIntegrator(program)
    integrator.setRandomNumberSeed(5)
    system = openmm.System()
    for mass in MASSES:
        system.addParticle(mass)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(POSITIONS)
    context.setVelocitiesToTemperature(TEMPERATURE, 7)
    return context


def after_two_steps(context) -> str:
    """Where two steps lead."""
    context.getIntegrator().step(2)
    state = context.getState(positions=True, velocities=True)
    return digest(
        state.getPositions(asNumpy=True)._value,
        state.getVelocities(asNumpy=True)._value,
        [state.getTime()._value],
    )


def load_openmm_checkpoint(program: bytes, data: bytes) -> str:
    """Load a checkpoint of OpenMM into a context, and go on."""
    context = make_context(program)
    context.loadCheckpoint(data)
    return after_two_steps(context)


def load_state_xml(program: bytes, data: bytes) -> str:
    """Set a State that was read from XML, and go on."""
    import openmm

    context = make_context(program)
    try:
        state = openmm.XmlSerializer.deserialize(data.decode("latin-1"))
    except Exception as error:
        raise RefusedByOpenMM(repr(error)) from error
    if not state.getDataTypes() & openmm.State.IntegratorParameters:
        raise DroppedByOpenMM("a State without integrator parameters is a State, too")
    context.setState(state)
    return after_two_steps(context)


def load_integrator_xml(data: bytes) -> str:
    """Make an integrator of XML with its model in it, and take two steps."""
    import openmm
    from programs import MASSES, POSITIONS

    from openmm_scoredyn.program.native import scoredyn  # noqa: F401 (registers the proxy)

    integrator = openmm.XmlSerializer.deserialize(data.decode("latin-1"))
    system = openmm.System()
    for mass in MASSES:
        system.addParticle(mass)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(POSITIONS)
    return after_two_steps(context)
