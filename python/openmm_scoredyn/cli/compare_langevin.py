"""The side of `scoredyn compare` that is run on the spot: Langevin dynamics."""

from dataclasses import dataclass
from pathlib import Path

from openmm_scoredyn.cli.options import refuse_without_effect
from openmm_scoredyn.units import parse_duration


@dataclass(frozen=True)
class LangevinOptions:
    """Options of the Langevin side as they were typed, None where they were not; times as text, friction in
    1/ps.
    """

    system: Path | None = None
    integrator: str | None = None
    length: str | None = None
    wall_seconds: float | None = None
    friction: float | None = None
    timestep: str | None = None

    def refuse_any(self) -> None:
        """Raise `SamplingError` if one was given: both sides are trajectories."""
        given = {name.replace("_", "-"): value for name, value in vars(self).items()}
        refuse_without_effect(
            "compare",
            given,
            "these are of a Langevin side, and both sides were given",
            "give --langevin, or leave them out",
        )

    def require_one_limit(self) -> None:
        """Raise `SamplingError` unless a length or a wall time was given, and not both."""
        from openmm_scoredyn.reference.langevin import require_one_limit

        require_one_limit(self.length, self.wall_seconds)

    @property
    def name(self) -> str:
        """Of the integrator."""
        return self.integrator or "LangevinMiddleIntegrator"

    @property
    def physics(self) -> dict:
        """What of `LangevinRun` was given."""
        values = {
            "friction_per_ps": self.friction,
            "timestep_fs": None if self.timestep is None else 1000 * parse_duration(self.timestep),
        }
        return {name: value for name, value in values.items() if value is not None}


def langevin_side(structure: Path, options: LangevinOptions, other, temperature: float | None, seed: int):
    """Run Langevin dynamics of `structure` with the frames of the other side.

    Parameters
    ----------
    other : Side of the candidate
    temperature : K, None for that of the other side

    Returns
    -------
    its Trajectory, and speed in ps/s
    """
    from openmm_scoredyn.cli.progress import time_progress
    from openmm_scoredyn.reference.langevin import LangevinRun, run_langevin

    run = LangevinRun(
        structure,
        options.system,
        options.name,
        temperature_K=temperature or other.temperature_K or 300.0,
        frame_spacing_ps=other.frame_spacing_ps,
        atoms=len(other.particles),
        seed=seed,
        **options.physics,
    )
    length_ps = parse_duration(options.length) if options.length else None
    with time_progress(options.name) as progress:
        return run_langevin(run, length_ps=length_ps, wall_s=options.wall_seconds, progress=progress)
