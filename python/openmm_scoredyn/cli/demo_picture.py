"""The picture of the demo: what each way of moving the molecule sees in the same wall-clock time."""

import numpy as np

from openmm_scoredyn.cli.duration import format_duration
from openmm_scoredyn.comparison.distribution import free_energy
from openmm_scoredyn.comparison.plots import CANDIDATE_COLOUR, REFERENCE_COLOUR, TICKS
from openmm_scoredyn.comparison.plots_maps import HIGHEST_KJ_PER_MOL
from openmm_scoredyn.figures import as_png, styled_figure

BINS = 50


def same_wall_time(fast, slow, histogram: np.ndarray, temperature_K: float) -> bytes:
    """PNG of two trajectories, each as far as it came in the wall time of the shorter run.

    Parameters
    ----------
    fast, slow : (name, angles (T, 2) rad, ps_per_s) of one frame per ps
    histogram : (BINS, BINS) counts of the reference, phi first, drawn behind both
    """
    seconds = min(len(angles) / speed for _, angles, speed in (fast, slow))
    with styled_figure((11.6, 7.4)) as figure:
        panels = figure.subplot_mosaic(
            [["fast map", "slow map"], ["fast", "fast"], ["slow", "slow"]], height_ratios=(3.4, 1, 1)
        )
        for key, colour, (name, angles, speed) in (
            ("fast", CANDIDATE_COLOUR, fast),
            ("slow", REFERENCE_COLOUR, slow),
        ):
            degrees = np.degrees(angles[: max(2, int(seconds * speed))])
            _map(panels[f"{key} map"], degrees, colour, free_energy(histogram, temperature_K))
            panels[f"{key} map"].set_title(
                f"{name}\n{seconds:.0f} s of wall time: {format_duration(len(degrees))}"
            )
            _series(panels[key], np.arange(len(degrees)) / speed, degrees, colour, seconds)
        panels["slow"].set_xlabel("wall time (s)")
        return as_png(figure)


def _map(axis, degrees: np.ndarray, colour: str, energy: np.ndarray) -> None:
    axis.imshow(
        energy.T,
        origin="lower",
        extent=(-180, 180, -180, 180),
        cmap="Greys_r",
        # Half of the grey scale: the points must stand out.
        vmin=-1.2 * HIGHEST_KJ_PER_MOL,
        vmax=HIGHEST_KJ_PER_MOL,
    )
    few = len(degrees) < 300
    axis.plot(*degrees.T, ".", color=colour, ms=5 if few else 2, alpha=0.9 if few else 0.5, mew=0)
    axis.set(xlim=(-180, 180), ylim=(-180, 180), xticks=TICKS, yticks=TICKS)
    axis.set(xlabel=r"$\phi$ (degrees)", ylabel=r"$\psi$ (degrees)")


def _series(axis, seconds: np.ndarray, degrees: np.ndarray, colour: str, end: float) -> None:
    few = len(degrees) < 300
    axis.plot(seconds, degrees[:, 1], ".", color=colour, ms=5 if few else 2, mew=0)
    axis.set(xlim=(0, end), ylim=(-180, 180), yticks=(-180, 0, 180), ylabel=r"$\psi$ (degrees)")
