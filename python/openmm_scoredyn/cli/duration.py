"""Lengths of time as a user types them: 10ns, 0.5 us, 250ps, 4fs."""

import math
import re

from openmm_scoredyn.errors import SamplingError

_PICOSECONDS = {"fs": 1e-3, "ps": 1.0, "ns": 1e3, "us": 1e6, "ms": 1e9}


def parse_duration(text: str) -> float:
    """Picoseconds in a text such as "10ns".

    Raises
    ------
    SamplingError
        If it is not a positive number with a unit.
    """
    match = re.fullmatch(r"\s*([0-9.eE+-]+)\s*(fs|ps|ns|us|ms)\s*", text)
    try:
        value = float(match[1]) * _PICOSECONDS[match[2]] if match else math.nan
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise SamplingError(
            f"Duration: expected a positive number with a unit (fs, ps, ns, us, ms), found {text!r}; write"
            " for instance 10ns."
        )
    return value


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
        if picoseconds >= _PICOSECONDS[unit]:
            return f"{picoseconds / _PICOSECONDS[unit]:.4g} {unit}"
    return f"{picoseconds:.4g} ps"
