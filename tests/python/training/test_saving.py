"""What a run leaves behind: signals, the last update, the best one, longer runs."""

import dataclasses
import os
import signal
import subprocess
import sys

import lightning
import pytest
import torch
from small_runs import data, tiny
from typer.testing import CliRunner

from openmm_scoredyn.cli import app
from openmm_scoredyn.errors import TrainingError, TrainingInterrupted
from openmm_scoredyn.training import checkpoint, load_checkpoint, train
from openmm_scoredyn.training.checkpoint import (
    best_checkpoint,
    overfitting,
    read_checkpoint,
    require_finished,
)


class Signal(lightning.Callback):
    """Sends this process a signal within one update."""

    def __init__(self, number, update):
        self.number, self.update = number, update

    def on_train_batch_start(self, trainer, *rest):
        if trainer.global_step == self.update:
            os.kill(os.getpid(), self.number)


def weights(path):
    return read_checkpoint(path).weights


def assert_equal_weights(one, other):
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_run_after_the_update_it_came_in_and_it_goes_on_to_the_same_bytes(
    tmp_path, number, status
):
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(TrainingInterrupted, match="after update 8 of 12; .*same command again") as raised:
        train(data(), tmp_path / "ended", tiny(), [Signal(number, 7)])
    assert raised.value.exit_status == status
    assert read_checkpoint(tmp_path / "ended").update == 8
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    train(data(), tmp_path / "ended", tiny())
    train(data(), tmp_path / "whole", tiny())
    for name in ("last.ckpt", "best.ckpt"):
        ended, whole = (read_checkpoint(tmp_path / run / name) for run in ("ended", "whole"))
        assert ended.held_out_loss == whole.held_out_loss and ended.update == whole.update
        assert_equal_weights(ended.weights, whole.weights)


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_does_not_wait_for_the_end_of_the_update(tmp_path, number, status):
    class Twice(Signal):
        def on_train_batch_start(self, trainer, *rest):
            for _ in range(2):
                super().on_train_batch_start(trainer)

    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(TrainingInterrupted, match="came again .*; .*ended holds what was saved") as raised:
        train(data(), tmp_path / "ended", tiny(), [Twice(number, 7)])
    assert raised.value.exit_status == status
    assert read_checkpoint(tmp_path / "ended").update < 7
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    train(data(), tmp_path / "ended", tiny())
    assert read_checkpoint(tmp_path / "ended").update == 12


def test_the_command_says_how_to_go_on_and_exits_as_signals_do(tmp_path, monkeypatch, capsys):
    from openmm_scoredyn import cli

    def ended(*arguments, **options):
        raise TrainingInterrupted("train: SIGTERM ended the run", signal.SIGTERM)

    monkeypatch.setattr(cli, "app", ended)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 143 and "SIGTERM ended the run" in capsys.readouterr().err


def test_the_last_update_is_saved_and_measured_whatever_its_number(tmp_path):
    train(data(), tmp_path, tiny(8))  # validated at 6
    last = read_checkpoint(tmp_path)
    assert last.update == 8 and [update for update, _ in last.held_out_loss] == [6, 8]
    require_finished(tmp_path)


def test_the_best_update_is_exported_and_overfitting_is_said(tmp_path):
    """A learning rate that undoes what was learnt stands for overfitting."""

    class Spoil(lightning.Callback):
        def on_train_batch_end(self, trainer, module, *rest):
            if trainer.global_step > 6:
                for parameter in module.network.outlet.parameters():
                    parameter.data += 10.0

    config = tiny()
    config = dataclasses.replace(config, optimization=dataclasses.replace(config.optimization, ema_decay=0.1))
    train(data(), tmp_path, config, [Spoil()])
    (first, least), (second, last) = read_checkpoint(tmp_path).held_out_loss
    assert (first, second) == (6, 12) and last > 2 * least
    assert best_checkpoint(tmp_path).update == 6
    assert_equal_weights(best_checkpoint(tmp_path).weights, load_checkpoint(tmp_path)[0].state_dict())
    assert overfitting(tmp_path) == (
        f"Held-out loss rose from {least:.4g} to {last:.4g} after update 6: overfitted; exported is update 6."
    )


def test_nothing_is_said_of_a_loss_that_fell(tmp_path):
    train(data(), tmp_path, tiny())
    history = read_checkpoint(tmp_path).held_out_loss
    assert history[1][1] < history[0][1] * (1 + checkpoint.RISE) and overfitting(tmp_path) == ""


def test_a_finished_run_is_lengthened_and_not_shortened(tmp_path):
    train(data(), tmp_path, tiny(6))
    short = weights(tmp_path)
    train(data(), tmp_path, tiny(12))
    assert read_checkpoint(tmp_path).update == 12
    assert any(not torch.equal(value, short[name]) for name, value in weights(tmp_path).items())
    with pytest.raises(TrainingError, match="another configuration"):
        train(data(), tmp_path, tiny(6))


def test_an_unfinished_run_is_not_exported_unless_told(tmp_path):
    with pytest.raises(TrainingInterrupted):
        train(data(), tmp_path / "run", tiny(), [Signal(signal.SIGTERM, 7)])
    arguments = ["export", str(tmp_path / "run"), str(tmp_path / "model.pt")]
    refused = CliRunner().invoke(app, arguments)
    assert isinstance(refused.exception, TrainingError)
    assert "not finished; expected 12 updates, found 8" in str(refused.exception)
    assert not (tmp_path / "model.pt").exists()
    told = CliRunner().invoke(app, [*arguments, "--unfinished"])
    assert told.exit_code == 0, told.exception
    assert (tmp_path / "model.pt").exists()


TRAIN = """
import sys
from small_runs import data, tiny
import lightning
from openmm_scoredyn.training import train
class Wait(lightning.Callback):
    def on_train_batch_start(self, trainer, *rest):
        if trainer.global_step == 3:
            print("training", flush=True)
            sys.stdin.readline()
train(data(), sys.argv[1], tiny(), [Wait()])
"""


def test_two_processes_do_not_train_in_one_directory(tmp_path):
    """The second is refused with a sentence and leaves nothing; the first ends as if it had been alone."""
    whole = weights(train(data(), tmp_path / "whole", tiny()))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", TRAIN, str(tmp_path / "run")]
    first = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert first.stdout.readline() == "training\n"
        second = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert second.returncode == 1
        assert f"train: {tmp_path / 'run'} is being written by process {first.pid} on" in second.stderr
        first.communicate("\n", timeout=300)
    finally:
        first.kill()
    assert first.returncode == 0
    assert_equal_weights(weights(tmp_path / "run"), whole)
    assert not list((tmp_path / "run").glob(".*"))


def test_a_device_that_is_not_there_is_refused_before_any_work(tmp_path):
    with pytest.raises(TrainingError, match="expected cpu or cuda, found 'tpu'"):
        train(data(), tmp_path / "run", tiny(), device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(TrainingError, match="torch finds no GPU"):
            train(data(), tmp_path / "run", tiny(), device="cuda")
    assert not (tmp_path / "run").exists()
