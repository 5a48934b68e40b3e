"""Validation by short rollouts: does the averaged network, sampled as a user would, stay on the held-out
distribution?
"""

from pathlib import Path

import lightning
import numpy as np
import torch

from openmm_scoredyn.data import Trajectory
from openmm_scoredyn.divergence import jensen_shannon
from openmm_scoredyn.errors import ScoreDynError
from openmm_scoredyn.export import export_program
from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates
from openmm_scoredyn.program.card import Card
from openmm_scoredyn.program.model import ScoreModel

REPLICAS, STEPS, BINS = 64, 200, 36
NATS_PER_BIT = float(np.log(2))


class RolloutValidation(lightning.Callback):
    """After each validation, draws `STEPS` steps of `REPLICAS` replicas and logs two numbers.

    `rollout_rejected_draws_per_step`: proposals the guard rejected, per step. `rollout_dihedral_jsd`:
    Jensen-Shannon divergence (natural logarithm) between the dihedrals of the rollout and those of the
    held-out frames as far from the same starts, averaged over all dihedrals of the molecule. A rollout that
    fails logs a divergence of ln 2, the greatest possible.

    Parameters
    ----------
    network : in training, bound to the molecule of the card
    held_out : trajectories that are not trained on; segments of at least `STEPS` lag times are used
    card : of the network in training
    directory : where the program under test is written, `rollout.pt`
    """

    def __init__(self, network, held_out: list[Trajectory], card: Card, directory: Path):
        self.network = network
        segments = [segment for trajectory in held_out for segment in trajectory.segments]
        stride = max(1, round(card.lag_time_ps / held_out[0].frame_spacing_ps))
        long = [segment[::stride] for segment in segments if len(segment) > STEPS * stride]
        self.card, self.path = card, Path(directory) / "rollout.pt"
        self.usable = bool(long) and card.capabilities.history_length == 1 and _has_dihedrals(card.particles)
        if self.usable:
            starts = [(s, t) for s, segment in enumerate(long) for t in range(0, len(segment) - STEPS, STEPS)]
            chosen = np.linspace(0, len(starts) - 1, REPLICAS).astype(int)
            self.starts = np.stack([long[s][t] for s, t in (starts[i] for i in chosen)])
            reference = np.concatenate(
                [long[s][t + 1 : t + 1 + STEPS] for s, t in (starts[i] for i in chosen)]
            )
            self.histogram = self._histogram(reference)

    def on_validation_epoch_end(self, trainer, module):
        """Export the network, sample it, log; the averaged weights are still in place."""
        if not self.usable:
            return
        export_program(self.network.eval(), self.path, self.card, module.parametrization)
        self.network.train()
        model = ScoreModel(self.path)
        try:
            frames = model.sample(self.starts, STEPS, seed=1)
            found = self._histogram(frames.reshape(-1, *self.starts.shape[1:]))
            bits = float(jensen_shannon(found, self.histogram).mean())
        except ScoreDynError:
            bits = 1.0
        rejected = model.num_rejected_draws / (REPLICAS * STEPS)
        trainer.logger.log_metrics(
            {"rollout_rejected_draws_per_step": rejected, "rollout_dihedral_jsd": bits * NATS_PER_BIT},
            step=trainer.global_step,
        )

    def _histogram(self, positions: np.ndarray) -> np.ndarray:
        """Normalised histograms (dihedrals, BINS) of positions (T, N, 3) nm."""
        atoms = positions.shape[1]
        measured = InternalCoordinates(self.card.particles)(torch.from_numpy(positions))[
            :, 2 * atoms - 3 :
        ].numpy()
        return np.stack([np.histogram(d, BINS, (-np.pi, np.pi))[0] / len(d) for d in measured.T])


def _has_dihedrals(particles) -> bool:
    return len(particles) >= 4 and len(particles.parts) == 1
