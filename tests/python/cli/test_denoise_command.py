"""`scoredyn denoise` and `train-denoiser`, the reporter and the OVITO modifier: what a user starts."""

import csv
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import crystals
import numpy as np
import openmm
import pytest
from openmm import app, unit
from typer.testing import CliRunner

import openmm_scoredyn as sd
from openmm_scoredyn import errors
from openmm_scoredyn.cli import app as command
from openmm_scoredyn.crystals.snapshots import Snapshot, read_snapshots, write_snapshot


def run(*arguments):
    """The command's output; raises what it raises."""
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def trajectory(tmp_path_factory):
    """Two hot frames of copper as extended xyz."""
    path = tmp_path_factory.mktemp("crystal") / "hot.extxyz"
    positions, cell = crystals.crystal()
    with path.open("wb") as file:
        for seed in (1, 2):
            hot = positions + crystals.waves(positions, cell, crystals.COPPER_NM, seed=seed)
            write_snapshot(file, Snapshot(10 * hot, 10 * cell, np.ones(3, dtype=bool), ("Cu",) * len(hot)))
    return path


def ordered(snapshot):
    return crystals.is_ordered(snapshot.positions, snapshot.cell, "fcc", 10 * crystals.COPPER_NM).mean()


def test_a_trajectory_is_denoised(trajectory, tmp_path):
    output = run("denoise", trajectory, "-o", tmp_path / "clean.extxyz")
    hot, clean = list(read_snapshots(trajectory)), list(read_snapshots(tmp_path / "clean.extxyz"))
    assert len(clean) == 2
    assert max(map(ordered, hot)) < 0.9
    assert min(map(ordered, clean)) == 1
    assert clean[0].cell == pytest.approx(hot[0].cell)
    assert (tmp_path / "clean.png").read_bytes().startswith(b"\x89PNG")
    assert re.search(r"\n +0 +108 ", output)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean.extxyz", "clean.png"]


@pytest.mark.parametrize("method", ["cna", "cna-fixed", "ptm"])
def test_structures_before_and_after(trajectory, tmp_path, method):
    pytest.importorskip("ovito")
    output = run("denoise", trajectory, "-o", tmp_path / "clean.extxyz", "--classify", method, "--every", 2)
    assert re.search(r"\d+, 108", output)
    assert (tmp_path / "clean.extxyz").read_text().count(" fcc\n") == 108


@pytest.mark.parametrize("name", ["hot.dump", "hot.dcd"])
def test_other_formats_give_the_same(trajectory, tmp_path, name):
    """A LAMMPS dump and, with a topology beside it, a dcd."""
    first = next(read_snapshots(trajectory))
    topology = ()
    if name.endswith("dump"):
        edges = "\n".join(f"0 {length}" for length in np.diag(first.cell))
        atoms = "\n".join(f"{i + 1} 1 {x} {y} {z}" for i, (x, y, z) in enumerate(first.positions))
        (tmp_path / name).write_text(
            "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n108\nITEM: BOX BOUNDS pp pp pp\n"
            f"{edges}\nITEM: ATOMS id type x y z\n{atoms}\n"
        )
    else:
        import ase.io
        import mdtraj

        ase.io.write(tmp_path / "hot.pdb", ase.io.read(trajectory, 0))
        loaded = mdtraj.load(tmp_path / "hot.pdb")
        loaded.xyz[0] = first.positions / 10
        loaded.save(tmp_path / name)
        topology = ("--topology", tmp_path / "hot.pdb")
    run("denoise", trajectory, "-o", tmp_path / "one.extxyz", "--every", 2)
    run("denoise", tmp_path / name, "-o", tmp_path / "other.extxyz", *topology)
    one, other = (next(read_snapshots(tmp_path / f"{file}.extxyz")) for file in ("one", "other"))
    assert other.positions == pytest.approx(one.positions, abs=2e-3)


def test_a_lammps_dump_keeps_its_columns(tmp_path):
    """Ids, types, time steps, other columns and the origin of the box come out as they went in."""
    positions, cell = crystals.crystal()
    hot = 10 * (positions + crystals.waves(positions, cell, crystals.COPPER_NM)) + 5
    order = np.random.default_rng(1).permutation(108)
    rows = [f"{3 * i + 1} {1 + i % 2} {i / 8} " + " ".join(map(str, hot[i])) for i in order]
    edges = "\n".join(f"5 {5 + 10 * length}" for length in np.diag(cell))
    head = "ITEM: TIMESTEP\n4200\nITEM: NUMBER OF ATOMS\n108\nITEM: BOX BOUNDS pp pp pp\n"
    text = f"{head}{edges}\nITEM: ATOMS id type c_pe x y z\n" + "\n".join(rows) + "\n"
    (tmp_path / "hot.dump").write_text(text)
    run("denoise", tmp_path / "hot.dump", "-o", tmp_path / "clean.extxyz")
    (clean,) = read_snapshots(tmp_path / "clean.extxyz")
    assert clean.columns["id"].tolist() == [3 * i + 1 for i in range(108)]
    assert clean.columns["type"].tolist() == [1 + i % 2 for i in range(108)]
    assert clean.columns["c_pe"] == pytest.approx(np.arange(108) / 8)
    assert clean.info["Timestep"] == 4200
    assert clean.info["Origin"] == "5 5 5"
    assert set(clean.elements) == {"X"}
    assert np.abs(clean.positions - hot).max() < 0.25 * 10 * crystals.COPPER_NM
    assert ordered(clean) == 1
    (tmp_path / "cut.dump").write_text(text[: text.index(rows[60])])
    with pytest.raises(errors.TrajectoryError, match="expected 108 atoms .* as its header says, found 60"):
        run("denoise", tmp_path / "cut.dump", "-o", tmp_path / "cut.extxyz")
    assert not (tmp_path / "cut.extxyz").exists()


