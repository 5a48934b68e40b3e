"""What is compared of a chain: numbers of molecular dynamics and of a model, with their errors."""

import numpy as np
from trajectories import KT_KJ_MOL, TAU_PS, load

from openmm_scoredyn.data import frames_per_lag
from openmm_scoredyn.observables.chains import ChainOfBeads

NO_BOX = np.zeros((1, 3, 3))
LEAST_CORRELATION = 0.05  # where the integral of an autocorrelation ends
FAR = 20  # steps, over which diffusion is measured
QUANTILES = np.linspace(0.005, 0.995, 100)


class Numbers:
    """Numbers of trajectories of one chain, lag by lag.

    Attributes
    ----------
    rg2 : (T, R), nm^2, squared radius of gyration of the beads
    bonds, nexts : (T, R, n), nm, distances of beads one and two bonds apart
    centre : (T, R, 3), nm
    """

    def __init__(self, particles, positions: np.ndarray):
        observable = ChainOfBeads.of(particles, False)
        frames, replicas = positions.shape[:2]
        values = observable.features(positions.reshape(-1, *positions.shape[2:]), NO_BOX)
        values = values.reshape(frames, replicas, -1)
        beads = len(particles)
        self.rg2 = values[:, :, 0]
        self.bonds, self.nexts, self.centre = (
            values[:, :, -3 - (beads - 2) - (beads - 1) : -3 - (beads - 2)],
            values[:, :, -3 - (beads - 2) : -3],
            values[:, :, -3:],
        )

    def relaxations(self, frames: int) -> np.ndarray:
        """Integrated correlation times of Rg^2, steps, of all pieces of so many frames, each about its own
        mean.

        A piece of few relaxation times gives too short a time: compare only with pieces as long.
        """
        frames = min(frames, len(self.rg2))
        kept = self.rg2[: len(self.rg2) // frames * frames]
        return np.array([correlation_time(piece) for piece in kept.T.reshape(-1, frames)])

    def diffusion(self) -> float:
        """Of the centre of mass, nm^2 a step."""
        moved = self.centre[FAR:] - self.centre[:-FAR]
        return float((moved**2).sum(axis=2).mean() / (6 * FAR))


def correlation_time(series: np.ndarray) -> float:
    """Integrated correlation time (T,), steps; 0.5 of numbers that know nothing of each other."""
    deviation = series - series.mean()
    total = 0.5
    for lag in range(1, len(deviation) // 3):
        correlation = (deviation[:-lag] * deviation[lag:]).mean() / (deviation**2).mean()
        if correlation < LEAST_CORRELATION:
            break
        total += correlation
    return total


def error_of_mean(values: np.ndarray) -> float:
    """Standard error of the mean of (T, R): over replicas, or over ten blocks of a single one."""
    parts = values.T if values.shape[1] > 1 else np.array_split(values, 10)
    means = [part.mean() for part in parts]
    return float(np.std(means, ddof=1) / len(means) ** 0.5)


def earth_movers(one: np.ndarray, other: np.ndarray) -> float:
    """Earth mover's distance of two sets of numbers, from quantiles."""
    return float(np.abs(np.quantile(one, QUANTILES) - np.quantile(other, QUANTILES)).mean())


def dynamics(name: str, group: int, lag_tau: float) -> tuple[Numbers, np.ndarray, object]:
    """Numbers of the committed trajectory at the spacing of a step, its frames, and its beads."""
    trajectory = load(name, group)
    stride = frames_per_lag(trajectory.frame_spacing_ps, lag_tau * TAU_PS)
    frames = trajectory.positions[::stride]
    return Numbers(trajectory.molecule, frames[:, None]), frames, trajectory.molecule


def free_diffusion_nm2_per_ps(mass_amu: float, friction_per_ps: float) -> float:
    """kT / (M gamma)."""
    return KT_KJ_MOL / (mass_amu * friction_per_ps)


def against(md: Numbers, model: Numbers, free_nm2_a_step: float, equal_cost_steps: float) -> dict:
    """Both sides of one chain, as ratios and distances; see the table of docs/reports/polymers.md."""
    mean = float(md.rg2.mean())
    half = len(md.rg2) // 2
    pieces = max(2, round(len(md.rg2) / max(1.0, equal_cost_steps)))
    relaxations = model.relaxations(len(md.rg2))
    short = [piece.mean() for piece in np.array_split(md.rg2, pieces)]
    return {
        "rg2_nm2": mean,
        "rg2_error": error_of_mean(md.rg2) / mean,
        "rg2_ratio": float(model.rg2.mean()) / mean,
        "rg2_ratio_error": error_of_mean(model.rg2) / mean,
        "rg2_spread_ratio": float(model.rg2.std() / md.rg2.std()),
        "emd": earth_movers(md.rg2, model.rg2) / mean,
        "emd_halves": earth_movers(md.rg2[:half], md.rg2[half:]) / mean,
        "md_steps": len(md.rg2),
        "relaxation_md_steps": float(md.relaxations(len(md.rg2))[0]),
        "relaxation_model_steps": float(relaxations.mean()),
        "relaxation_spread": float(relaxations.std(ddof=1)),
        "bond_mean_ratio": float(model.bonds.mean() / md.bonds.mean()),
        "bond_spread_ratio": spread(model.bonds) / spread(md.bonds),
        "next_mean_ratio": float(model.nexts.mean() / md.nexts.mean()),
        "next_spread_ratio": spread(model.nexts) / spread(md.nexts),
        "diffusion_ratio": model.diffusion() / free_nm2_a_step,
        "diffusion_md_ratio": md.diffusion() / free_nm2_a_step,
        "equal_cost_error": float(np.sqrt(np.mean((np.array(short) / mean - 1) ** 2))),
    }


def spread(lengths: np.ndarray) -> float:
    """Standard deviation of each distance about its own mean, averaged (T, R, n)."""
    return float(lengths.std(axis=(0, 1)).mean())
