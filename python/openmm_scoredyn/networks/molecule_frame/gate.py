"""Which rare events there are, and how probable one is within the next lag time, given the conformation."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from openmm_scoredyn.molecule.geometry import backbone_torsions, dihedral_angles
from openmm_scoredyn.molecule.particles import Particles

# Between the barriers of phi of an L-amino acid. Where exactly the cuts lie does not matter: what is on
# either side is learnt, and a better cut only makes it easier.
LEFT_HANDED_PHI_RAD = (0.0, np.radians(125.0))
# A turn of psi beyond these leads from one basin into another without a stop between them. The threshold of a
# pair is spread evenly between the two: a sharp one leaves an edge in the density of turns and in that of the
# rest, and a network draws too little on either side of an edge. Any rule, random ones included, parts p(y|x)
# into two that add up to it.
FAR_PSI_RAD = np.radians((70.0, 130.0))
EVENTS = 2
_WIDTH = 64


class EventGate(nn.Module):
    """ln of the probability of the event, from features (B, F) of the condition, in three parts.

    Pairs from a biased ensemble, each with its weight, show the event far too often; P(event|x) follows from
    what they show by Bayes' rule. `estimates` gives (B, 3): the log odds of the event among the pairs that
    begin at x, weights aside, and the logarithms of the mean weight of those with the event and of those
    without. Each is of ordinary size even where P is 10^-6.
    """

    def __init__(self, features: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(features, _WIDTH), nn.SiLU(), nn.Linear(_WIDTH, _WIDTH), nn.SiLU(), nn.Linear(_WIDTH, 3)
        )

    def forward(self, features: Tensor) -> Tensor:
        """ln P (B, 1)."""
        odds, event, still = self.estimates(features).unbind(1)
        return functional.logsigmoid(odds + event - still)[:, None]

    def estimates(self, features: Tensor) -> Tensor:
        """Log odds among the pairs, log mean weight with and without event, (B, 3)."""
        return self.layers(features)


def rare_events(molecule: Particles, before: Tensor, after: Tensor) -> Tensor:
    """What happened between positions (P, N, 3), nm, one lag time apart: (P, 2) bool, at most one of them
    true.

    The first event is that some phi goes over a barrier, the second that otherwise some psi turns far, for
    which every pair has a threshold of its own.
    """
    torsions = backbone_torsions(molecule)
    phi, psi = (
        [dihedral_angles(x.numpy(), np.array(atoms)) for x in (before, after)] for atoms in zip(*torsions)
    )
    low, high = LEFT_HANDED_PHI_RAD
    sides = [(low < angle) & (angle < high) for angle in phi]
    over = (sides[0] != sides[1]).any(1)
    turn = np.abs((psi[1] - psi[0] + np.pi) % (2 * np.pi) - np.pi)
    nearest, farthest = FAR_PSI_RAD
    threshold = nearest + (farthest - nearest) * low_digits(turn)
    return torch.from_numpy(np.stack([over, (turn > threshold).any(1) & ~over], axis=1))


def low_digits(angle: np.ndarray) -> np.ndarray:
    """Numbers from 0 to 1 that look random and belong to angles (radians): a pair gets the same label
    wherever it is asked for.
    """
    return np.modf(angle * 1e4)[0]
