"""What `scoredyn fit` is asked for, what it keeps of it, and what it refuses before any work."""

from pathlib import Path

import pytest
from alanine import PDB
from typer.testing import CliRunner

from openmm_scoredyn.cli import app
from openmm_scoredyn.cli.fit import parse_budget
from openmm_scoredyn.errors import MoleculeError, OutputError, SamplingError
from openmm_scoredyn.fitting import FitRequest, fit, md
from openmm_scoredyn.fitting.journal import Journal
from openmm_scoredyn.molecule.structure import read_structure
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.start import physics_of

REQUEST = FitRequest(budget_s=60.0)
PRMTOP = Path(PDB).with_name("alanine_dipeptide.prmtop")


class Interrupted(Exception):
    pass


def test_a_journal_decides_once_and_adds_up_times(tmp_path, monkeypatch):
    """5 s, and 3 s of a call that was interrupted; another journal of the folder goes on with both."""
    times = iter([10.0, 15.0, 20.0, 23.0])
    monkeypatch.setattr("openmm_scoredyn.fitting.journal.time.perf_counter", lambda: next(times))
    journal = Journal(tmp_path, REQUEST, "00")
    assert journal.decide("updates", lambda: 7) == 7
    with journal.timed("training"):
        pass
    again = Journal(tmp_path, REQUEST, "00")
    assert again.decide("updates", lambda: 8) == again.known("updates") == 7
    with pytest.raises(Interrupted), again.timed("training"):
        raise Interrupted
    last = Journal(tmp_path, REQUEST, "00")
    assert last.seconds("training") == last.spent_s == 8.0 and last.seconds("replicas") == 0.0


def test_a_journal_of_another_molecule_or_a_damaged_one_is_refused(tmp_path):
    Journal(tmp_path, REQUEST, "00").decide("updates", lambda: 7)
    with pytest.raises(OutputError, match="structure_sha256 00, found 11"):
        Journal(tmp_path, REQUEST, "11")
    (tmp_path / "fit.json").write_text("[]")
    with pytest.raises(OutputError, match="expected what an earlier fit wrote"):
        Journal(tmp_path, REQUEST, "00")


@pytest.mark.parametrize(("text", "seconds"), [("30min", 1800), ("2h", 7200), ("600 s", 600), ("1.5h", 5400)])
def test_budgets(text, seconds):
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["30", "min", "-3min", "3 days", ""])
def test_a_budget_without_a_unit_is_refused(text):
    with pytest.raises(SamplingError, match="expected a number with a unit"):
        parse_budget(text)


def test_what_cannot_be_fitted_is_refused_before_any_work(tmp_path):
    with pytest.raises(SamplingError, match="at least 60 s, found 5 s"):
        FitRequest(budget_s=5)
    with pytest.raises(SamplingError, match="at least one process, found 0"):
        FitRequest(budget_s=60, processes=0)
    with pytest.raises(MoleculeError, match=r"cannot read .*none\.pdb"):
        fit(tmp_path / "none.pdb", tmp_path / "out", REQUEST)
    assert not (tmp_path / "out").exists()
    result = CliRunner().invoke(app, ["fit", "none.pdb", "--out", str(tmp_path / "out"), "--budget", "soon"])
    assert isinstance(result.exception, SamplingError)


def test_a_refused_fit_leaves_no_folder(tmp_path):
    """Butane, for which the default force field has no parameters."""
    structure = tmp_path / "butane.pdb"
    CliRunner().invoke(app, ["build", "--smiles", "CCCC", "-o", str(structure)])
    with pytest.raises(MoleculeError, match="No template found for residue"):
        fit(structure, tmp_path / "out", REQUEST)
    assert not (tmp_path / "out").exists()
    (tmp_path / "kept").mkdir()
    with pytest.raises(MoleculeError):
        fit(structure, tmp_path / "kept", REQUEST)
    assert (tmp_path / "kept").exists()


def systems_of_speed(monkeypatch, structure, physics):
    """The Systems whose speed is measured."""
    engines, engine = [], md.ReferenceEngine

    def keep(*arguments, **options):
        engines.append(engine(*arguments, **options))
        return engines[-1]

    monkeypatch.setattr(md, "ReferenceEngine", keep)
    monkeypatch.setattr(md, "SPEED_S", 0.05)
    assert md.md_speed(structure, FitRequest(budget_s=60.0, physics=physics)) > 0
    return [engine._context.getSystem() for engine in engines]


def test_the_speed_is_that_of_the_system_that_is_simulated(monkeypatch):
    structure = read_structure(PRMTOP)
    (own,) = systems_of_speed(monkeypatch, structure, physics_of(structure, "implicit (GBn2)"))
    names = [force.getName() for force in own.getForces()]
    assert own.getNumParticles() == 22 and "CustomGBForce" in names  # GBn2; the default solvent is OBC


def test_the_speed_in_water_is_that_of_a_box_of_it(monkeypatch):
    (boxed,) = systems_of_speed(monkeypatch, read_structure(PDB), Physics.in_solvent("tip3p"))
    assert boxed.getNumParticles() > 500 and boxed.usesPeriodicBoundaryConditions()


def command(monkeypatch, *options):
    """What `scoredyn fit` asks for: structure and request."""
    asked = []

    def take(structure, out, request, stage):
        asked.append((structure, request))
        raise Interrupted

    monkeypatch.setattr("openmm_scoredyn.fitting.fit", take)
    result = CliRunner().invoke(app, ["fit", *map(str, options), "--out", "out"])
    if not isinstance(result.exception, Interrupted):
        raise result.exception
    return asked[0]


def test_the_command_takes_what_simulate_takes(monkeypatch):
    options = ("--temperature", "310K", "--timestep", "2fs", "--lag-time", "2ps")
    structure, request = command(monkeypatch, PDB, *options, "--solvent", "vacuum")
    assert structure.sha256 == read_structure(PDB).sha256
    assert (request.lag_time_ps, request.physics.temperature_K, request.physics.timestep_fs) == (2, 310, 2)
    assert (request.physics.solvent, request.physics.own_system) == ("vacuum", False)
    structure, request = command(monkeypatch, PRMTOP, *options)
    assert structure.holds_parameters and request.physics.own_system
    with pytest.raises(SamplingError, match="fit: the files of the structure hold a force field"):
        command(monkeypatch, PRMTOP, "--force-field", "amber99sbildn.xml")
    with pytest.raises(SamplingError, match="fit: the files of the structure hold the parameters of all"):
        command(monkeypatch, PRMTOP, "--strip")
