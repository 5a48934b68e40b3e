"""What lies beside a trajectory of `scoredyn run` and says what the trajectory itself does not, and whether
what a user gives agrees with it.
"""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from openmm_scoredyn.errors import TrajectoryError


@dataclass(frozen=True)
class Sidecar:
    """Topology, frame spacing and temperature of a run, each None where nothing says it."""

    topology: Path | None = None
    frame_spacing_ps: float | None = None
    temperature_K: float | None = None


def read_sidecar(path: Path) -> Sidecar:
    """The sidecar of a trajectory NAME.dcd or NAME.xtc: NAME.topology.pdb and NAME.restart; an empty one
    where they are not there or not of `scoredyn run`.
    """
    topology = path.with_suffix(".topology.pdb")
    try:
        with np.load(path.with_suffix(".restart"), allow_pickle=False) as archive:
            identity = json.loads(str(archive["state"]))["identity"]
        spacing_ps = float(identity["save_every"] * identity["step_ps"])
        temperature_K = float(identity["temperature_K"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return Sidecar()
    return Sidecar(topology if topology.is_file() else None, spacing_ps, temperature_K)


def require_agreement(path: Path, what: str, given: float | None, found: float | None) -> None:
    """A value that the user gives and the file contradicts is a mistake in one of them."""
    if given is None or found is None or abs(given - found) <= 1e-4 * abs(found):
        return
    unit = "K" if what == "temperature" else "ps"
    raise TrajectoryError(
        f"Trajectory: the {what} given contradicts {path}; expected {found:g} {unit}, as the file says, found"
        f" {given:g} {unit}; leave it out."
    )
