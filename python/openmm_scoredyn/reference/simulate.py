"""Reference molecular dynamics for training and evaluation, in several processes, restartable bit for bit."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

from openmm_scoredyn.data.atomic import make_directory
from openmm_scoredyn.data.frame_store import require_frames
from openmm_scoredyn.data.lock import exclusive
from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.structure import SOLVENT_RESIDUES, Structure, read_structure
from openmm_scoredyn.reference.engine import ReferenceEngine
from openmm_scoredyn.reference.lanes import Lanes
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.plan import SimulationPlan
from openmm_scoredyn.reference.pool import run_in_processes
from openmm_scoredyn.reference.preparation import claim, prepare, read_bias, read_box
from openmm_scoredyn.reference.solvents import VACUUM, computes_obc2_slowly, force_field_for
from openmm_scoredyn.reference.start import Start, make_start
from openmm_scoredyn.reference.system import build_reference_system
from openmm_scoredyn.reference.tasks import run_on_executor
from openmm_scoredyn.reference.worker import run_trajectory, trajectory_path

_LOGGER = logging.getLogger(__name__)


def simulate(
    structure: str | Path | Structure,
    plan: SimulationPlan,
    directory: str | Path,
    *,
    processes: int = 1,
    executor: Executor | None = None,
    bias: str | Path | None = None,
    box: str | Path | None = None,
    progress: Callable[[float, float], None] | None = None,
    stop: threading.Event | None = None,
) -> list[Path]:
    """Make the trajectories of a plan, or go on with those that an earlier call did not finish.

    Parameters
    ----------
    structure : file of the molecule alone, complete with hydrogens, or what `read_structure` gives; where
        `plan.physics.own_system` says so, with the parameters or the System that its files hold
    plan : SimulationPlan
    directory : output folder of `plan.json` and the stores `trajectory_0000.frames`, ..., which grow by
    chunks
    processes : trajectories made at a time; the results do not depend on it
    executor : of `concurrent.futures`, whose workers make the trajectories in place of processes here, for
        instance that of `dynamics.open_cluster`; the results do not depend on it. Workers on other machines
        need a directory that all of them share
    bias : file of the bias to shoot with, `bias.json` of an earlier simulation; None uses what lies in the
    folder under
        that name, or finds one
    box : file of the box of water to begin in, `box/box.npz` of an earlier simulation of the molecule; None
    uses what lies
        in the folder under that name, or sets one
    progress : called with (ps done, ps in all) of all copies, earlier calls included
    stop : for a call in a thread beside other work: trajectories are made in processes of their own, which
        end when it is set

    Returns
    -------
    list of Path, one store per trajectory, with its copies

    Raises
    ------
    TrajectoryError
        If the bias or the box cannot be read.
    SamplingError
        If a bias or a box is given that the plan has no use for, or a box of another system, or the force
        field does not make the solvent of the plan, or copies are to be simulated side by side whose forces
        `lanes.Lanes` does not know.
    MoleculeError
        If the structure cannot be read, the force field does not fit, or steering is asked of a molecule
        without phi and psi, or rotamers of one without rotatable torsions.
    OutputError
        If the folder cannot be written, another process writes it, or it holds trajectories of another plan,
        bias or box.
    Interrupted
        If `stop` was set; a later call goes on.
    ClusterError
        If the workers of the executor, or their scheduler, are gone.

    Notes
    -----
    A later call with more frames or segments, or more trajectories, goes on with those that are there.
    A run that was killed and restarted gives the same bytes as one that was not, on the platforms Reference,
    whose random numbers are part of the checkpoint, and CPU, where every chunk begins in a new context, and
    of copies side by side, where every chunk begins with random numbers of its own.
    On a GPU it goes on as well, but forces differ in their last bits from one context to the next. In water,
    `box/box.npz` holds the box that all trajectories of the folder begin in.
    """
    given_bias = read_bias(bias, plan)
    if not isinstance(structure, Structure):
        structure = read_structure(structure)
    start = make_start(structure, plan.physics)
    _check(start, plan)
    given_box = read_box(box, plan, start)
    directory = make_directory(directory)
    with exclusive(directory, "simulate"):
        claim(directory, plan, start)
        prepare(directory, plan, start, given_bias, given_box)
        add = _adder(plan, progress)
        if executor is not None:
            run_on_executor(executor, start, plan, directory, add)
        elif processes == 1 and stop is None:
            for index in range(plan.n_trajectories):
                run_trajectory(start, plan, directory, index, add, threading.Event())
        else:
            run_in_processes(start, plan, directory, processes, add, stop)
        paths = [trajectory_path(directory, index) for index in range(plan.n_trajectories)]
        for path in paths:
            require_frames(path, plan.frames_per_trajectory)
    return paths


def _check(start: Start, plan: SimulationPlan) -> None:
    """Make a context once, so that mistakes show before any process starts."""
    water = [
        residue.name for residue in start.topology.residues() if residue.name.upper() in SOLVENT_RESIDUES
    ]
    alone = len(water) == start.topology.getNumResidues() and not plan.physics.in_water
    if water and not (plan.physics.own_system or alone):
        raise MoleculeError(
            f"simulate: expected the molecule alone, found {len(water)} residues of water ({water[0]}) with"
            " it; leave them out (--strip); --solvent tip3p puts water around the molecule."
        )
    # Without the water, which would take its time.
    physics = replace(plan.physics, solvent=VACUUM) if plan.physics.makes_box else plan.physics
    rotamers = plan.steering == "rotamers"
    engine = ReferenceEngine(
        start.topology, start.positions, physics, seed=1, own=start.system, rotamers=rotamers
    )
    _say_if_slow(start, physics)
    if plan.side_by_side:
        Lanes(build_reference_system(start.topology, physics, start.system))
    residues = engine.residues
    if rotamers and not engine.steered:
        raise MoleculeError(
            "simulate: rotamers are those of torsions outside of rings; expected a molecule with one or more,"
            " found none; simulate without steering."
        )
    if plan.steering not in ("none", "rotamers") and not residues:
        raise MoleculeError(
            "simulate: steering needs a residue with phi and psi; expected backbone atoms C, N, CA, C, N,"
            " found none; simulate with --rotamers, or without steering."
        )
    if plan.steering == "shooting" and residues != 1:
        raise MoleculeError(
            f"simulate: paths are shot along one {plan.shot_torsion}; expected one residue with phi and psi,"
            f" found {residues}; simulate with --steered."
        )


def _say_if_slow(start: Start, physics: Physics) -> None:
    system = build_reference_system(start.topology, physics, start.system)
    if computes_obc2_slowly(system) and physics.platform == "Reference":
        _LOGGER.warning(
            "simulate: %s computes OBC2 with CustomGBForce; GBSAOBCForce does so 34 times faster on the"
            " platform Reference: --solvent 'implicit (OBC)' uses it, with the radii of %s.",
            ", ".join(physics.force_field),
            force_field_for("implicit")[1],
        )


def _adder(plan: SimulationPlan, progress):
    """Turn (trajectory, frames) into ps of all trajectories, for `progress`."""
    done: dict[int, float] = {}
    total = plan.n_trajectories * plan.copies * plan.simulated_ps(plan.frames_per_trajectory)

    def add(index: int, frames: int) -> None:
        done[index] = plan.copies * plan.simulated_ps(frames)
        if progress is not None:
            progress(sum(done.values()), total)

    return add
