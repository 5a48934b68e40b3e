"""Modules that are no plain ones are refused in one sentence."""

import lightning
import pytest
import torch
from torch import Tensor, nn

from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.errors import ExportError
from openmm_scoredyn.export.wrapper import wrap
from openmm_scoredyn.program.model import ScoreModel, pretrained


class Network(nn.Module):
    """The methods of the contract."""

    @torch.jit.export
    def condition(
        self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
    ) -> list[Tensor]:
        return [history[:, -1]]

    @torch.jit.export
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        return latent

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1]


class Lightning(Network, lightning.LightningModule):
    pass


class Locked(Network):
    """Holds what Python cannot copy, as a logger or an open file."""

    def __init__(self):
        super().__init__()
        self.file = open("/dev/null")  # noqa: SIM115


class Computed(Network):
    """Holds a tensor that was computed of a parameter."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.twice = 2 * self.weight


MODULES = {
    "found a ScriptModule; give the module that was scripted": lambda: torch.jit.script(Network()),
    "found a OptimizedModule; give the module that was compiled": lambda: torch.compile(Network()),
    "found a LightningModule; give the network inside": Lightning,
    "Locked cannot be copied; expected parameters, .* found cannot pickle": Locked,
    "Computed cannot be copied; expected parameters, .* found Only Tensors created explicitly": Computed,
    "type is no module; expected an instance of torch.nn.Module": lambda: Network,
}


@pytest.fixture(scope="module")
def card():
    return ScoreModel(pretrained("alanine-dipeptide-obc2")).card


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
@pytest.mark.parametrize("sentence", MODULES)
def test_modules_of_other_kinds_are_refused(sentence, card):
    module = MODULES[sentence]()
    with pytest.raises(ExportError, match=sentence):
        wrap(module, card, Parametrization())


def test_a_plain_module_is_copied(card):
    network = Network()
    assert wrap(network, card, Parametrization()).network is not network
