"""Motion of the molecule as a whole: rotational and translational diffusion, where the frames have any."""

from collections.abc import Sequence

import numpy as np

from openmm_scoredyn.comparison.blocks import Blocks
from openmm_scoredyn.comparison.bootstrap import Estimate, standard_error
from openmm_scoredyn.comparison.kinetics import PS_PER_NS
from openmm_scoredyn.data.trajectory import Trajectory
from openmm_scoredyn.molecule.geometry import backbone_torsions

LAG_PS = 10.0
# Where the molecule is after so long a time tells diffusion from a frame that is held.
LONG_PS = 500.0
# A molecule that tumbles in a liquid has forgotten its orientation by then; one that is superposed never
# does.
HELD_ORIENTATION = 0.5
TRANSLATION, ROTATION = "diffusion of the centre", "rotational correlation time"
NOT_MODELLED = Estimate(float("nan"), float("nan"), 0.0)


def tumbling(trajectories: Sequence[Trajectory], blocks: Blocks, seed: int = 0) -> dict[str, Estimate]:
    """Apparent diffusion coefficient (nm^2/ns) and rotational correlation time (ps), both from displacements
    in 10 ps.

    Parameters
    ----------
    trajectories : unsteered, of one peptide and spacing
    blocks : of all their segments, one after the other

    Returns
    -------
    dict of Estimate; `NOT_MODELLED`, whose value is NaN, where the frames are held in place or superposed

    Notes
    -----
    Translation: mean squared displacement of the centroid over 6 t. Rotation: the frame of N, CA and C keeps
    <trace R>/3 = exp(-t / tau_1) of its orientation.
    """
    spacing = trajectories[0].frame_spacing_ps
    segments = [segment for trajectory in trajectories for segment in trajectory.segments]
    longest = max(blocks.lengths) - 1
    lag = min(max(1, round(LAG_PS / spacing)), longest)
    far = min(max(lag, round(LONG_PS / spacing)), longest)
    centre = np.concatenate([segment.mean(axis=1, dtype=np.float64) for segment in segments])
    _, n, ca, c = backbone_torsions(trajectories[0].molecule)[0][0]
    axes = np.concatenate([_frames(segment[:, [n, ca, c]].astype(np.float64)) for segment in segments])
    return {
        TRANSLATION: _translation(centre, blocks, lag, far, spacing, seed),
        ROTATION: _rotation(axes, blocks, lag, far, spacing, seed),
    }


def _frames(triangle: np.ndarray) -> np.ndarray:
    """Right-handed orthonormal axes of three atoms (T, 3, 3), (T, 3 axes, 3)."""
    first = triangle[:, 2] - triangle[:, 0]
    first /= np.linalg.norm(first, axis=-1, keepdims=True)
    third = np.cross(first, triangle[:, 1] - triangle[:, 0])
    third /= np.linalg.norm(third, axis=-1, keepdims=True)
    return np.stack([first, np.cross(third, first), third], axis=1)


def _translation(
    centre: np.ndarray, blocks: Blocks, lag: int, far: int, spacing_ps: float, seed: int
) -> Estimate:
    def moved(frames: int) -> tuple[np.ndarray, np.ndarray]:
        earlier, later = blocks.lagged_pairs(frames)
        return later, ((centre[later] - centre[earlier]) ** 2).sum(axis=1)

    later, squared = moved(lag)
    # Diffusion grows with time, the wobble of a molecule that is held does not: the middle of the two tells
    # them apart.
    if moved(far)[1].mean() <= np.sqrt(far / lag) * squared.mean():
        return NOT_MODELLED
    to_coefficient = PS_PER_NS / (6.0 * lag * spacing_ps)
    (value,), (error,) = standard_error(
        blocks.sums_at(later, squared), lambda s: to_coefficient * s[..., :1] / s[..., 1:], blocks, seed
    )
    return Estimate(float(value), float(error), float(len(later) / lag))


def _rotation(axes: np.ndarray, blocks: Blocks, lag: int, far: int, spacing_ps: float, seed: int) -> Estimate:
    def kept(frames: int) -> tuple[np.ndarray, np.ndarray]:
        earlier, later = blocks.lagged_pairs(frames)
        return later, np.einsum("tij,tij->t", axes[earlier], axes[later]) / 3.0

    if kept(far)[1].mean() > HELD_ORIENTATION:
        return NOT_MODELLED
    later, cosine = kept(lag)
    (value,), (error,) = standard_error(
        blocks.sums_at(later, cosine),
        lambda s: -lag * spacing_ps / np.log(s[..., :1] / s[..., 1:]),
        blocks,
        seed,
    )
    return Estimate(float(value), float(error), float(len(later) / lag))
