"""`scoredyn compare` as a user types it."""

import json
import sys
from pathlib import Path

import pytest
from alanine import PDB, make_trajectory

from openmm_scoredyn import data
from openmm_scoredyn.cli import main
from openmm_scoredyn.cli.compare_sides import distinct_names
from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.reference.langevin import LangevinRun, run_langevin


def write(path, frames: int, seed: int):
    trajectory = make_trajectory(frames, seed=seed)
    fields = {"frame_spacing_ps": 1.0, "temperature_K": 300.0, "molecule": trajectory.molecule.to_dict()}
    flags = {"steered": False, "consecutive": True, "force_field": "f", "solvent": "s"}
    data.save_archive(path, trajectory.positions[None], fields | flags)
    return str(path)


def call(monkeypatch, *arguments) -> None:
    monkeypatch.setattr(sys, "argv", ["scoredyn", "compare", *map(str, arguments)])
    main()


def refusal(monkeypatch, capsys, *arguments) -> str:
    with pytest.raises(SystemExit) as stop:
        call(monkeypatch, *arguments)
    assert stop.value.code == 1
    text = capsys.readouterr().err
    assert "Traceback" not in text
    return text.strip().splitlines()[-1]


def test_two_files_give_a_table_and_a_page(tmp_path, monkeypatch, capsys):
    paths = [write(tmp_path / f"{name}.npz", 400, seed) for seed, name in enumerate(("ours", "theirs"))]
    with pytest.raises(SystemExit) as stop:
        call(monkeypatch, *paths, "--out", tmp_path / "report")
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert "Ramachandran JSD" in shown and "report.html" in shown
    stored = json.loads((tmp_path / "report" / "comparison.json").read_text())
    assert stored["reference"]["length_ns"] == pytest.approx(0.399)
    assert any(row["group"] == "Geometry" for row in stored["rows"])


def test_sides_that_cannot_be_compared(tmp_path, monkeypatch, capsys):
    ours = write(tmp_path / "0.npz", 50, 0)
    out = ("--out", tmp_path / "report")
    text = refusal(monkeypatch, capsys, ours, ours, *out)
    assert "0.npz is on both sides; expected other dynamics than the reference" in text
    # What is left out of the beginning does not make other dynamics of it.
    text = refusal(monkeypatch, capsys, ours, ours, "--equilibration", "5ps", *out)
    assert "0.npz is on both sides; expected other dynamics than the reference" in text
    hot = make_trajectory(50, seed=2)
    fields = {"frame_spacing_ps": 1.0, "temperature_K": 400.0, "molecule": hot.molecule.to_dict()}
    data.save_archive(
        tmp_path / "hot.npz", hot.positions[None], fields | {"steered": False, "consecutive": True}
    )
    text = refusal(monkeypatch, capsys, ours, tmp_path / "hot.npz", *out)
    assert "different temperatures; expected 300 K, as the reference, found 400 K" in text
    assert not (tmp_path / "report").exists()


def test_a_reference_that_trained_the_model_is_said(tmp_path, caplog, monkeypatch):
    from types import SimpleNamespace

    from openmm_scoredyn.cli.compare_model import warn_of_training_data
    from openmm_scoredyn.export import binding as module

    reference = [make_trajectory(30, seed=seed) for seed in range(3)]
    known = {"openings": [data.opening_digest(reference[2]), "0" * 16]}
    card = SimpleNamespace(name="a-model", provenance=SimpleNamespace(training_data=known))
    monkeypatch.setattr(module, "open_model", lambda name: SimpleNamespace(card=card))
    warn_of_training_data("alanine-dipeptide-obc2", reference)
    assert "1 of 3 reference trajectories trained a-model" in caplog.text
    caplog.clear()
    warn_of_training_data("alanine-dipeptide-obc2", reference[:2])
    assert not caplog.text


def test_equilibration_is_left_out_of_the_candidate(tmp_path, monkeypatch):
    paths = [write(tmp_path / f"{name}.npz", 400, seed) for seed, name in enumerate(("ours", "theirs"))]
    with pytest.raises(SystemExit) as stop:
        call(monkeypatch, *paths, "--equilibration", "100ps", "--out", tmp_path / "report")
    assert stop.value.code == 0
    stored = json.loads((tmp_path / "report" / "comparison.json").read_text())
    assert stored["reference"]["length_ns"] == pytest.approx(0.399)
    assert stored["candidate"]["length_ns"] == pytest.approx(0.299)


