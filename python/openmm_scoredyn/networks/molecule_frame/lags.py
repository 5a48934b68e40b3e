"""What the lag time is to a model of a range of them: an input, and a size of changes."""

import numpy as np
import torch
from torch import Tensor, nn

from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates, wrap
from openmm_scoredyn.networks.molecule_frame.scales import measured, soft_dihedrals

KNOTS = 8  # even in the logarithm of the lag time
WAVES = 3
FEATURES = 1 + 2 * WAVES


class LagRange(nn.Module):
    """Lag times from the shortest to the longest, ps.

    Parameters
    ----------
    ends : (2,), ps
    growth : (KNOTS, C)
        Spread of the change of each internal coordinate at lag times even in the logarithm, relative to that
        over all lag times; 1 where the change is a deviation, which does not grow.
    """

    ends: Tensor
    growth: Tensor
    wave: Tensor

    def __init__(self, ends: Tensor, growth: Tensor):
        super().__init__()
        self.register_buffer("ends", ends)
        self.register_buffer("growth", growth)
        self.register_buffer("wave", torch.pi * torch.arange(1.0, WAVES + 1))

    @torch.jit.export
    def place(self, lag_time_ps: Tensor) -> Tensor:
        """Where lag times (B,) lie in the logarithm of the range, 0 to 1, (B,)."""
        return torch.log(lag_time_ps / self.ends[0]) / torch.log(self.ends[1] / self.ends[0])

    @torch.jit.export
    def features(self, lag_time_ps: Tensor) -> Tensor:
        """What a network is shown of lag times (B,), (B, FEATURES)."""
        place = self.place(lag_time_ps).unsqueeze(1)
        wave = place * self.wave
        return torch.cat([2 * place - 1, torch.sin(wave), torch.cos(wave)], dim=1)

    @torch.jit.export
    def spread(self, lag_time_ps: Tensor) -> Tensor:
        """`growth` at lag times (B,), linear between knots, (B, C)."""
        along = (self.place(lag_time_ps) * (len(self.growth) - 1)).clamp(0, len(self.growth) - 1)
        low = along.floor().clamp(max=len(self.growth) - 2)
        share = (along - low).unsqueeze(1)
        knot = low.long()
        return torch.lerp(self.growth.index_select(0, knot), self.growth.index_select(0, knot + 1), share)


class OneLag(nn.Module):
    """The same where there is one lag time: nothing to show, and nothing that grows, of C coordinates."""

    def __init__(self, coordinates: int):
        super().__init__()
        self.coordinates = coordinates

    @torch.jit.export
    def features(self, lag_time_ps: Tensor) -> Tensor:
        """(B, 0)"""
        return lag_time_ps.new_zeros(len(lag_time_ps), 0)

    @torch.jit.export
    def spread(self, lag_time_ps: Tensor) -> Tensor:
        """Ones (B, C)."""
        return lag_time_ps.new_ones(len(lag_time_ps), self.coordinates)


def fit_lag_range(
    coordinates: InternalCoordinates, before: Tensor, after: Tensor, lag_time_ps: Tensor
) -> LagRange:
    """The range of lag times (P,) of pairs (P, N, 3), nm, and how far what turns goes in each."""
    old, new = measured(coordinates, before), measured(coordinates, after)
    soft = soft_dihedrals(coordinates, old, new)
    square = torch.where(soft, wrap(new - old) ** 2, 1.0).double()
    ends = torch.stack([lag_time_ps.min(), lag_time_ps.max()])
    return LagRange(ends, torch.where(soft, growth_of(square, lag_time_ps, ends), 1.0).float())


def growth_of(square: Tensor, lag_time_ps: Tensor, ends: Tensor) -> Tensor:
    """`LagRange.growth` (KNOTS, C) from squared changes (P, C) in lag times (P,), ps."""
    nearest = (torch.log(lag_time_ps / ends[0]) / torch.log(ends[1] / ends[0]) * (KNOTS - 1)).round()
    # Between short lag times, which are multiples of the frame spacing, there may be knots without any.
    found = nearest.unique()
    means = torch.stack([square[nearest == knot].mean(0) for knot in found]) / square.mean(0)
    growth = [np.interp(np.arange(KNOTS), found, column) for column in means.sqrt().T]
    return torch.from_numpy(np.stack(growth, axis=1))
