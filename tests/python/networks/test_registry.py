"""The registry: a network is found by its name, and its configuration says what it is."""

import sys
from dataclasses import dataclass
from importlib import metadata

import pytest
from alanine import alanine_molecule
from small_networks import examples, fit_network, pairs

from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.networks import registry
from openmm_scoredyn.networks.protocol import Architecture
from openmm_scoredyn.networks.registry import NetworkChoice, network_names


@dataclass(frozen=True)
class StillConfig:
    step_nm: float = 0.0


class Still(Architecture):
    config = StillConfig

    def fit(self, config, examples):
        raise NotImplementedError

    def restore(self, config, particles, weights):
        raise NotImplementedError


def test_every_package_here_is_a_network():
    assert {"molecule_frame", "equivariant", "message_passing"} <= set(network_names())
    for name in network_names():
        entry = registry.architecture(name)
        assert entry.recipe.schedule and entry.config() == NetworkChoice.of(name).config


def test_a_network_of_another_distribution_is_found_by_its_entry_point(monkeypatch):
    monkeypatch.setitem(sys.modules, "still", type(sys)("still"))
    sys.modules["still"].ARCHITECTURE = Still()
    point = metadata.EntryPoint("still", "still:ARCHITECTURE", registry.GROUP)
    monkeypatch.setattr(registry.metadata, "entry_points", lambda group: [point])
    assert "still" in network_names()
    assert NetworkChoice.parse("still", ["step_nm=0.5"]).config == StillConfig(0.5)


def test_a_choice_comes_back_as_it_was_written():
    choice = NetworkChoice.of("molecule_frame", width=8, gates=True)
    assert choice.to_dict()["config"] == {"width": 8, "blocks": 4, "gates": True}
    assert NetworkChoice.from_dict(choice.to_dict()) == choice


@pytest.mark.parametrize("name", ["molecule_frame", "equivariant", "message_passing"])
def test_a_network_is_restored_from_configuration_and_weights(name):
    network = fit_network(name, *pairs(), width=16, blocks=1)
    choice = NetworkChoice.of(name, width=16, blocks=1)

    again = choice.architecture.restore(choice.config, alanine_molecule(), network.state_dict())
    assert all((value == again.state_dict()[key]).all() for key, value in network.state_dict().items())


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("transformer", [], "unknown name; expected one of .*molecule_frame.*, found 'transformer'"),
        ("molecule_frame", ["depth=3"], "has no option 'depth'; expected one of width, blocks, gates"),
        ("molecule_frame", ["width=wide"], "expected int, found 'wide'"),
        ("molecule_frame", ["gates=1"], "expected bool, found '1'"),
    ],
)
def test_what_is_no_network_is_refused(name, options, message):
    with pytest.raises(TrainingError, match=message):
        NetworkChoice.parse(name, options)


def test_two_molecules_are_refused_by_a_network_of_one():
    choice = NetworkChoice.of("message_passing")

    both = [examples(*pairs(3)), examples(*pairs(3))]
    with pytest.raises(TrainingError, match="made for one molecule; expected trajectories of one, found 2"):
        choice.architecture.fit(choice.config, both)
