"""`simulate` of structures whose files hold their own force field, or that come with a System."""

import logging
from pathlib import Path

import numpy as np
import openmm
import pytest
from alanine import PDB
from kills import files_of
from openmm import app, unit
from typer.testing import CliRunner

from openmm_scoredyn import data
from openmm_scoredyn.cli import app as command
from openmm_scoredyn.errors import MoleculeError, SamplingError
from openmm_scoredyn.molecule.structure import read_structure
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.plan import SimulationPlan
from openmm_scoredyn.reference.simulate import simulate
from openmm_scoredyn.reference.start import make_start, physics_of

PRMTOP = Path(PDB).with_name("alanine_dipeptide.prmtop")
INPUTS = Path(__file__).parents[3] / "examples" / "inputs"
SHORT = (
    "--length",
    "0.2ps",
    "--spacing",
    "20fs",
    "--equilibration",
    "20fs",
    "--trajectories",
    "1",
    "--seed",
    "1",
)


def run(*arguments):
    result = CliRunner().invoke(command, [str(argument) for argument in ("simulate", *arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def system_xml(tmp_path):
    """A System of alanine dipeptide as a user's script would write it."""

    def write(name="system.xml", files=("amber99sbildn.xml", "amber99_obc.xml"), **options):
        system = app.ForceField(*files).createSystem(app.PDBFile(str(PDB)).topology, **options)
        path = tmp_path / name
        path.write_text(openmm.XmlSerializer.serialize(system))
        return path

    return write


HEAVY = {"constraints": app.HBonds, "hydrogenMass": 3 * unit.amu, "removeCMMotion": False}


def test_an_amber_topology_and_the_same_force_field_by_name_are_one_dynamics(tmp_path):
    run(PRMTOP, "--out", tmp_path / "amber", *SHORT, "--solvent", "vacuum")
    run(PDB, "--out", tmp_path / "named", *SHORT, "--solvent", "vacuum")
    (ours,), (theirs,) = data.load(tmp_path / "amber"), data.load(tmp_path / "named")
    assert (ours.solvent, ours.force_field) == (
        "vacuum",
        "alanine_dipeptide.prmtop + alanine_dipeptide.inpcrd",
    )
    # Masses repartitioned the same way; Amber's table of masses has other last digits.
    np.testing.assert_allclose(ours.molecule.masses_amu, theirs.molecule.masses_amu, atol=0.01)
    assert ours.positions.shape == (11, 22, 3)


def test_amber_has_the_implicit_solvent_asked_for():
    structure = read_structure(PRMTOP)
    for solvent, kind in ((None, openmm.GBSAOBCForce), ("implicit (GBn)", openmm.CustomGBForce)):
        physics = physics_of(structure, solvent)
        forces = make_start(structure, physics).system.getForces()
        assert any(isinstance(force, kind) for force in forces)


def test_a_given_system_is_the_one_that_runs(tmp_path, system_xml):
    """The same System, given or made by name: the same bytes of every frame."""
    run(PDB, "--system", system_xml(**HEAVY), "--out", tmp_path / "given", *SHORT)
    run(PDB, "--out", tmp_path / "named", *SHORT)
    (ours,), (theirs,) = data.load(tmp_path / "given"), data.load(tmp_path / "named")
    np.testing.assert_array_equal(ours.positions, theirs.positions)
    assert ours.molecule == theirs.molecule
    assert ours.solvent == "implicit, GBSAOBCForce"
    other = system_xml("vacuum.xml", ("amber99sbildn.xml",), **HEAVY)
    run(PDB, "--system", other, "--out", tmp_path / "vacuum", *SHORT)
    (vacuum,) = data.load(tmp_path / "vacuum")
    assert vacuum.solvent == "vacuum"
    assert np.abs(vacuum.positions - ours.positions).max() > 1e-4


def test_a_solvated_system_gives_frames_of_its_solute(tmp_path):
    """From Amber files with their water, stopped and continued as in one run."""
    physics = physics_of(read_structure(INPUTS / "alanine.prmtop"), None, cutoff_nm=0.8)
    assert (physics.solvent, physics.friction_per_ps, physics.platform) == ("water", 1.0, "CPU")

    def plan(frames):
        return SimulationPlan(
            1,
            frames,
            equilibration_ps=0.04,
            frame_spacing_ps=0.04,
            frames_per_chunk=2,
            physics=physics,
            seed=1,
        )

    structure = read_structure(INPUTS / "alanine.prmtop")
    (path,) = simulate(structure, plan(6), tmp_path / "whole")
    simulate(structure, plan(4), tmp_path / "broken")
    (again,) = simulate(structure, plan(6), tmp_path / "broken")
    assert files_of(again) == files_of(path)
    (trajectory,) = data.load(path)
    assert trajectory.positions.shape == (6, 22, 3)
    assert trajectory.molecule.residue_names[0] == "ACE" and len(trajectory.molecule) == 22
    assert trajectory.solvent == "water"
    assert not (tmp_path / "whole" / "box").exists()


def test_a_time_step_that_the_system_does_not_bear_is_refused(tmp_path, system_xml):
    for options, longest in (({}, 1), ({"constraints": app.HBonds}, 2), (HEAVY, 4)):
        structure = read_structure(PDB, system=system_xml(**options))
        make_start(structure, physics_of(structure, None, timestep_fs=float(longest)))
        with pytest.raises(SamplingError, match=f"expected a time step of at most {longest} fs, found"):
            make_start(structure, physics_of(structure, None, timestep_fs=longest + 0.5))


def test_options_that_the_files_leave_no_room_for_are_refused(tmp_path, system_xml):
    xml = system_xml(**HEAVY)
    for options, found in (
        (["--force-field", "amber14-all.xml"], "--force-field amber14-all.xml"),
        (["--strip"], "--strip True"),
        (["--repair"], "--repair True"),
    ):
        with pytest.raises(SamplingError, match=f"found {found}; leave"):
            run(PDB, "--system", xml, "--out", tmp_path / "md", *SHORT, *options)
    with pytest.raises(SamplingError, match="not one of solvent 'vacuum'; expected no generalized Born"):
        run(PDB, "--system", xml, "--out", tmp_path / "md", *SHORT, "--solvent", "vacuum")
    with pytest.raises(MoleculeError, match="GROMACS topologies hold no implicit solvent"):
        run(INPUTS / "alanine.top", "--out", tmp_path / "md", *SHORT, "--solvent", "implicit (OBC)")
    with pytest.raises(SamplingError, match="water is the solvent of a System that comes with it"):
        run(PDB, "--out", tmp_path / "md", *SHORT, "--solvent", "water", "--force-field", "amber99sbildn.xml")
    assert not (tmp_path / "md").exists()


def test_water_is_named_with_the_option_that_removes_it(tmp_path):
    arguments = (INPUTS / "alanine.pdb", "--out", tmp_path / "md", *SHORT)
    with pytest.raises(
        MoleculeError, match=r"found 194 residues of water \(HOH\) with it; leave them out \(--strip\)"
    ):
        run(*arguments)
    run(*arguments, "--strip")
    assert data.load(tmp_path / "md")[0].positions.shape == (11, 22, 3)


def test_missing_atoms_are_added_on_request(tmp_path):
    pytest.importorskip("pdbfixer")
    lines = [line for line in Path(PDB).read_text().splitlines(True) if " H" not in line[11:15]]
    (tmp_path / "heavy.pdb").write_text("".join(lines))
    with pytest.raises(MoleculeError, match=r"repair the structure \(--repair\)"):
        run(tmp_path / "heavy.pdb", "--out", tmp_path / "md", *SHORT)
    run(tmp_path / "heavy.pdb", "--out", tmp_path / "md", *SHORT, "--repair")
    assert len(data.load(tmp_path / "md")[0].molecule) == 22


def test_a_slow_generalized_born_force_is_named(tmp_path, caplog):
    """OBC2 by CustomGBForce; not where there is nothing faster, nor where the fast force is at work."""
    for solvent, said in (("implicit (OBC2)", True), ("implicit (OBC)", False), ("implicit (OBC1)", False)):
        caplog.clear()
        plan = SimulationPlan(
            1, 2, equilibration_ps=0.02, frame_spacing_ps=0.02, physics=Physics.in_solvent(solvent)
        )
        with caplog.at_level(logging.WARNING):
            simulate(PDB, plan, tmp_path / solvent)
        assert ("computes OBC2 with CustomGBForce; GBSAOBCForce" in caplog.text) == said
