"""The solvent that a simulation is labelled with is the one that it runs in."""

import dataclasses

import numpy as np
import openmm
import pytest
from alanine import PDB
from openmm import app, unit
from openmm.app.internal import customgbforces
from typer.testing import CliRunner

from openmm_scoredyn import data
from openmm_scoredyn.cli import app as command
from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.plan import SimulationPlan
from openmm_scoredyn.reference.simulate import simulate
from openmm_scoredyn.reference.system import build_reference_system

OBC, GBN2 = "amber99_obc.xml", "implicit/gbn2.xml"
PROTEIN = "amber99sbildn.xml"


def energy(system, structure) -> float:
    """Potential energy at the positions of the structure, kJ/mol."""
    context = openmm.Context(
        system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
    )
    context.setPositions(structure.positions)
    return context.getState(energy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)


def by_hand(structure, model: str):
    """The vacuum System with the generalized Born force of a model, its standard radii and no file of
    parameters.
    """
    system = app.ForceField(PROTEIN).createSystem(
        structure.topology, constraints=app.HBonds, removeCMMotion=False
    )
    charges = next(force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    kind = getattr(customgbforces, f"GBSA{model}Force")
    force = kind(SA="ACE")
    for index, parameters in enumerate(kind.getStandardParameters(structure.topology)):
        force.addParticle([charges.getParticleParameters(index)[0], *parameters])
    force.finalize()
    system.addForce(force)
    return system


@pytest.mark.parametrize("model", ["HCT", "OBC1", "OBC2", "GBn", "GBn2"])
def test_an_implicit_solvent_is_the_one_of_its_name(model):
    structure = app.PDBFile(str(PDB))
    physics = Physics.in_solvent(f"Implicit ({model.upper()})")
    assert physics.solvent == f"implicit ({model})"
    found = energy(build_reference_system(structure.topology, physics), structure)
    assert found == pytest.approx(energy(by_hand(structure, model), structure), abs=1e-3)
    others = {
        name: energy(by_hand(structure, name), structure) for name in ("HCT", "OBC1", "OBC2", "GBn", "GBn2")
    }
    assert min(abs(found - value) for name, value in others.items() if name != model) > 0.5, (
        "the oracle tells them apart"
    )


def test_obc_and_a_plain_implicit_are_the_force_of_openmm():
    for solvent in ("implicit (OBC)", "implicit (obc)", "implicit"):
        physics = Physics.in_solvent(solvent)
        system = build_reference_system(app.PDBFile(str(PDB)).topology, physics)
        assert any(isinstance(force, openmm.GBSAOBCForce) for force in system.getForces())
        assert physics.force_field == (PROTEIN, OBC)


def test_the_command_runs_and_records_the_solvent_asked_for(tmp_path):
    arguments = [
        "simulate",
        PDB,
        "--out",
        tmp_path / "md",
        "--solvent",
        "implicit (GBn2)",
        "--length",
        "0.1ps",
    ]
    arguments += ["--spacing", "20fs", "--equilibration", "20fs", "--trajectories", "1", "--seed", "1"]
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.exception
    (trajectory,) = data.load(tmp_path / "md")
    assert (trajectory.solvent, trajectory.force_field) == ("implicit (GBn2)", f"{PROTEIN} + {GBN2}")
    physics = Physics.in_solvent("implicit (GBn2)")
    plan = SimulationPlan(1, 6, equilibration_ps=0.02, frame_spacing_ps=0.02, physics=physics, seed=1)
    (again,) = data.load(simulate(PDB, plan, tmp_path / "again"))
    np.testing.assert_array_equal(trajectory.positions, again.positions)


@pytest.mark.parametrize(
    ("solvent", "files", "message"),
    [
        (
            "implicit (mine)",
            None,
            "does not say which files make it; expected tip3p, implicit .OBC., .* found 'implicit .mine.'",
        ),
        ("vacuum, cold", None, "does not say which files make it; .* or give --force-field with all files"),
        (
            "implicit (GBn2)",
            (PROTEIN, OBC),
            f"does not make the solvent implicit .GBn2.; expected {GBN2} among .*found {PROTEIN}, {OBC}",
        ),
        ("implicit (OBC)", ("amber14-all.xml",), f"expected {OBC} or .* found amber14-all.xml; add it"),
        (
            "tip3p",
            (PROTEIN, "tip3p.xml", OBC),
            r"makes another solvent; expected implicit \(OBC\), .* found tip3p",
        ),
        ("vacuum", (PROTEIN, GBN2), r"makes another solvent; expected implicit \(GBn2\), .* found vacuum"),
        (
            "implicit (mine)",
            (PROTEIN, "/home/me/implicit/gbn2.xml"),
            r"expected implicit \(GBn2\), .* found implicit \(mine\)",
        ),
    ],
)
def test_a_name_that_its_files_do_not_make_is_refused(solvent, files, message):
    with pytest.raises(SamplingError, match=message):
        Physics.in_solvent(solvent, **({} if files is None else {"force_field": files}))


def test_the_files_of_another_folder_or_family_go_by_their_name():
    water = [("tip3p", file) for file in ("amber14/tip3p.xml", "amber14/tip3pfb.xml", "/home/me/water.xml")]
    for solvent, file in (*water, ("implicit (OBC)", "amber03_obc.xml")):
        assert Physics.in_solvent(solvent, force_field=("protein.xml", file)).solvent == solvent


@pytest.mark.parametrize(
    ("solvent", "model", "message"),
    [
        ("implicit (mine)", None, "expected a generalized Born or Kirkwood force, found none; give"),
        ("vacuum", "OBC2", "expected no generalized Born or Kirkwood force, found .*GB.*; give"),
        ("vacuum", None, None),
        ("implicit (mine)", "OBC2", None),
        ("implicit", "GBn2", None),
    ],
)
def test_a_description_that_the_system_contradicts_is_refused(tmp_path, solvent, model, message):
    """Files of the user's own, whose names say nothing."""
    source = "<ForceField></ForceField>"
    if model is not None:
        source = (
            "<ForceField><Script>\nfrom openmm.app.internal import customgbforces\nimport openmm\n"
            "charges = next(f for f in sys.getForces() if isinstance(f, openmm.NonbondedForce))\n"
            f"kind = customgbforces.GBSA{model}Force\nforce = kind()\n"
            "for i, p in enumerate(kind.getStandardParameters(topology)):\n"
            "    force.addParticle([charges.getParticleParameters(i)[0], *p])\n"
            "force.finalize()\nsys.addForce(force)\n</Script></ForceField>"
        )
    (tmp_path / "mine.xml").write_text(source)
    physics = Physics.in_solvent(solvent, force_field=(PROTEIN, str(tmp_path / "mine.xml")))
    plan = dataclasses.replace(
        SimulationPlan(1, 2, equilibration_ps=0.02, frame_spacing_ps=0.02), physics=physics
    )
    if message is None:
        (trajectory,) = data.load(simulate(PDB, plan, tmp_path / "md"))
        assert trajectory.solvent == solvent
    else:
        with pytest.raises(SamplingError, match=message):
            simulate(PDB, plan, tmp_path / "md")
        assert not (tmp_path / "md").exists()
