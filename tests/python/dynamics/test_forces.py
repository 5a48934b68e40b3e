"""Forces that nobody feels: which pass as a force field's own, and which are refused unless told."""

import numpy as np
import openmm
import pytest
from openmm import app, unit
from refusals import refusal

import openmm_scoredyn as sd
from openmm_scoredyn import ScoreDynamicsIntegrator


@pytest.fixture(scope="module")
def pdb():
    model = sd.pretrained("alanine-dipeptide-obc2")
    return app.PDBFile(str(model.with_name("alanine-dipeptide.pdb")))


def make_system(pdb, *files):
    return app.ForceField(*files).createSystem(
        pdb.topology, nonbondedMethod=app.NoCutoff, constraints=app.HBonds, hydrogenMass=3 * unit.amu
    )


def make_simulation(pdb, system, told=False):
    integrator = ScoreDynamicsIntegrator(sd.pretrained("alanine-dipeptide-obc2"))
    integrator.setForcesOnlyReported(told)
    return app.Simulation(pdb.topology, system, integrator, openmm.Platform.getPlatformByName("Reference"))


@pytest.mark.parametrize(
    "files",
    [
        ("amber99sbildn.xml", "amber99_obc.xml"),
        ("amber14-all.xml", "implicit/obc2.xml"),
        ("amber14-all.xml", "implicit/gbn2.xml"),
        ("charmm36_2024.xml",),
        ("amoeba2018.xml",),
    ],
    ids=lambda files: files[-1].removesuffix(".xml"),
)
def test_forces_of_a_force_field_pass(pdb, files):
    if files == ("amoeba2018.xml",):
        system = app.ForceField(*files).createSystem(pdb.topology, hydrogenMass=3 * unit.amu)
    else:
        system = make_system(pdb, *files)
    make_simulation(pdb, system)


def phi_restraint():
    force = openmm.CustomTorsionForce("0.5*k*min(d, 2*pi-d)^2; d=abs(theta-t0); pi=3.1415926535")
    force.addGlobalParameter("k", 2000)
    force.addGlobalParameter("t0", 1)
    force.addTorsion(4, 6, 8, 14, [])
    return force


def distance_restraint():
    force = openmm.HarmonicBondForce()
    force.addBond(1, 18, 0.4, 5000)
    return force


def angle_restraint():
    force = openmm.HarmonicAngleForce()
    force.addAngle(1, 8, 18, 2, 500)
    return force


def position_restraint():
    force = openmm.CustomExternalForce("k*(x^2+y^2+z^2)")
    force.addGlobalParameter("k", 100)
    force.addParticle(0, [])
    return force


def torsion_bias():
    force = openmm.PeriodicTorsionForce()
    force.addTorsion(4, 6, 8, 14, 1, 0, 20)
    return force


def energy_force():
    return openmm.PythonForce(lambda state: (0.0, np.zeros((22, 3))))


@pytest.mark.parametrize(
    "make, name",
    [
        (phi_restraint, "CustomTorsionForce"),
        (distance_restraint, "HarmonicBondForce"),
        (angle_restraint, "HarmonicAngleForce"),
        (position_restraint, "CustomExternalForce"),
        (torsion_bias, "PeriodicTorsionForce"),
        (lambda: openmm.RMSDForce(np.zeros((22, 3))), "RMSDForce"),
        (energy_force, "PythonForce"),
    ],
)
def test_a_force_that_no_force_field_makes_is_refused_unless_told(pdb, make, name):
    system = make_system(pdb, "amber99sbildn.xml", "amber99_obc.xml")
    before = system.getNumForces()
    force = make()
    force.setForceGroup(7)
    system.addForce(force)
    sentence = f"force {before} of the System ({name}) is none that a force field makes"
    with refusal(sentence) as caught:
        make_simulation(pdb, system)
    assert "call setForcesOnlyReported(True) if its energy is only to be reported" in str(caught.value)
    simulation = make_simulation(pdb, system, told=True)
    simulation.context.setPositions(pdb.positions)
    simulation.step(1)
    # Reported it is.
    state = simulation.context.getState(energy=True, groups={7})
    assert np.isfinite(state.getPotentialEnergy()._value)


def test_metadynamics_is_refused(pdb):
    system = make_system(pdb, "amber99sbildn.xml", "amber99_obc.xml")
    torsion = openmm.CustomTorsionForce("theta")
    torsion.addTorsion(4, 6, 8, 14, [])
    phi = app.BiasVariable(torsion, -np.pi, np.pi, 0.35, True)
    app.Metadynamics(system, [phi], 300, 5, 1.0, 10)
    with refusal("(CustomCVForce) is none that a force field makes"):
        make_simulation(pdb, system)


def test_reinitialize_looks_again(pdb):
    simulation = make_simulation(pdb, make_system(pdb, "amber99sbildn.xml"))
    simulation.system.addForce(position_restraint())
    with refusal("(CustomExternalForce)"):
        simulation.context.reinitialize()


def test_prepare_passes_it_on(tmp_path, pdb):
    (tmp_path / "restraint.xml").write_text(
        "<ForceField><Script>import openmm\nforce = openmm.CustomExternalForce('x')\nforce.addParticle(0)\n"
        "sys.addForce(force)</Script></ForceField>"
    )
    files = ["amber99sbildn.xml", "amber99_obc.xml", str(tmp_path / "restraint.xml")]
    model = sd.pretrained("alanine-dipeptide-obc2")
    with refusal("(CustomExternalForce)"):
        sd.prepare(pdb, model, force_field=files)
    sd.prepare(pdb, model, force_field=files, forces_only_reported=True)


def test_a_particle_without_mass_has_its_own_sentence(pdb):
    system = make_system(pdb, "amber99sbildn.xml")
    for i in reversed(range(system.getNumConstraints())):
        system.removeConstraint(i)
    system.setParticleMass(4, 0)
    with refusal(
        "particle 4 has no mass, which holds it in place in OpenMM, but a model moves all its particles"
    ):
        make_simulation(pdb, system)
