"""Reference dynamics in a box of water: what is kept, restarts, steering, shooting, mistakes."""

import dataclasses
import shutil
from functools import partial

import numpy as np
import pytest
from alanine import PDB
from kills import files_of, run_through_kills
from water import FREE, TINY

from openmm_scoredyn import data
from openmm_scoredyn.errors import MoleculeError, OutputError, SamplingError, TrajectoryError
from openmm_scoredyn.molecule.geometry import backbone_torsions, dihedral_angles, phi_psi
from openmm_scoredyn.molecule.structure import read_structure
from openmm_scoredyn.reference import preparation
from openmm_scoredyn.reference.bias import TorsionBias
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.plan import SimulationPlan
from openmm_scoredyn.reference.simulate import simulate
from openmm_scoredyn.reference.start import make_start

BIAS = TorsionBias((4.3, -3.7, -9.9), (-15.3, 13.2, -3.0))


@pytest.fixture(scope="module")
def tiny_box(tmp_path_factory):
    """Folder with a box of one alanine dipeptide in very little water, for plans of `TINY`."""
    directory = tmp_path_factory.mktemp("box")
    preparation.prepare(directory, FREE, make_start(read_structure(PDB), TINY), None)
    return directory / "box"


def with_box(directory, tiny_box):
    shutil.copytree(tiny_box, directory / "box")
    return directory


def test_restart_in_water_gives_the_same_bytes(tmp_path, tiny_box):
    (unbroken,) = simulate(PDB, FREE, with_box(tmp_path / "unbroken", tiny_box))
    directory = with_box(tmp_path / "broken", tiny_box)
    (broken,), kills = run_through_kills(partial(simulate, PDB, FREE, directory))
    assert kills >= FREE.n_chunks
    assert files_of(broken) == files_of(unbroken)
    # The solute alone, and noise that does not repeat from chunk to chunk.
    (trajectory,) = data.load(broken)
    assert trajectory.positions.shape == (6, 22, 3)
    moved = np.diff(trajectory.positions, axis=0)
    assert np.abs(moved).reshape(5, -1).mean(1).min() > 1e-3
    assert (trajectory.solvent, trajectory.force_field) == ("tip3p", "amber99sbildn.xml + tip3p.xml")


def test_the_box_is_made_once(tmp_path, tiny_box, monkeypatch):
    directory = with_box(tmp_path / "md", tiny_box)
    monkeypatch.setattr(preparation, "make_box", lambda *arguments: pytest.fail("the box was made again"))
    preparation.prepare(directory, FREE, make_start(read_structure(PDB), TINY), None)
    assert not list(directory.glob("*.npz")), "the folder's npz files are trajectories"


def test_steering_in_water_is_labelled_and_reaches_its_target(tmp_path, tiny_box):
    plan = dataclasses.replace(FREE, frames_per_segment=2, steering=(60.0, 40.0))
    (path,) = simulate(PDB, plan, with_box(tmp_path / "md", tiny_box))
    (trajectory,) = data.load(path)
    assert trajectory.steered and not trajectory.consecutive
    released = np.degrees(phi_psi(trajectory.positions[:1], trajectory.molecule))[0] - (60, 40)
    assert np.abs((released + 180) % 360 - 180).max() < 60


def test_shooting_in_water_uses_the_bias_it_is_given(tmp_path, tiny_box, monkeypatch):
    monkeypatch.setattr(preparation, "find_bias", lambda *arguments: pytest.fail("a bias was looked for"))
    plan = SimulationPlan(
        1,
        2,
        n_segments=2,
        steering="shooting",
        equilibration_ps=0.1,
        frame_spacing_ps=0.08,
        frames_per_chunk=2,
        physics=TINY,
    )
    BIAS.save(tmp_path / "given.json")
    (path,) = simulate(PDB, plan, with_box(tmp_path / "md", tiny_box), bias=tmp_path / "given.json")
    (paths,) = data.load(path)
    assert paths.steered and paths.weights.shape == (2, 2)
    assert [segment.shape for segment in paths.segments] == [(2, 22, 3)] * 2
    phi = np.array([backbone_torsions(paths.molecule)[0][0]])
    factors = BIAS.boltzmann_factor(dihedral_angles(paths.positions, phi)[:, 0].reshape(2, 2), 300.0)
    np.testing.assert_allclose(
        paths.weights[:, 0] / paths.weights[:, 1], factors[:, 0] / factors[:, 1], rtol=1e-3
    )
    # What lies in the folder is used without being named again; another one is refused.
    assert simulate(PDB, plan, tmp_path / "md") == [path]
    TorsionBias((1.0,), (0.0,)).save(tmp_path / "other.json")
    with pytest.raises(OutputError, match="holds paths shot with another bias"):
        simulate(PDB, plan, tmp_path / "md", bias=tmp_path / "other.json")


