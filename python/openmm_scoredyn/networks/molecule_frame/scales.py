"""The fitted numbers of a molecule-frame model: which coordinates are soft, their centres and their
whitening.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates, wrap

# A dihedral turns that spreads more than this, or goes so far in one lag time so often: a displacement
# describes it, not a deviation.
SOFT_SPREAD_RAD, FAR_TURN_RAD, FAR_TURNS = 0.6, torch.pi / 2, 10
# A coordinate that correlates less than this with itself one lag time later is no condition for it: to a
# network it would be nothing but the number of the training pair, to overfit to.
REMEMBERED = 0.1
FIXED_SPREAD = 1e-5  # nm or rad; what spreads less is held by a constraint and is not diffused
ENOUGH_PAIRS = 100_000  # for the covariance, which then has an error of 0.3 %


@dataclass(frozen=True)
class ConformationScales:
    """C internal coordinates, of which D move.

    Attributes
    ----------
    periodic, soft : (C,) bool, dihedrals, and those of them that turn
    origin : (C,), mean of the stiff coordinates, 0 for soft ones; nm or rad
    centre : (C,), mean change
    whiten, unwhiten : (C, D) and (D, C), to latents of unit covariance and back
    feature_scale : (C,), 1 / standard deviation of each stiff coordinate that a lag time does not forget, 0
    elsewhere
    """

    periodic: Tensor
    soft: Tensor
    origin: Tensor
    centre: Tensor
    whiten: Tensor
    unwhiten: Tensor
    feature_scale: Tensor


def change_of(old: Tensor, new: Tensor, origin: Tensor, soft: Tensor, periodic: Tensor) -> Tensor:
    """Deviation from the mean (stiff) or displacement (soft), (B, C), of coordinates (B, C)."""
    difference = new - torch.where(soft, old, origin)
    return torch.where(periodic, wrap(difference), difference)


def measured(coordinates: InternalCoordinates, positions: Tensor) -> Tensor:
    """Coordinates (P, C) of positions (P, N, 3), nm, of any number of pairs."""
    return torch.cat([coordinates(part) for part in positions.split(65536)])


def soft_dihedrals(coordinates: InternalCoordinates, old: Tensor, new: Tensor) -> Tensor:
    """Which of the coordinates of pairs (P, C) are dihedrals that turn, (C,) bool.

    Those of a circular standard deviation above `SOFT_SPREAD_RAD`, and those that turn by more than
    `FAR_TURN_RAD` in at least `FAR_TURNS` pairs. The angle of an atom to its sibling is an improper one, and
    does not turn.
    """
    phasor = torch.exp(1j * new).mean(0)
    wide = torch.sqrt(-2 * torch.log(phasor.abs().clamp(1e-12, 1.0))) > SOFT_SPREAD_RAD
    far = (wrap(new - old).abs() > FAR_TURN_RAD).sum(0) >= FAR_TURNS
    alone = ~coordinates.has_sibling[2:]
    first = new.shape[1] - len(alone)
    return functional.pad(wide[first:] | far[first:] & alone, [first, 0])


def fit_scales(
    coordinates: InternalCoordinates,
    before: Tensor,
    after: Tensor,
    growth: Tensor | None = None,
    remembered: Tensor | None = None,
) -> ConformationScales:
    """Fit on pairs one lag time apart, (P, N, 3) nm each, of the training part only.

    Parameters
    ----------
    growth : (P, C), optional
        Of the lag time of each pair, as `LagRange.spread`, where lag times differ.
    remembered : (P,) bool, optional
        Pairs that say which stiff coordinates a lag time does not forget; default: all.

    Raises
    ------
    TrainingError
        If there are fewer than two pairs per coordinate.

    Notes
    -----
    Whitening is symmetric on the correlation matrix, so each latent stays close to one coordinate (ZCA-cor,
    Kessy, Lewin and Strimmer 2018).
    """
    old, new = measured(coordinates, before), measured(coordinates, after)
    if len(new) < 2 * new.shape[1]:
        raise TrainingError(
            f"fit_scales: too few pairs; expected at least {2 * new.shape[1]}, found {len(new)}; give longer"
            " trajectories."
        )
    soft = soft_dihedrals(coordinates, old, new)
    every = -(-len(new) // ENOUGH_PAIRS)
    old, new = old[::every].double(), new[::every].double()
    growth, remembered = (None if one is None else one[::every] for one in (growth, remembered))
    periodic = torch.arange(new.shape[1]) >= 2 * before.shape[1] - 3
    phasor = torch.exp(1j * new).mean(0)
    origin = torch.where(periodic, phasor.angle(), new.mean(0))
    origin = torch.where(soft, torch.zeros_like(origin), origin)
    change = change_of(old, new, origin, soft, periodic)
    if growth is not None:
        change = change / growth
    spread = change.std(0)
    kept = (spread > FIXED_SPREAD).nonzero()[:, 0]
    values, vectors = torch.linalg.eigh(torch.corrcoef(change[:, kept].T))
    whiten = torch.zeros(change.shape[1], len(kept), dtype=torch.float64)
    whiten[kept] = (vectors / values.sqrt() @ vectors.T) / spread[kept, None]
    unwhiten = torch.zeros(len(kept), change.shape[1], dtype=torch.float64)
    unwhiten[:, kept] = (vectors * values.sqrt() @ vectors.T) * spread[kept]
    past = change_of(old, old, origin, soft, periodic)
    product = past * (change - change.mean(0))
    covariance = (product if remembered is None else product[remembered]).mean(0)
    seen = ~soft & (spread > FIXED_SPREAD) & (covariance.abs() > REMEMBERED * spread**2)
    feature_scale = torch.where(seen, 1 / spread, torch.zeros_like(spread))
    numbers = (origin, change.mean(0), whiten, unwhiten, feature_scale)
    return ConformationScales(periodic, soft, *(number.float() for number in numbers))
