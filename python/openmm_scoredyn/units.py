"""Physical constants, in the units of molecular dynamics, and times and temperatures as a user types them:
10ns, 0.5 us, 250ps, 4fs, 300K, with the unit or without.
"""

import math
import re

from openmm_scoredyn.errors import SamplingError

GAS_CONSTANT_KJ_PER_MOL_K = 8.31446261815324e-3
PICOSECONDS = {"fs": 1e-3, "ps": 1.0, "ns": 1e3, "us": 1e6, "ms": 1e9}


def parse_duration(text: str) -> float:
    """Picoseconds in a text such as "10ns"; a number alone is in ps.

    Raises
    ------
    SamplingError
        If it is not a positive number with one of the units, or without.
    """
    return _parse("Duration", text, PICOSECONDS, "ps", "10ns")


def parse_durations(text: str) -> tuple[float, float | None]:
    """The ends of a range such as "1ps:1ns", ps; of one duration, itself and None.

    Raises
    ------
    SamplingError
        As `parse_duration`.
    """
    first, colon, last = text.partition(":")
    return parse_duration(first), parse_duration(last) if colon else None


def parse_temperature(text: str) -> float:
    """Kelvin in a text such as "300K"; a number alone is in K.

    Raises
    ------
    SamplingError
        If it is not a positive number with that unit, or without.
    """
    return _parse("Temperature", text, {"K": 1.0}, "K", "300K")


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