def test_mistakes_are_named_before_any_work(tmp_path):
    with pytest.raises(
        SamplingError, match=r"expected a cutoff of at most 0.45 nm at a padding of 0.6 nm, found 0.8"
    ):
        Physics.in_solvent("tip3p", padding_nm=0.6)
    with pytest.raises(SamplingError, match=r"pressure_bar must be positive; found -1"):
        Physics.in_solvent("tip3p", pressure_bar=-1.0)
    with pytest.raises(SamplingError, match=r"paths are shot one by one"):
        SimulationPlan(1, 2, copies=2, steering="shooting", physics=TINY)
    with pytest.raises(
        SamplingError, match=r"a bias is for shooting; expected steering shooting, found none"
    ):
        simulate(PDB, FREE, tmp_path / "out", bias=tmp_path / "bias.json")
    shooting = SimulationPlan(1, 2, steering="shooting", physics=TINY)
    with pytest.raises(TrajectoryError, match=r"the bias in .*bias.json cannot be read"):
        simulate(PDB, shooting, tmp_path / "out", bias=tmp_path / "bias.json")
    with pytest.raises(SamplingError, match=r"no registered Platform called .Hurry.; give a platform"):
        nowhere = dataclasses.replace(FREE, physics=dataclasses.replace(TINY, platform="Hurry"))
        simulate(PDB, nowhere, tmp_path / "out")
    wet = tmp_path / "wet.pdb"
    water = "HETATM   23  O   HOH A   4      20.000   0.000   0.000  1.00  0.00           O\n"
    wet.write_text(
        "".join(l for l in PDB.read_text().splitlines(True) if l.startswith(("ATOM", "HETATM"))) + water
    )
    with pytest.raises(
        MoleculeError, match=r"expected the molecule alone, found 1 residues of water .HOH. with it"
    ):
        simulate(wet, FREE, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("solvent", ["tip3p", "TIP3P"])
def test_command_has_the_defaults_of_the_solvent(tmp_path, monkeypatch, solvent):
    from typer.testing import CliRunner

    from openmm_scoredyn.cli import app

    asked = {}

    def note(structure, plan, directory, **options):
        asked.update(plan=plan, **options)
        options["progress"](0.0, 10.0)
        options["progress"](10.0, 10.0)
        return [directory / f"{number}.frames" for number in range(plan.n_trajectories)]

    monkeypatch.setattr("openmm_scoredyn.reference.simulate.simulate", note)
    arguments = [
        "simulate",
        str(PDB),
        "--out",
        str(tmp_path / "md"),
        "--length",
        "10ps",
        "--trajectories",
        "1",
    ]
    result = CliRunner().invoke(app, [*arguments, "--solvent", solvent, "--copies", "3", "--seed", "5"])
    assert result.exit_code == 0, result.output
    assert asked["plan"].physics == Physics(
        ("amber99sbildn.xml", "tip3p.xml"), "tip3p", friction_per_ps=1.0, platform="CPU"
    )
    assert (asked["plan"].copies, asked["plan"].equilibration_ps) == (3, 200.0)
    assert "3 trajectories, 30 ps in all" in result.output and "ns/day" not in result.output, (
        "made at no speed"
    )
    CliRunner().invoke(app, arguments)
    assert asked["plan"].physics == Physics() and asked["plan"].equilibration_ps == 1000.0
    CliRunner().invoke(app, [*arguments, "--solvent", "vacuum"])
    assert asked["plan"].physics.force_field == ("amber99sbildn.xml",), "no implicit solvent"
