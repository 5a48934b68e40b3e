"""The benchmarks of a step run, in their smallest form, and every round is on the disk when it is over."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import batches
import compound
import speed
import turns

import openmm_scoredyn as sd

MODEL = "alanine-dipeptide-obc2"


def run(module, monkeypatch, *arguments):
    """`main` of a benchmark with these arguments."""
    monkeypatch.setattr(sys, "argv", [module.__file__, *map(str, arguments)])
    module.main()


def test_speed_has_its_rows_and_its_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(speed, "SINGLE_STEPS", 2)
    monkeypatch.setattr(speed, "BATCH_STEPS", 1)
    monkeypatch.setattr(speed, "MD_STEPS_PER_PS", 2)
    # In the place of water, whose box takes ten seconds to fill.
    monkeypatch.setattr(
        speed, "water_simulation", lambda pdb, seed, name: sd.prepare(pdb, MODEL, platform=name)
    )
    monkeypatch.setattr(speed, "PLATFORMS", ("Reference", "CUDA"))
    run(speed, monkeypatch, "--rounds", 1, "--json", tmp_path / "speed.json")
    rows = json.loads((tmp_path / "speed.json").read_text())["seconds_per_ps"]
    wanted = {"single context, Reference", "no network, Reference", "batch of 256", "explicit-water MD, CPU"}
    assert wanted <= rows.keys()
    assert all(len(times) == 1 for times in rows.values())
    printed = capsys.readouterr().out
    assert all(row in printed for row in wanted)
    assert "microseconds a network evaluation" in printed


@pytest.mark.parametrize("more", [[], ["--empty"]], ids=["network", "empty"])
def test_batches_have_their_rows_and_their_file(more, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(batches, "REPLICA_STEPS", 4)
    run(batches, monkeypatch, "--rounds", 2, "--sizes", 1, 4, "--json", tmp_path / "b.json", *more)
    assert {row: len(times) for row, times in json.loads((tmp_path / "b.json").read_text()).items()} == {
        "1 x 1": 2,
        "4 x 1": 2,
    }
    assert "best batch: " in capsys.readouterr().out


def test_a_run_that_is_cut_short_leaves_its_rounds(tmp_path):
    calls = []

    def candidate():
        calls.append(None)
        if len(calls) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        turns.take_turns(
            {"a": (candidate, 1)}, 5, after_round=lambda times: turns.keep(tmp_path / "t", times)
        )
    assert len(json.loads((tmp_path / "t").read_text())["a"]) == 2


def test_mixture_with_langevin_has_its_rows_and_its_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(compound, "WALKERS", 2)
    monkeypatch.setattr(compound, "WARM_UP_STEPS", 1)
    monkeypatch.setattr(compound, "CYCLES", [(1, 0), (2, 10), (0, 10)])
    run(compound, monkeypatch, "--seconds", 0, "--rounds", 1, "--json", tmp_path / "c.json")
    rows = json.loads((tmp_path / "c.json").read_text())
    assert list(rows) == ["learned alone", "2 ps and 10 x 10 fs", "MD alone"]
    assert "methyl NME:C after 2.1 ps" in rows["2 ps and 10 x 10 fs"]
    for row in rows.values():
        value, error = row["bond spread, pm"]
        assert 1 < value < 5 and 0 < error < 2 and row["ms per ps"][0] > 0
    assert "MD alone: ms per ps" in capsys.readouterr().out


def test_figures_of_a_mixture_are_right():
    """Against closed forms: a mean, a spread, jumps between cores, and a rotor that turns evenly."""
    values = np.random.default_rng(1).normal(5.0, 2.0, (400, 64))
    mean, error = compound._mean(values).estimate()
    assert mean == pytest.approx(values.mean())
    assert error == pytest.approx(values.mean(axis=0).std(ddof=1) / 8)
    spread, error = compound._spread(values[..., None]).estimate()
    assert spread == pytest.approx(2.0, abs=4 * error) and error == pytest.approx(
        2 / np.sqrt(2 * 25600), rel=0.4
    )
    states = np.array([[1, 0, 1, 2, 0, 1], [2, 2, 0, 2, 2, 2]]).T
    assert compound._crossings(states, length_ns=0.5).estimate()[0] == pytest.approx((2 + 0) / 2 / 0.5)
    turned = np.exp(1j * 0.3 * np.arange(50))[:, None] * np.ones(4)
    kept, error = compound._kept(turned, [0.25, 0.75], 2).estimate()
    assert kept == pytest.approx(0.25 * np.cos(0.6) + 0.75 * np.cos(0.9)) and error < 1e-12