def test_lags_speeds_and_guard_stand_in_the_report(tmp_path, monkeypatch):
    for folder in ("lag1", "lag10"):
        (tmp_path / folder).mkdir()
    names = ("ours", "theirs", "lag1/longer", "lag10/longer")
    paths = [write(tmp_path / f"{name}.npz", 200, seed) for seed, name in enumerate(names)]
    options = ("--chapman-kolmogorov", paths[2], "--chapman-kolmogorov", paths[3], "--speed", "Langevin=82.5")
    with pytest.raises(SystemExit) as stop:
        call(monkeypatch, *paths[:2], *options, "--out", tmp_path / "report")
    assert stop.value.code == 0
    stored = json.loads((tmp_path / "report" / "comparison.json").read_text())
    assert stored["speeds_ps_per_s"] == {"Langevin": 82.5}
    assert [side["name"] for side in stored["chapman_kolmogorov"]] == [
        "ours",
        "theirs",
        "lag1/longer.npz",
        "lag10/longer.npz",
    ]
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Chapman-Kolmogorov test between lag times</h2>" in page and "<b>Figure 1.</b>" in page
    assert "lag10/longer.npz, 1 ps" in page


def test_names_of_sides_are_distinct_and_short(tmp_path):
    def of(*paths):
        return distinct_names([Path(path) for path in paths])

    assert of("md", "a/model.npz") == ["md", "model"]
    assert of("md.npz", "md.dcd") == ["md.npz", "md.dcd"]
    assert of("x", "/a/c/m.npz", "/b/c/m.npz") == ["x", "a/c/m.npz", "b/c/m.npz"]
    assert of("md", "one.npz", Path("one.npz").absolute()) == ["md", "one", "one (2)"]
    (tmp_path / "lag0.5").mkdir()
    assert of(tmp_path / "lag0.5") == ["lag0.5"]


def test_a_stored_reference_gives_the_rows_of_its_trajectories(tmp_path, monkeypatch):
    ours, theirs = (
        write(tmp_path / f"{name}.npz", 200, seed) for seed, name in enumerate(("ours", "theirs"))
    )
    monkeypatch.setattr(
        sys, "argv", ["scoredyn", "reference", ours, "--out", str(tmp_path / "kept"), "--seed", "1"]
    )
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    tables = []
    for reference in (ours, tmp_path / "kept.npz"):
        with pytest.raises(SystemExit):
            call(monkeypatch, reference, theirs, "--out", tmp_path / "report")
        tables.append(json.loads((tmp_path / "report" / "comparison.json").read_text())["rows"])
    assert [row["quantity"] for row in tables[0]] == [row["quantity"] for row in tables[1]]
    assert any("methyl" in row["quantity"] for row in tables[0])
    for one, other in zip(*tables, strict=True):
        if one["group"] in ("Geometry", "Rotors", "Size", "Populations"):
            assert one["reference"] == pytest.approx(other["reference"], rel=1e-6, nan_ok=True), one[
                "quantity"
            ]
    kept = json.loads((tmp_path / "kept.json").read_text())
    assert {"Geometry", "Populations"} <= {quantity["group"] for quantity in kept["quantities"]}


@pytest.mark.parametrize("integrator", ["LangevinMiddleIntegrator", "LangevinIntegrator"])
def test_langevin_side_is_run_for_the_length_asked(integrator):
    trajectory, speed = run_langevin(LangevinRun(PDB, integrator=integrator), length_ps=3.0)
    assert trajectory.positions.shape == (4, 22, 3)
    assert trajectory.frame_spacing_ps == 1.0 and speed > 0


def test_langevin_needs_one_limit():
    for limits in ({}, {"length_ps": 1.0, "wall_s": 1.0}):
        with pytest.raises(SamplingError, match="either a length or a wall time"):
            run_langevin(LangevinRun(PDB), **limits)
    with pytest.raises(SamplingError, match="unknown integrator"):
        LangevinRun(PDB, integrator="VerletIntegrator")
    with pytest.raises(SamplingError, match="multiple of the time step"):
        LangevinRun(PDB, timestep_fs=3.0)


def test_mistakes_are_one_sentence(tmp_path, monkeypatch, capsys):
    one = write(tmp_path / "one.npz", 50, 1)
    out = ("--out", tmp_path / "report")
    assert "expected a reference and a candidate, found 1" in refusal(monkeypatch, capsys, one, *out)
    assert "nothing.npz" in refusal(monkeypatch, capsys, one, tmp_path / "nothing.npz", *out)
    text = refusal(monkeypatch, capsys, tmp_path / "nothing.npz", "--langevin", PDB, *out)
    assert "either a length or a wall time" in text
    assert "expected NAME=PS_PER_S, found 'fast'" in refusal(
        monkeypatch, capsys, one, one, "--speed", "fast", *out
    )
    assert not (tmp_path / "report").exists()
