"""XML of the integrator: every field, the model by path and SHA-256 or embedded, copies and pickles."""

import copy
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import openmm
import pytest
from programs import MASSES, POSITIONS, Drift, Inertial, OrnsteinUhlenbeck

import openmm_scoredyn as sd
from openmm_scoredyn import ScoreDynamicsIntegrator

GETTERS = (
    "getTemperature",
    "getStepSize",
    "getConstraintTolerance",
    "getIntegrationForceGroups",
    "getSolver",
    "getDenoisingSteps",
    "getRandomNumberSeed",
    "getMaxResamples",
    "getRefinements",
    "getNumThreads",
    "getParticles",
    "getForcesOnlyReported",
    "getEmbedModel",
    "getModelPath",
    "getModelSHA256",
)


def fields(integrator):
    return {getter: getattr(integrator, getter)() for getter in GETTERS}


def changed_integrator(model):
    """Every field at a value other than its default."""
    integrator = ScoreDynamicsIntegrator(model, temperature=310, stepSize=2)
    integrator.setConstraintTolerance(1e-3)
    integrator.setIntegrationForceGroups(5)
    integrator.setSolver("heun")
    integrator.setDenoisingSteps(7)
    integrator.setRandomNumberSeed(2**31 - 1)
    integrator.setMaxResamples(3)
    integrator.setRefinements(2)
    integrator.setNumThreads(2)
    integrator.setForcesOnlyReported(True)
    integrator.setParticles([4, 2, 0])
    return integrator


def round_trip(integrator):
    return ScoreDynamicsIntegrator.cast(
        openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(integrator))
    )


def test_every_field_differs_from_its_default(make_program):
    path = make_program(Drift())
    default, changed = fields(ScoreDynamicsIntegrator(path)), fields(changed_integrator(path))
    same = {getter for getter in GETTERS if default[getter] == changed[getter]}
    assert same == {"getEmbedModel", "getModelPath", "getModelSHA256"}


@pytest.mark.parametrize("embed", [False, True])
def test_xml_keeps_every_field(make_program, embed):
    integrator = changed_integrator(make_program(Drift()))
    integrator.setEmbedModel(embed)
    read = round_trip(integrator)
    # An embedded model no longer has a path.
    expected = fields(integrator) | ({"getModelPath": ""} if embed else {})
    assert fields(read) == expected


def test_xml_names_path_and_sum_and_version(make_program):
    integrator = ScoreDynamicsIntegrator(make_program(Drift()))
    xml = openmm.XmlSerializer.serialize(integrator)
    for text in (f'modelPath="{integrator.getModelPath()}"', integrator.getModelSHA256(), 'version="3"'):
        assert text in xml
    assert ' model="' not in xml


def test_xml_from_before_refinements_has_none(make_program):
    xml = openmm.XmlSerializer.serialize(changed_integrator(make_program(Drift())))
    old, count = re.subn(r' refinements="2"', "", xml.replace('version="3"', 'version="2"', 1))
    assert count == 1
    read = ScoreDynamicsIntegrator.cast(openmm.XmlSerializer.deserialize(old))
    assert read.getRefinements() == 0 and read.getMaxResamples() == 3


def test_relative_path_is_made_absolute(make_program, monkeypatch):
    path = Path(make_program(Drift()))
    monkeypatch.chdir(path.parent)
    integrator = ScoreDynamicsIntegrator(path.name)
    monkeypatch.chdir("/")
    assert fields(round_trip(integrator)) == fields(integrator)


def test_model_given_as_bytes_is_embedded(make_program):
    integrator = changed_integrator(Path(make_program(Drift())).read_bytes())
    assert integrator.getEmbedModel()
    assert fields(round_trip(integrator)) == fields(integrator)


def test_embedded_model_needs_no_file(make_program):
    path = Path(make_program(OrnsteinUhlenbeck()))
    integrator = ScoreDynamicsIntegrator(path)
    integrator.setEmbedModel(True)
    xml = openmm.XmlSerializer.serialize(integrator)
    path.unlink()
    frames = []
    for one in (integrator, openmm.XmlSerializer.deserialize(xml)):
        ScoreDynamicsIntegrator.cast(one).setRandomNumberSeed(9)
        system = openmm.System()
        for mass in MASSES:
            system.addParticle(mass)
        context = openmm.Context(system, one, openmm.Platform.getPlatformByName("Reference"))
        context.setPositions(POSITIONS)
        one.step(3)
        frames.append(context.getState(positions=True).getPositions(asNumpy=True)._value)
    assert np.array_equal(*frames)
    assert not np.array_equal(frames[0], POSITIONS)


def test_another_file_at_the_path_is_refused(make_program):
    path = Path(make_program(Drift()))
    xml = openmm.XmlSerializer.serialize(ScoreDynamicsIntegrator(path))
    path.write_bytes(Path(make_program(OrnsteinUhlenbeck())).read_bytes())
    with pytest.raises(
        openmm.OpenMMException, match="is not the model that was serialized; expected SHA-256 "
    ):
        openmm.XmlSerializer.deserialize(xml)
    path.unlink()
    with pytest.raises(
        openmm.OpenMMException,
        match=re.escape(f"{path} is not the model that was serialized; expected SHA-256 ")
        + ".*found no file",
    ):
        openmm.XmlSerializer.deserialize(xml)


