"""Butane, cyclohexane, a peptide of two residues and a chain of beads through `scoredyn compare`."""

import json
import sys

import numpy as np
import pytest
from small_md import bead_chain, butane, cyclohexane, run, run_dialanine

from openmm_scoredyn import data
from openmm_scoredyn.cli import main

SOFT = {"torsion_kJ": 2.0, "angle_kJ": 150.0}


def written(path, trajectory) -> str:
    fields = {
        "frame_spacing_ps": trajectory.frame_spacing_ps,
        "temperature_K": trajectory.temperature_K,
        "molecule": trajectory.molecule.to_dict(),
    }
    flags = {"steered": False, "consecutive": True, "force_field": "small", "solvent": ""}
    data.save_archive(path, trajectory.positions[None], fields | flags)
    return str(path)


def rows_of(folder, monkeypatch, sides, *options) -> dict[str, dict]:
    """Rows by name of `scoredyn compare` of two trajectories, typed with options."""
    paths = [
        written(folder / f"{name}.npz", side) for name, side in zip(("ours", "theirs"), sides, strict=True)
    ]
    arguments = ["scoredyn", "compare", *paths, "--out", str(folder / "out"), *options]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    page = (folder / "out" / "report.html").read_text()
    assert page.count("data:image/png;base64") >= 3
    stored = json.loads((folder / "out" / "comparison.json").read_text())
    return {row["quantity"]: row for row in stored["rows"]}


def test_butane(tmp_path, monkeypatch, capsys):
    rows = rows_of(tmp_path, monkeypatch, [run(butane(), 1500, seed) for seed in (1, 2)])
    name = "C0-C1-C2-C3"
    shares = {state: rows[f"{name}: {state}"] for state in ("trans", "gauche+", "gauche-")}
    for state, row in shares.items():
        # Three equal wells by symmetry.
        assert abs(row["reference"]["value"] - 1 / 3) < 4 * row["reference"]["error"], state
        assert row["verdict"] != "differs"
    assert rows[f"{name}: hops between wells"]["reference"]["samples"] > 30
    assert f"{name}: sqrt(JSD) of torsion (reference: expected by chance)" in rows
    assert {"radius of gyration, mean", "methyl ALK:C0 at 1 ps"} <= set(rows)
    assert "hops" in capsys.readouterr().out


def test_cyclohexane(tmp_path, monkeypatch):
    rows = rows_of(tmp_path, monkeypatch, [run(cyclohexane(), 1500, seed, **SOFT) for seed in (1, 2)])
    divergences = [row["group"] for name, row in rows.items() if ": JSD (reference" in name]
    assert divergences.count("Distribution") == 6, "one for each bond of the ring"
    assert divergences.count("Pairs of neighbouring torsions") == 6, "one for each of its corners"
    assert rows["frames with a broken bond"]["candidate"]["value"] == 0


def test_two_residues_are_compared_one_by_one(tmp_path, monkeypatch):
    rows = rows_of(tmp_path, monkeypatch, [run_dialanine(400, seed) for seed in (1, 2)])
    for residue in ("ALA2", "ALA3"):
        assert 0 < rows[f"{residue}: beta"]["reference"]["value"] < 1
        assert f"{residue}: Ramachandran JSD (reference: expected by chance)" in rows
    assert "process 1 at lag 10 ps" in rows
    assert rows["frames with an inverted centre"]["reference"]["value"] == 0


def test_a_chain_of_beads(tmp_path, monkeypatch):
    sides = [run(bead_chain(), 800, seed) for seed in (1, 2)]
    rows = rows_of(tmp_path, monkeypatch, sides)
    centred = [side.positions - side.positions.mean(axis=1, keepdims=True) for side in sides]
    exact = [np.sqrt((positions**2).sum(axis=2).mean(axis=1)) for positions in centred]
    for side, radii in zip(("reference", "candidate"), exact, strict=True):
        assert rows["radius of gyration, mean"][side]["value"] == pytest.approx(radii.mean(), rel=1e-5)
    assert sum(name.endswith("hops between wells") for name in rows) == 5


def test_only_what_the_user_names(tmp_path, monkeypatch):
    sides = [run(bead_chain(), 300, seed) for seed in (1, 2)]
    asked = ("--observable", "dihedral:0-1-2-3", "--observable", "distance:0-7")
    rows = rows_of(tmp_path, monkeypatch, sides, *asked)
    ends = [np.linalg.norm(side.positions[:, 7] - side.positions[:, 0], axis=1) for side in sides]
    assert rows["A0-B7, mean"]["reference"]["value"] == pytest.approx(ends[0].mean(), rel=1e-5)
    assert [
        name
        for name in rows
        if not (
            name.startswith(
                ("A0-B1-A2-B3", "A0-B7", "process", "population of state", "JSD of TICA-0", "VAMP-2")
            )
            or ": process" in name
        )
    ] == []


def test_a_stored_reference_of_butane(tmp_path, monkeypatch):
    sides = [run(butane(), 300, seed) for seed in (1, 2)]
    live = rows_of(tmp_path, monkeypatch, sides)
    kept = [
        "scoredyn",
        "reference",
        str(tmp_path / "ours.npz"),
        "--out",
        str(tmp_path / "kept"),
        "--seed",
        "1",
    ]
    monkeypatch.setattr(sys, "argv", kept)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    arguments = [str(tmp_path / "kept.npz"), str(tmp_path / "theirs.npz"), "--out", str(tmp_path / "again")]
    monkeypatch.setattr(sys, "argv", ["scoredyn", "compare", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    again = json.loads((tmp_path / "again" / "comparison.json").read_text())["rows"]
    assert [row["quantity"] for row in again] == list(live)
    for row in again:
        if row["group"] in ("Geometry", "Rotors", "Size"):
            assert row["reference"] == pytest.approx(
                live[row["quantity"]]["reference"], rel=1e-3, nan_ok=True
            )
