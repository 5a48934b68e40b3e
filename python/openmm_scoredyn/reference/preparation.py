"""What all trajectories of a folder share, made or checked once: the plan, the box of water, the bias."""

import json
import logging
from pathlib import Path

import numpy as np

from openmm_scoredyn.data.atomic import make_directory, write_text_atomically
from openmm_scoredyn.errors import OutputError, SamplingError
from openmm_scoredyn.reference.bias import TorsionBias, find_bias
from openmm_scoredyn.reference.plan import SimulationPlan
from openmm_scoredyn.reference.pressure import make_box
from openmm_scoredyn.reference.shooting import shot_torsion
from openmm_scoredyn.reference.solvation import SolvatedBox
from openmm_scoredyn.reference.start import Start
from openmm_scoredyn.reference.worker import bias_path, box_path

_LOGGER = logging.getLogger(__name__)

_PLAN = "plan.json"


def claim(directory: Path, plan: SimulationPlan, start: Start) -> None:
    """Write plan.json, or check that ours goes on with the one there: trajectories of two plans must not mix.

    Parameters
    ----------
    start : Start, what every trajectory begins from

    Raises
    ------
    OutputError
        If the folder holds another plan.
    """
    import openmm

    # A checkpoint is only good for the OpenMM that wrote it; the structure is the start of every trajectory.
    ours = plan.to_dict() | {
        "structure_sha256": start.sha256,
        "openmm_version": openmm.Platform.getOpenMMVersion(),
    }
    ours = json.loads(json.dumps(ours))
    path = directory / _PLAN
    if path.exists():
        try:
            found = json.loads(path.read_text())
        except (OSError, ValueError):
            found = {}
        _require_same_plan(directory, plan, ours, found)
    write_text_atomically(path, json.dumps(ours, indent=1) + "\n")


def stored_seed(directory: Path) -> int | None:
    """The seed of the simulation in a folder; None where there is none, or its plan cannot be read."""
    try:
        return int(json.loads((directory / _PLAN).read_text())["seed"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _require_same_plan(directory: Path, plan: SimulationPlan, ours: dict, found: dict) -> None:
    """The plan of the folder, or one that goes on: with more trajectories, or longer ones."""
    for key in sorted(ours | found):
        grows = key in ("n_trajectories", plan.grows_by) and isinstance(found.get(key), int)
        if ours.get(key) == found.get(key) or (grows and ours[key] > found[key]):
            continue
        if grows:
            raise OutputError(
                f"simulate: {directory} holds more; expected {key} of at least {found[key]}, found"
                f" {ours[key]};"
                " ask for that or more, or use another folder."
            )
        raise OutputError(
            f"simulate: {directory} holds another simulation; expected {key} {ours.get(key)}, found"
            f" {found.get(key)}; use another folder or the same settings."
        )


def read_bias(path: str | Path | None, plan: SimulationPlan) -> TorsionBias | None:
    """The bias a user gives, checked before any work."""
    if path is None:
        return None
    if plan.steering != "shooting":
        raise SamplingError(
            f"simulate: a bias is for shooting; expected steering shooting, found {plan.steering}; leave the"
            " bias out."
        )
    return TorsionBias.load(Path(path))


def read_box(path: str | Path | None, plan: SimulationPlan, start: Start) -> SolvatedBox | None:
    """The box a user gives, checked before any work."""
    if path is None:
        return None
    if not plan.physics.makes_box:
        raise SamplingError(
            f"simulate: a box is for water; expected solvent tip3p, found {plan.physics.solvent}; leave the"
            " box out."
        )
    box = SolvatedBox.load(Path(path))
    topology = start.topology
    if box.copies != plan.copies or box.topology(topology).getNumAtoms() != len(box.positions):
        raise SamplingError(
            f"simulate: {path} is the box of another system; expected {plan.copies} times the molecule of"
            f" {topology.getNumAtoms()} atoms and its water, found {box.copies} with {len(box.positions)}"
            f" atoms in all and {len(box.residues)} residues around; give another box, or none to set one."
        )
    return box


def prepare(
    directory: Path,
    plan: SimulationPlan,
    start: Start,
    bias: TorsionBias | None = None,
    box: SolvatedBox | None = None,
) -> None:
    """Make the box of water and the bias, where they are needed and not there yet.

    Parameters
    ----------
    start : Start, what every trajectory begins from
    bias : to shoot with; None to use what lies in the folder, or to find one
    box : to begin in; None to use what lies in the folder, or to set one

    Raises
    ------
    OutputError
        If the folder holds another bias or box than the one given.
    """
    if (
        box is not None
        and box_path(directory).exists()
        and not SolvatedBox.load(box_path(directory)).equals(box)
    ):
        raise OutputError(
            f"simulate: {directory} holds trajectories of another box; expected that of"
            f" {box_path(directory)}, found a different one; use another folder or leave the box out."
        )
    if bias is not None and bias_path(directory).exists() and TorsionBias.load(bias_path(directory)) != bias:
        raise OutputError(
            f"simulate: {directory} holds paths shot with another bias; expected that of"
            f" {bias_path(directory)}, found a different one; use another folder or leave the bias out."
        )
    if bias is not None:
        bias.save(bias_path(directory))
    if plan.physics.makes_box and not box_path(directory).exists():
        make_directory(box_path(directory).parent)
        (box or _make_box(start, plan)).save(box_path(directory))
    if plan.steering == "shooting" and not bias_path(directory).exists():
        _find_bias(start, plan, directory).save(bias_path(directory))


def _make_box(start: Start, plan: SimulationPlan) -> SolvatedBox:
    _LOGGER.info(
        "Setting the box at %g bar, %g ps, once for this folder.",
        plan.physics.pressure_bar,
        plan.physics.npt_ps,
    )
    box = make_box(start.topology, start.positions, plan.physics, plan.copies, _seed(plan))
    _LOGGER.info(
        "The box from now on: %.3f nm^3, %d atoms.", abs(np.linalg.det(box.vectors)), len(box.positions)
    )
    return box


def _find_bias(start: Start, plan: SimulationPlan, directory: Path) -> TorsionBias:
    topology, positions = start.topology, start.positions
    torsion = shot_torsion(topology, plan)
    if plan.physics.makes_box:
        box = SolvatedBox.load(box_path(directory))
        topology, positions = box.topology(topology), box.positions
    _LOGGER.info(
        "Finding the bias along %s, by metadynamics, once; this takes %s.",
        plan.shot_torsion,
        "a quarter of an hour or more in water" if plan.physics.in_water else "a minute or two",
    )
    return find_bias(topology, positions, plan.physics, torsion, _seed(plan), start.system)


def _seed(plan: SimulationPlan) -> int:
    return plan.seed % (2**31 - 1) + 1
