"""Times of a run: how many steps they are, and how they are written."""

from collections.abc import Callable

from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.units import PICOSECONDS, parse_duration


def optional(parse: Callable[[str], float], text: str | None) -> float | None:
    """What `parse` makes of a text; None where an option was not given."""
    return None if text is None else parse(text)


def steps_of(duration: str, lag_time_ps: float) -> int:
    """Number of steps of a model in a time such as "10ns".

    Raises
    ------
    SamplingError
        If the time is not a multiple of the model's step.
    """
    steps = parse_duration(duration) / lag_time_ps
    if round(steps) < 1 or abs(steps - round(steps)) > 1e-6 * steps:
        raise SamplingError(
            f"Duration: times must be multiples of the model's step; expected a multiple of {lag_time_ps:g}"
            f" ps, found {duration}; change it."
        )
    return round(steps)


def format_duration(picoseconds: float) -> str:
    """The shortest usual way to write a time."""
    for unit in ("us", "ns", "ps"):
        if picoseconds >= PICOSECONDS[unit]:
            return f"{picoseconds / PICOSECONDS[unit]:.4g} {unit}"
    return f"{picoseconds:.4g} ps"