def test_model_that_moved_is_found_again(make_program, monkeypatch, tmp_path):
    """By its SHA-256, in the folders of SCOREDYN_MODEL_PATH."""
    path = Path(make_program(OrnsteinUhlenbeck()))
    integrator = ScoreDynamicsIntegrator(path)
    xml = openmm.XmlSerializer.serialize(integrator)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.pt").write_bytes(Path(make_program(Drift())).read_bytes())
    moved = path.rename(tmp_path / "models" / "renamed.pt")
    monkeypatch.setenv("SCOREDYN_MODEL_PATH", str(tmp_path / "missing"))
    with pytest.raises(
        openmm.OpenMMException, match="found no file, and no .* folders of SCOREDYN_MODEL_PATH"
    ):
        openmm.XmlSerializer.deserialize(xml)
    monkeypatch.setenv("SCOREDYN_MODEL_PATH", f"{tmp_path / 'missing'}:{tmp_path / 'models'}")
    read = ScoreDynamicsIntegrator.cast(openmm.XmlSerializer.deserialize(xml))
    assert read.getModelPath() == str(moved)
    assert read.getModelSHA256() == integrator.getModelSHA256()


SIMULATION_FROM_XML = """
import sys
import openmm_scoredyn
assert "torch" not in sys.modules and "openmm" not in sys.modules, "the import must be cheap"
from openmm import app, Platform
pdb = app.PDBFile(sys.argv[1])
platform = Platform.getPlatformByName("Reference")
simulation = app.Simulation(pdb.topology, "system.xml", "integrator.xml", platform)
simulation.context.setPositions(pdb.positions)
simulation.step(2)
integrator = openmm_scoredyn.ScoreDynamicsIntegrator.cast(simulation.integrator)
print(simulation.context.getStepCount(), integrator.getSolver())
"""


def test_importing_the_package_is_enough_to_read_xml(tmp_path):
    model = sd.pretrained("alanine-dipeptide-obc2")
    pdb = str(model.with_name("alanine-dipeptide.pdb"))
    simulation = sd.prepare(pdb, model)
    for name, thing in (("system", simulation.system), ("integrator", simulation.integrator)):
        (tmp_path / f"{name}.xml").write_text(openmm.XmlSerializer.serialize(thing))
    done = subprocess.run(
        [sys.executable, "-c", SIMULATION_FROM_XML, pdb],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2", simulation.integrator.getSolver()]


def test_damaged_embedded_model_is_refused(make_program):
    xml = openmm.XmlSerializer.serialize(ScoreDynamicsIntegrator(Path(make_program(Drift())).read_bytes()))
    start = xml.index(' model="') + 8
    for damaged, text in (
        (xml[:start] + "!" + xml[start + 1 :], "base64"),
        (
            xml[: start + 400] + xml[start + 404 :],
            "not an archive of openmm-scoredyn|not the model that was serialized",
        ),
    ):
        with pytest.raises(openmm.OpenMMException, match=text):
            openmm.XmlSerializer.deserialize(damaged)


def test_future_version_is_refused(make_program):
    xml = openmm.XmlSerializer.serialize(ScoreDynamicsIntegrator(make_program(Drift())))
    with pytest.raises(openmm.OpenMMException, match="the XML has version 4; expected 3; install a newer"):
        openmm.XmlSerializer.deserialize(xml.replace('version="3"', 'version="4"'))


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda i: pickle.loads(pickle.dumps(i))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_copies_are_integrators_of_the_same_class(make_program, duplicate):
    integrator = changed_integrator(make_program(Drift()))
    other = duplicate(integrator)
    assert type(other) is ScoreDynamicsIntegrator
    assert fields(other) == fields(integrator)
    other.setDenoisingSteps(1)
    assert integrator.getDenoisingSteps() == 7


def make_context(model):
    system = openmm.System()
    for mass in MASSES:
        system.addParticle(mass)
    integrator = ScoreDynamicsIntegrator(model)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(POSITIONS)
    return context, integrator


def test_checkpoint_of_another_integrator_or_model_is_refused(make_program):
    context, integrator = make_context(make_program(Drift()))
    other, longer_memory = make_context(make_program(Inertial(), history_length=2))
    integrator.step(1)
    longer_memory.step(1)
    with pytest.raises(openmm.OpenMMException, match="the checkpoint was written with another model"):
        context.loadCheckpoint(other.createCheckpoint())
    with pytest.raises(openmm.OpenMMException, match="the State was written with another model"):
        context.setState(other.getState(positions=True, integratorParameters=True))
    langevin = openmm.Context(
        context.getSystem(),
        openmm.LangevinIntegrator(300, 1, 0.001),
        openmm.Platform.getPlatformByName("Reference"),
    )
    langevin.setPositions(POSITIONS)
    with pytest.raises(
        openmm.OpenMMException,
        match="the checkpoint is damaged, or was not written by a ScoreDynamicsIntegrator",
    ):
        context.loadCheckpoint(langevin.createCheckpoint())


def test_state_of_another_integrator_is_taken(make_program):
    """Equilibrate with Langevin dynamics, go on with the model."""
    context, integrator = make_context(make_program(Drift()))
    langevin = openmm.LangevinIntegrator(300, 1, 0.001)
    other = openmm.Context(context.getSystem(), langevin, openmm.Platform.getPlatformByName("Reference"))
    other.setPositions(POSITIONS)
    langevin.step(5)
    state = other.getState(positions=True, velocities=True, integratorParameters=True)
    context.setState(state)
    integrator.step(1)
    assert context.getState().getStepCount() == 6
