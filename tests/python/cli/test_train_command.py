"""`scoredyn train`: options from a file, advice, curves, a held-out check, and a run that is lengthened."""

import dataclasses
import json

import alkanes
import numpy as np
import pytest
import small_runs
from small_md import run_dialanine
from test_feel import invoke

from openmm_scoredyn import data, training
from openmm_scoredyn.cli.train_check import advice, checked_accuracy
from openmm_scoredyn.errors import MissingDependencyError, SamplingError
from openmm_scoredyn.program.model import ScoreModel
from openmm_scoredyn.training.checkpoint import read_checkpoint
from openmm_scoredyn.training.curves import read_metrics, tensorboard_logger

FILE = """
data = ["md1.npz", "md2.npz"]
out = "run"
updates = 60
batch-size = 64
lag_time = 1
set = ["width=16", "blocks=1"]
split = "time"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two short trajectories, and a run of 110 updates: 60 from the file, then lengthened on the command
    line.
    """
    folder = tmp_path_factory.mktemp("train")
    for number in (1, 2):
        trajectory = run_dialanine(600, number)
        fields = {
            "frame_spacing_ps": trajectory.frame_spacing_ps,
            "temperature_K": trajectory.temperature_K,
            "molecule": trajectory.molecule.to_dict(),
            "steered": False,
            "consecutive": True,
            "force_field": "amber99sbildn.xml",
            "solvent": "vacuum",
        }
        data.save_archive(folder / f"md{number}.npz", trajectory.positions[None], fields)
    (folder / "run.toml").write_text(FILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("openmm_scoredyn.cli.train_check.SECONDS", 2.0)
        first = invoke("train", "--config", "run.toml", "--no-check")
        second = invoke("train", "--config", "run.toml", "--updates", "110")
    (folder / "first.txt").write_text(first)
    (folder / "second.txt").write_text(second)
    return folder


def test_the_file_gives_options_and_what_is_typed_goes_before_it(folder):
    config = read_checkpoint(folder / "run").config
    assert config.optimization.batch_size == 64 and config.lag_time_ps == 1.0 and config.split == "time"
    assert config.network.config.width == 16
    assert config.optimization.updates == 110, "lengthened on the command line"


def test_little_data_is_said_before_training(folder):
    text = (folder / "first.txt").read_text()
    assert text.index("pairs of frames 1 ps apart, fewer than 10,000: expect overfitting") < text.index(
        "Trained:"
    )
    assert "The rare state of ALA3 was entered" in text


def test_curves_hold_every_part_of_a_run_once(folder):
    found = read_metrics(folder / "run")
    assert list(found) == sorted(found) and max(found) == 110
    # Every fiftieth update is logged: one of the first part, and one of the second.
    assert [update for update, numbers in found.items() if "train_loss" in numbers] == [50, 100]
    losses = {
        update: numbers["validation_loss"]
        for update, numbers in found.items()
        if "validation_loss" in numbers
    }
    assert losses == pytest.approx(dict(read_checkpoint(folder / "run").held_out_loss)) and set(losses) == {
        60,
        110,
    }
    table = (folder / "run" / "losses.csv").read_text().splitlines()
    assert table[0].startswith("update,") and len(table) == 1 + len(found)
    assert (folder / "run" / "losses.png").read_bytes()[:4] == b"\x89PNG"


def test_the_check_is_of_the_lengthened_run_and_stands_in_the_card(folder, monkeypatch):
    assert not (folder / "first.txt").read_text().count("Held-out check")
    text = (folder / "second.txt").read_text()
    assert "ALA2: beta" in text and "Geometry:" in text and "Held-out check with all plots" in text
    kept = json.loads((folder / "run" / "held_out.json").read_text())
    assert kept["update"] == 110 and kept["accuracy"]["reference"]["name"] == "held-out MD"
    groups = {row["group"] for row in kept["accuracy"]["rows"]}
    assert {"Populations", "Kinetics", "Geometry"} <= groups
    monkeypatch.chdir(folder)
    invoke("export", "run", "model.pt")
    assert ScoreModel("model.pt").card.provenance.accuracy["rows"] == kept["accuracy"]["rows"]
    invoke("export", "run", "other.pt", "--denoising-steps", "4")
    assert not ScoreModel("other.pt").card.provenance.accuracy, "it was measured with other draws"


def test_a_check_of_an_earlier_network_is_not_taken(folder, tmp_path):
    (tmp_path / "best.ckpt").write_bytes((folder / "run" / "best.ckpt").read_bytes())
    kept = json.loads((folder / "run" / "held_out.json").read_text())
    (tmp_path / "held_out.json").write_text(json.dumps(kept | {"update": 60}))
    assert checked_accuracy(tmp_path) == {}
    (tmp_path / "held_out.json").write_text(json.dumps(kept))
    assert checked_accuracy(tmp_path) == kept["accuracy"]


def test_what_to_do_next_has_the_ending_of_the_network(folder, tmp_path):
    text = (folder / "first.txt").read_text().replace("\n", " ")
    assert "Next: scoredyn export run model.pt" in text
    source = alkanes.simulate("propane", 60, 1)
    fields = {"frame_spacing_ps": source.frame_spacing_ps, "temperature_K": source.temperature_K}
    fields |= {"molecule": source.molecule.to_dict(), "steered": False, "consecutive": True}
    data.save_archive(tmp_path / "md.npz", source.positions[None], fields)
    options = (
        "--network",
        "zmatrix_transformer",
        "--set",
        "width=16",
        "--set",
        "heads=2",
        "--set",
        "blocks=1",
    )
    few = ("--split", "time", "--updates", 2, "--batch-size", 8, "--no-check")
    text = invoke(
        "train", tmp_path / "md.npz", "--out", tmp_path / "run", "--name", "alkanes", *options, *few
    )
    assert f"Next: scoredyn export {tmp_path / 'run'} alkanes.scoredyn" in text
    invoke("export", tmp_path / "run", tmp_path / "alkanes.scoredyn")


def test_tensorboard_shows_what_the_table_holds_of_all_parts_of_a_run(folder, tmp_path):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    options = ("--set", "width=16", "--set", "blocks=1", "--split", "time", "--batch-size", 16, "--no-check")
    for updates in (60, 110):
        invoke(
            *("train", folder / "md1.npz", "--out", tmp_path / "run", *options),
            *("--updates", updates, "--log", "tensorboard"),
        )
    found = accumulators.EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    seen = [(event.step, pytest.approx(event.value)) for event in found.Scalars("train_loss")]
    known = read_metrics(tmp_path / "run")
    # Lightning counts updates from 0 where it logs the losses of one.
    assert seen == [(u - 1, row["train_loss"]) for u, row in known.items() if "train_loss" in row]
    assert len(seen) == 2


def test_tensorboard_has_the_held_out_losses_too(tmp_path):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    training.train(small_runs.data(), tmp_path, small_runs.tiny(), loggers=[tensorboard_logger(tmp_path)])
    found = accumulators.EventAccumulator(str(tmp_path / "tensorboard")).Reload().Scalars("validation_loss")
    known = read_checkpoint(tmp_path).held_out_loss
    seen = [(event.step + 1, event.value) for event in found]
    assert seen == [(update, pytest.approx(loss)) for update, loss in known]
    assert [update for update, _ in known] == [6, 12]


def test_without_tensorboard_it_is_refused_in_a_sentence_before_any_work(folder, tmp_path, monkeypatch):
    for name in ("_TENSORBOARD_AVAILABLE", "_TENSORBOARDX_AVAILABLE"):
        monkeypatch.setattr(f"lightning.fabric.loggers.tensorboard.{name}", False)
    with pytest.raises(
        MissingDependencyError, match=r"pip install 'openmm-scoredyn\[tensorboard\]', or leave"
    ):
        invoke("train", folder / "md1.npz", "--out", tmp_path / "run", "--log", "tensorboard")
    assert not (tmp_path / "run").exists()


def test_much_data_needs_no_advice(folder):
    (trajectory,) = data.load([folder / "md1.npz"])
    assert any("pairs of frames" in sentence for sentence in advice([trajectory], 1.0))
    long = type(trajectory)(**vars(trajectory) | {"segments": (np.tile(trajectory.segments[0], (20, 1, 1)),)})
    assert not any("pairs of frames" in sentence for sentence in advice([long], 1.0))
    coarse = dataclasses.replace(long, frame_spacing_ps=10.0)
    assert not any("pairs of frames" in sentence for sentence in advice([long, coarse], 1.0, 100.0))
    steered = type(trajectory)(**vars(trajectory) | {"steered": True})
    assert not any("rare state" in sentence for sentence in advice([trajectory, steered], 1.0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("update = 10", "names no option; expected .* found 'update'; did you mean updates\\?"),
        ("qqq = 1", "found 'qqq'; choose one of batch-size, check, data,"),
        (
            "updates = true",
            "updates in run.toml has no value of that kind; expected text or a number, found True",
        ),
        ("check = 'no'", "expected true or false, found 'no'"),
        ("[network]\nwidth = 3", "network in run.toml has no value of that kind; expected text or a number"),
        ("updates = [1, 2]", "expected text or a number, found \\[1, 2\\]"),
        ("updates 10", "cannot read run.toml .*; expected a TOML file"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.toml").write_text(content)
    with pytest.raises(SamplingError, match=message) as refusal:
        invoke("train", "--config", "run.toml")
    assert str(refusal.value).startswith("train: ") and "\n" not in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir()] == ["run.toml"]


def test_a_missing_file_and_a_wrong_number_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SamplingError, match="cannot read run.toml .*No such file"):
        invoke("train", "--config", "run.toml")
    (tmp_path / "run.toml").write_text("data = 'md.npz'\nout = 'run'\nupdates = 12.5")
    with pytest.raises(AssertionError, match="Invalid value for '--updates'"):
        invoke("train", "--config", "run.toml")


def test_simulate_takes_a_file_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.toml").write_text("lenght = '1ns'")
    with pytest.raises(SamplingError, match="simulate: run.toml names no option; .*did you mean length"):
        invoke("simulate", "--config", "run.toml")
