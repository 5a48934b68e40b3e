"""Training that begins with the network of an earlier run: what comes from that run, and what
contradicts it.
"""

import dataclasses

import pytest
import torch
from alanine import alanine_molecule
from small_runs import data, tiny
from typer.testing import CliRunner

from openmm_scoredyn.cli import app
from openmm_scoredyn.cli.train import choose_network
from openmm_scoredyn.data import save_archive
from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.training import NetworkChoice, checkpoint, load_checkpoint, train

PUBLISHED = {"prediction": "noise", "schedule": "vp_linear"}


def assert_same_network(one, other):
    ours, theirs = (load_checkpoint(path)[0].state_dict() for path in (one, other))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def message_passing_run(tmp_path_factory):
    """The folder of a run of the published network."""
    folder = tmp_path_factory.mktemp("published")
    config = dataclasses.replace(
        tiny(2, **PUBLISHED), network=NetworkChoice.of("message_passing", width=8, blocks=1)
    )
    train(data(), folder, config)
    return folder


@pytest.fixture
def md(tmp_path):
    """A folder of trajectories."""
    folder = tmp_path / "md"
    folder.mkdir()
    described = {"frame_spacing_ps": 1.0, "temperature_K": 300.0, "molecule": alanine_molecule().to_dict()}
    for n, trajectory in enumerate(data()):
        metadata = described | {"steered": False, "consecutive": False}
        save_archive(folder / f"{n}.npz", trajectory.segments[0][None], metadata)
    return folder


def typed(md, out, start_from, *more):
    """`scoredyn train` that hardly trains."""
    options = ["--updates", 1, "--batch-size", 16, "--learning-rate", 1e-12, *more]
    arguments = ["train", md, "--out", out, "--start-from", start_from, *options]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_network_is_trained_further_whatever_shape_is_asked_for(tmp_path):
    first = train(data(), tmp_path / "first", tiny())
    other = dataclasses.replace(tiny(), network=NetworkChoice.of("molecule_frame", width=8, blocks=2))
    still = dataclasses.replace(other.optimization, learning_rate=1e-12)
    second = train(
        data(), tmp_path / "second", dataclasses.replace(other, optimization=still), start_from=first
    )
    assert_same_network(first, second)


def test_the_parametrisation_is_that_of_the_run(message_passing_run, tmp_path):
    """The same numbers mean another denoiser elsewhere: the network would have to be learnt from scratch."""
    second = train(data(), tmp_path, tiny(2), start_from=message_passing_run)
    parametrization = load_checkpoint(second)[2]
    assert (parametrization.prediction, parametrization.schedule) == ("noise", "vp_linear")


def test_the_command_goes_on_with_the_network_of_the_run(message_passing_run, md, tmp_path):
    """A second call, which names the network, finds the run as it is configured already."""
    for more in ((), ("--network", "message_passing")):
        result = typed(md, tmp_path / "second", message_passing_run, *more)
        assert result.exit_code == 0, result.exception
    config = checkpoint.read_checkpoint(tmp_path / "second").config
    assert (config.network.name, config.prediction, config.schedule) == (
        "message_passing",
        "noise",
        "vp_linear",
    )
    assert config.noise.kind == "log_uniform"
    assert_same_network(message_passing_run, tmp_path / "second")


@pytest.mark.parametrize("asked", ["molecule_frame", "equivariant"])
def test_a_network_that_contradicts_the_run_is_refused(message_passing_run, md, tmp_path, asked):
    result = typed(md, tmp_path / "second", message_passing_run, "--network", asked)
    assert isinstance(result.exception, TrainingError)
    assert f"expected message_passing, as in {message_passing_run}, found {asked}; leave" in str(
        result.exception
    )
    assert not (tmp_path / "second").exists()


def test_another_shape_is_refused(message_passing_run, md, tmp_path):
    result = typed(md, tmp_path / "second", message_passing_run, "--set", "width=16")
    assert isinstance(result.exception, TrainingError)
    assert "expected no --set, found width=16" in str(result.exception)
    assert not (tmp_path / "second").exists()


def test_without_an_earlier_run_the_network_is_the_one_asked_for():
    assert choose_network(None, [], None) == NetworkChoice.of("molecule_frame")
    asked = choose_network("molecule_frame", ["gates=true", "width=8"], None)
    assert asked == NetworkChoice.of("molecule_frame", gates=True, width=8)