def test_the_table_says_which_frames_moved_further_than_heat(trajectory, tmp_path):
    """A gas of random points beside a crystal."""
    snapshots = list(read_snapshots(trajectory))
    gas = np.random.default_rng(3).random((108, 3)) @ snapshots[0].cell
    for _ in range(200):  # pushed apart until none overlap
        vectors = gas[:, None] - gas
        vectors -= np.round(vectors @ np.linalg.inv(snapshots[0].cell)) @ snapshots[0].cell
        lengths = np.linalg.norm(vectors, axis=-1) + 9 * np.eye(108)
        gas += 0.5 * (np.clip(1.3 - lengths, 0, None)[..., None] * vectors / lengths[..., None]).sum(axis=1)
    with (tmp_path / "two.extxyz").open("wb") as file:
        write_snapshot(file, snapshots[0])
        write_snapshot(file, replace(snapshots[0], positions=gas))
    options = ("--spacing", 2.556)
    output = run("denoise", tmp_path / "two.extxyz", "-o", tmp_path / "clean.extxyz", *options)
    assert "Moved further than heat moves the atoms of a crystal: 1 of 2 frames (1)." in output
    assert "Moved further" not in run("denoise", trajectory, "-o", tmp_path / "clean.extxyz")


def damaged(trajectory, folder):
    """Files that cannot be denoised, by the sentence they get."""
    text = trajectory.read_text()
    contents = {
        "has no cell": re.sub(r'Lattice="[^"]*" |pbc="T T T"', "", text),
        "are nowhere": text.replace(text.splitlines()[5].split()[1], "nan", 1),
        "damaged before line 2": "nothing of the kind\n",
        "overlap": text.replace(text.splitlines()[6], text.splitlines()[5]),
    }
    for sentence, content in contents.items():
        path = folder / f"{sentence.split()[0]}.extxyz"
        path.write_text(content)
        yield sentence, path


def test_bad_files_are_refused_and_nothing_is_written(trajectory, tmp_path):
    (tmp_path / "out").mkdir()
    absent = ("cannot read .*absent.dump; No such file", tmp_path / "absent.dump")
    for sentence, path in (*damaged(trajectory, tmp_path), absent):
        with pytest.raises(errors.ScoreDynError, match=sentence):
            run("denoise", path, "-o", tmp_path / "out" / "clean.extxyz")
        assert list((tmp_path / "out").iterdir()) == [], sentence


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--model", "alanine-dipeptide-obc2"), "no crystal denoiser"),
        (("--model", "absent.pt"), "absent.pt"),
        (("--classify", "csp"), "unknown method"),
        (("--select", "5-x"), "cannot read the selection"),
        (("--select", "500"), "selection does not fit"),
        (("--select", "0-99999999999999"), "selection does not fit"),
        (("--select", "9-3"), "selection does not fit"),
        (("--spacing", "-2"), "distance is not valid"),
        (("--iterations", "0"), "number of iterations"),
        (("--device", "nowhere"), "cannot use the device"),
    ],
)
def test_bad_options_are_refused_and_nothing_is_written(trajectory, tmp_path, options, sentence):
    with pytest.raises(errors.ScoreDynError, match=sentence):
        run("denoise", trajectory, "-o", tmp_path / "clean.extxyz", *options)
    assert list(tmp_path.iterdir()) == []


