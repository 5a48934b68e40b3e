"""Muon for matrices and Adam for everything else, as one optimiser."""

from collections.abc import Iterable

import torch
from torch.nn import Parameter


class MuonAndAdam(torch.optim.Optimizer):
    """Steps of matrices whose singular values are all alike (Muon; Jordan et al. 2024), so that what is rare
    in the gradient is learned as soon as what is common; Adam for biases, scales and vectors.

    Parameters
    ----------
    parameters : those to train
    learning_rate : of Adam
    matrix_learning_rate : of Muon, for steps of the size that Adam would make with it (Liu et al. 2025)

    Notes
    -----
    Learning rates are set in `param_groups`, which are those of the two parts.
    """

    def __init__(self, parameters: Iterable[Parameter], learning_rate: float, matrix_learning_rate: float):
        every = list(parameters)
        matrices, others = ([p for p in every if (p.ndim == 2) == wanted] for wanted in (True, False))
        super().__init__([{"params": matrices}, {"params": others}], {"lr": learning_rate})
        muon = torch.optim.Muon(
            matrices, lr=matrix_learning_rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
        )
        self._parts = (muon, torch.optim.Adam(others, lr=learning_rate))
        self._share()

    def _share(self) -> None:
        """Let the groups be those of the parts."""
        self.param_groups = [group for part in self._parts for group in part.param_groups]

    def step(self, closure=None):
        """One update of both."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self._parts:
            part.step()
        return loss

    def state_dict(self):
        """Those of the parts."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict) -> None:
        """Inverse of `state_dict`."""
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share()
