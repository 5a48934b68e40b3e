"""Training with matrix products in bfloat16: what is rounded, what is not, and who may not."""

import dataclasses

import pytest
import torch
from small_runs import data, tiny

from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.training import DistillationConfig, NetworkChoice, load_checkpoint, train
from openmm_scoredyn.training.module import ScoreTraining


def rounded(config):
    """The same with products in bfloat16."""
    return dataclasses.replace(
        config, optimization=dataclasses.replace(config.optimization, precision="bfloat16")
    )


def test_products_of_updates_are_rounded_and_nothing_else(tmp_path, monkeypatch):
    """The weights differ by what rounding does, and stay float32; the held-out loss is that of float32."""
    seen = []
    loss = ScoreTraining.loss

    def watched(self, batch):
        updated = torch.is_grad_enabled()
        handle = self.network.inlet.register_forward_hook(
            lambda module, given, out: seen.append((updated, out.dtype, given[0].dtype))
        )
        try:
            return loss(self, batch)
        finally:
            handle.remove()

    monkeypatch.setattr(ScoreTraining, "loss", watched)
    train(data(), tmp_path / "rounded", rounded(tiny()))
    assert set(seen) == {(True, torch.bfloat16, torch.float32), (False, torch.float32, torch.float32)}
    monkeypatch.undo()
    train(data(), tmp_path / "plain", tiny())
    (ours, *_), (theirs, *_) = (load_checkpoint(tmp_path / name) for name in ("rounded", "plain"))
    for (name, value), other in zip(ours.state_dict().items(), theirs.state_dict().values()):
        assert value.dtype == other.dtype, name
    weights = ours.blocks[0].widen.weight, theirs.blocks[0].widen.weight
    assert 0 < float((weights[0] - weights[1]).detach().abs().max()) < 0.01


def test_networks_that_never_learnt_so_are_refused():
    network = NetworkChoice.of("equivariant")
    with pytest.raises(TrainingError, match="expected float32 .*, found bfloat16 and equivariant; leave"):
        rounded(dataclasses.replace(tiny(), network=network))
    with pytest.raises(TrainingError, match="found bfloat16 and distillation"):
        rounded(tiny(distillation=DistillationConfig(1)))
    with pytest.raises(TrainingError, match="expected one of float32, bfloat16, found 'float16'"):
        dataclasses.replace(tiny().optimization, precision="float16")
