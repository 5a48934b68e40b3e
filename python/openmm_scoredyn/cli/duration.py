"""Times and temperatures as a user types them: 10ns, 0.5 us, 250ps, 4fs, 300K, with the unit or without."""

import math
import re
from collections.abc import Callable

from openmm_scoredyn.errors import SamplingError

_PICOSECONDS = {"fs": 1e-3, "ps": 1.0, "ns": 1e3, "us": 1e6, "ms": 1e9}


def parse_duration(text: str) -> float:
    """Picoseconds in a text such as "10ns"; a number alone is in ps.

    Raises
    ------
    SamplingError
        If it is not a positive number with one of the units, or without.
    """
    return _parse("Duration", text, _PICOSECONDS, "ps", "10ns")


def parse_temperature(text: str) -> float:
    """Kelvin in a text such as "300K"; a number alone is in K.

    Raises
    ------
    SamplingError
        If it is not a positive number with that unit, or without.
    """
    return _parse("Temperature", text, {"K": 1.0}, "K", "300K")


def optional(parse: Callable[[str], float], text: str | None) -> float | None:
    """What `parse` makes of a text; None where an option was not given."""
    return None if text is None else parse(text)


def _parse(what: str, text: str, units: dict[str, float], default: str, example: str) -> float:
    match = re.fullmatch(rf"\s*([0-9.eE+-]+?)\s*({'|'.join(units)})?\s*", text)
    try:
        value = float(match[1]) * units[match[2] or default] if match else math.nan
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise SamplingError(
            f"{what}: expected a positive number with a unit ({', '.join(units)}) or in {default} without,"
            f" found {text!r}; write for instance {example}."
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
