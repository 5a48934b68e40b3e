"""The held-out check of models of several molecules, in a box, with a history; refusals that say why."""

import re
from dataclasses import replace

import alkanes
import numpy as np
import pytest
import test_beads as beads
from typer.testing import CliRunner

import openmm_scoredyn as sd
from openmm_scoredyn.cli import app, train_check
from openmm_scoredyn.cli.train_check import held_out_check, show_check
from openmm_scoredyn.data import load
from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.program.transferable import TransferableModel
from openmm_scoredyn.training import NetworkChoice, OptimizationConfig, TrainingConfig, train

FEW = OptimizationConfig(updates=40, batch_size=64, validation_every=40, warmup_updates=10, ema_decay=0.9)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(train_check, "SECONDS", 1.0)
    monkeypatch.setattr(train_check, "REPLICAS", 8)


@pytest.fixture(scope="module")
def in_a_box(tmp_path_factory):
    """Beads in a periodic box, with a history of three frames: run and trajectories."""
    trajectories = [beads.simulate(200, seed) for seed in (1, 2)]
    folder = tmp_path_factory.mktemp("beads")
    train(trajectories, folder, replace(beads.configuration(), optimization=FEW))
    return folder, trajectories


def test_a_model_with_a_box_and_a_history_is_checked(in_a_box, capsys):
    """Replicas begin at three successive held-out frames, none of which jumps through the box."""
    folder, trajectories = in_a_box
    show_check(folder, trajectories)
    printed = capsys.readouterr().out
    assert "No held-out check" not in printed and "held_out_check/report.html" in printed.replace("\n", "")
    (drawn,) = load([folder / "held_out_check" / "replicas.frames"])
    np.testing.assert_array_equal(drawn.box, trajectories[0].box)
    (held_out,) = train_check._held_out(folder, trajectories)
    starts = train_check._starts(held_out, beads.LAG_PS, 3)
    assert starts.shape == (8, 3, beads.COUNT, 3)
    assert np.abs(np.diff(starts, axis=1)).max() < 0.25 * beads.BOX_NM
    inside = np.mod(starts[:, -1], beads.BOX_NM)
    frames = np.mod(held_out[0].segments[0], beads.BOX_NM)
    assert min(np.abs(frames - inside[3]).max(axis=(1, 2))) < 1e-4, "a frame that was held out"


def test_a_box_that_changes_is_refused_in_a_sentence(in_a_box, capsys):
    folder, trajectories = in_a_box
    boxes = [
        replace(one, box=np.repeat(one.box[None], one.n_frames, axis=0) * np.float32(1.0))
        for one in trajectories
    ]
    with pytest.raises(TrainingError, match="expected held-out MD at constant volume, found a box for every"):
        held_out_check(folder, boxes)
    show_check(folder, boxes)
    assert capsys.readouterr().out.startswith("No held-out check: train: the held-out check keeps one box")


def test_steered_or_too_short_md_is_refused_in_a_sentence(in_a_box):
    folder, trajectories = in_a_box
    with pytest.raises(TrainingError, match="expected trajectories that are neither steered nor shot"):
        held_out_check(folder, [replace(one, steered=True) for one in trajectories])
    with pytest.raises(TrainingError, match="expected held-out segments of more than 200 frames"):
        train_check._starts(trajectories, beads.LAG_PS, 201)


def test_a_transferable_model_is_checked_on_every_molecule(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    trajectories = [alkanes.simulate(name, 120, seed) for seed, name in enumerate(("propane", "butane"), 1)]
    config = TrainingConfig(
        name="alkanes",
        network=NetworkChoice.of("zmatrix_transformer", width=16, heads=2, condition_blocks=1, blocks=1),
        optimization=FEW,
        split="time",
    )
    train(trajectories, tmp_path, config)
    reports = held_out_check(tmp_path, trajectories)
    assert list(reports) == ["held_out_check/1", "held_out_check/2"]
    sizes = [len(report.reference.observations.particles) for report in reports.values()]
    assert sizes == [11, 14]
    assert all((tmp_path / name / "report.html").exists() for name in reports)
    show_check(tmp_path, trajectories)
    printed = capsys.readouterr().out
    assert printed.replace("\n", "").count("Held-out check with all plots") == 2
    assert f"`scoredyn export {tmp_path}` writes what this measured into the card." in printed
    measured = exported(tmp_path, "all").accuracy["molecules"]
    assert [(one["name"], one["in_training"]) for one in measured] == [
        ("PRO C3H8", True),
        ("BUT C4H10", True),
    ]
    for one, report in zip(measured, reports.values(), strict=True):
        assert one["reference"]["name"] == f"held-out MD of {one['name'].split()[0]}"
        assert [row["verdict"] for row in one["rows"]] == [row.verdict for row in report.rows]
    shown = re.sub(
        r"[\s│]+", " ", CliRunner().invoke(app, ["info", str(tmp_path / "all.scoredyn"), "--full"]).output
    )
    for one in measured:
        assert f"{one['name']}, other MD of it in training: " in shown
        assert f"({one['reference']['name']})" in shown
    assert shown.count("geometry: ") == 2
    assert not exported(tmp_path, "fewer", "--denoising-steps", "2").accuracy, "measured with other draws"
    bound = sd.bind(
        tmp_path / "all.scoredyn", (topology := alkanes.topology("butane")), alkanes.system(topology)
    )
    assert not bound.card.provenance.accuracy, "which is that of other molecules"


def test_of_frames_of_several_spacings_the_closest_are_compared(tmp_path):
    """A range of lags is trained on both."""
    fine = alkanes.simulate("propane", 120, 1)
    coarse = replace(alkanes.simulate("propane", 120, 2), frame_spacing_ps=10 * fine.frame_spacing_ps)
    config = TrainingConfig(
        name="alkanes",
        network=NetworkChoice.of("zmatrix_transformer", width=16, heads=2, condition_blocks=1, blocks=1),
        optimization=FEW,
        split="time",
        longest_lag_time_ps=20.0,
    )
    train([coarse, fine], tmp_path, config)
    (report,) = held_out_check(tmp_path, [coarse, fine]).values()
    assert report.reference.observations.frame_spacing_ps == fine.frame_spacing_ps


def exported(run, name: str, *options: str):
    """What `scoredyn export` says of where a model comes from."""
    path = run / f"{name}.scoredyn"
    done = CliRunner().invoke(app, ["export", str(run), str(path), *options])
    assert done.exit_code == 0, done.exception
    return TransferableModel.load(path).card.provenance


def test_whole_molecules_that_are_held_out_are_said_to_be_no_part_of_training():
    kept = [{"rows": []}]
    groups = [[alkanes.simulate("propane", 2, 1)]]
    for split, seen in (("molecule", False), ("time", True), ("trajectory", True)):
        (one,) = train_check._named(kept, groups, split)
        assert one == {"name": "PRO C3H8", "in_training": seen, "rows": []}