def test_no_run_of_a_denoiser(tmp_path):
    with pytest.raises(errors.CardError, match="is a crystal denoiser, which knows no dynamics"):
        run("run", "metals", tmp_path / "any.pdb", "--length", "1ns", "--out", tmp_path / "out.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_trained_and_described(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("train-denoiser", "--lattices", "diamond", "--sigma-max", "0.1", "--updates", "1", "-o", "mine.pt")
    assert "crystal denoiser" in run("info", "mine.pt")
    assert sd.CrystalDenoiser("mine.pt").card.sigma_max == 0.1
    with pytest.raises(errors.LatticeError, match="unknown lattice"):
        run("train-denoiser", "--lattices", "fcx", "-o", "other.pt")
    assert not (tmp_path / "other.pt").exists()


@pytest.mark.slow
def test_the_example_that_makes_the_shipped_model_runs(tmp_path):
    example = Path(__file__).parents[3] / "examples" / "train_metals.py"
    subprocess.run([sys.executable, example, "--short", "--out", tmp_path / "metals.pt"], check=True)
    card, shipped = (
        sd.CrystalDenoiser(model).card for model in (tmp_path / "metals.pt", sd.pretrained("metals"))
    )
    assert (card.name, card.lattices, card.elements) == (shipped.name, shipped.lattices, shipped.elements)
    stages = [stage["updates"] for stage in shipped.training_data["stages"]]
    assert [20 * stage["updates"] for stage in card.training_data["stages"]] == pytest.approx(
        stages, rel=0.02
    )


@pytest.fixture
def argon():
    """A Simulation of a hot Lennard-Jones crystal, and its ideal positions."""
    positions, cell = crystals.crystal("fcc", 3, spacing_nm=0.376)
    system, topology = openmm.System(), app.Topology()
    system.setDefaultPeriodicBoxVectors(*cell)
    topology.setPeriodicBoxVectors(cell * unit.nanometer)
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(0.78)
    residue = topology.addResidue("AR", topology.addChain())
    for _ in positions:
        system.addParticle(39.948)
        force.addParticle(0.0, 0.34, 0.996)
        topology.addAtom("Ar", app.Element.getBySymbol("Ar"), residue)
    system.addForce(force)
    integrator = openmm.LangevinMiddleIntegrator(85, 5, 0.01)
    integrator.setRandomNumberSeed(1)
    simulation = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName("Reference"))
    simulation.context.setPositions(positions)
    simulation.context.setVelocitiesToTemperature(170, 1)
    return simulation


def test_the_reporter_writes_while_md_runs(argon, tmp_path):
    method = pytest.importorskip("ovito") and "cna"
    reporter = sd.DenoisingReporter(tmp_path / "clean.extxyz", 100, "metals", classify=method, iterations=5)
    argon.reporters.append(reporter)
    argon.step(200)
    frames = list(read_snapshots(tmp_path / "clean.extxyz"))
    assert len(frames) == 2 and frames[0].elements[0] == "Ar"
    assert [entry["step"] for entry in reporter.counts] == [100, 200]
    assert reporter.counts[1]["after"] == {"fcc": 108}
    assert reporter.counts[1]["before"].get("fcc", 0) < 108
    with (tmp_path / "clean.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[1]["fcc_after"] == "108"
    assert float(rows[1]["time_ps"]) == pytest.approx(2.0)
    assert np.isfinite(argon.context.getState(energy=True).getPotentialEnergy()._value)


def test_the_reporter_refuses_other_models_and_places(tmp_path):
    with pytest.raises(errors.CardError, match="no crystal denoiser"):
        sd.DenoisingReporter(tmp_path / "clean.extxyz", 1, "alanine-dipeptide-obc2")
    with pytest.raises(errors.OutputError, match="cannot write"):
        sd.DenoisingReporter(tmp_path / "absent" / "clean.extxyz", 1, "metals")
    assert list(tmp_path.iterdir()) == []


def test_a_modifier_in_an_ovito_pipeline(trajectory):
    pytest.importorskip("ovito")
    from ovito.io import import_file
    from ovito.modifiers import ExpressionSelectionModifier

    from openmm_scoredyn.crystals.ovito_modifier import DenoiseModifier

    pipeline = import_file(str(trajectory))
    pipeline.modifiers.append(ExpressionSelectionModifier(expression="ParticleIndex < 50"))
    pipeline.modifiers.append(DenoiseModifier(iterations=4))
    clean = pipeline.compute(0)
    first = next(read_snapshots(trajectory))
    moved = np.asarray(clean.particles["Thermal Displacement"])
    assert np.asarray(clean.particles["Position"]) + moved == pytest.approx(first.positions, abs=1e-4)
    expected = sd.CrystalDenoiser(sd.pretrained("metals")).denoise(first.positions / 10, first.cell / 10, 4)
    assert np.asarray(clean.particles["Position"]) == pytest.approx(10 * expected, abs=1e-4)
    pipeline.modifiers[-1] = DenoiseModifier(iterations=1, only_selected=True)
    selecting = pipeline.modifiers[0]
    selecting.enabled = False
    with pytest.raises(errors.DenoisingError, match="nothing is selected; expected the property Selection"):
        pipeline.compute(0)
    selecting.enabled = True
    moved = np.asarray(pipeline.compute(0).particles["Thermal Displacement"])
    assert np.array_equal((np.abs(moved) > 1e-9).any(axis=1), np.arange(108) < 50)
