"""Reference molecular dynamics for training and evaluation, in several processes, restartable bit for bit."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from openmm_scoredyn.data.atomic import make_directory
from openmm_scoredyn.data.frame_store import require_frames
from openmm_scoredyn.data.lock import exclusive
from openmm_scoredyn.errors import MoleculeError, TrajectoryError
from openmm_scoredyn.molecule.structure import SOLVENT_RESIDUES
from openmm_scoredyn.reference.engine import ReferenceEngine
from openmm_scoredyn.reference.plan import SimulationPlan
from openmm_scoredyn.reference.pool import run_in_processes
from openmm_scoredyn.reference.preparation import claim, prepare, read_bias, read_box
from openmm_scoredyn.reference.solvents import VACUUM
from openmm_scoredyn.reference.worker import run_trajectory, trajectory_path


def simulate(
    structure: str | Path,
    plan: SimulationPlan,
    directory: str | Path,
    *,
    processes: int = 1,
    bias: str | Path | None = None,
    box: str | Path | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> list[Path]:
    """Make the trajectories of a plan, or go on with those that an earlier call did not finish.

    Parameters
    ----------
    structure : PDB file of the molecule alone, complete with hydrogens
    plan : SimulationPlan
    directory : output folder of `plan.json` and the stores `trajectory_0000.frames`, ..., which grow by
    chunks
    processes : trajectories made at a time; the results do not depend on it
    bias : file of the bias to shoot with, `bias.json` of an earlier simulation; None uses what lies in the
    folder under
        that name, or finds one
    box : file of the box of water to begin in, `box/box.npz` of an earlier simulation of the molecule; None
    uses what lies
        in the folder under that name, or sets one
    progress : called with (ps done, ps in all) of all copies, earlier calls included

    Returns
    -------
    list of Path, one store per trajectory, with its copies

    Raises
    ------
    TrajectoryError
        If the structure, the bias or the box cannot be read.
    SamplingError
        If a bias or a box is given that the plan has no use for, or a box of another system, or the force
        field does not make the solvent of the plan.
    MoleculeError
        If the force field does not fit, or steering is asked of a molecule without phi and psi.
    OutputError
        If the folder cannot be written, another process writes it, or it holds trajectories of another plan,
        bias or box.

    Notes
    -----
    A later call with more frames or segments, or more trajectories, goes on with those that are there.
    A run that was killed and restarted gives the same bytes as one that was not, on the platforms Reference,
    whose random numbers are part of the checkpoint, and CPU, where every chunk begins in a new context.
    On a GPU it goes on as well, but forces differ in their last bits from one context to the next. In water,
    `box/box.npz` holds the box that all trajectories of the folder begin in.
    """
    given_bias = read_bias(bias, plan)
    text = _read_structure(structure, plan)
    given_box = read_box(box, plan, text)
    directory = make_directory(directory)
    with exclusive(directory, "simulate"):
        claim(directory, plan, text)
        prepare(directory, plan, text, given_bias, given_box)
        add = _adder(plan, progress)
        if processes == 1:
            for index in range(plan.n_trajectories):
                run_trajectory(text, plan, directory, index, add, threading.Event())
        else:
            run_in_processes(text, plan, directory, processes, add)
        paths = [trajectory_path(directory, index) for index in range(plan.n_trajectories)]
        for path in paths:
            require_frames(path, plan.frames_per_trajectory)
    return paths


def _read_structure(structure, plan: SimulationPlan) -> str:
    """Text of the PDB file, after a context of it has been made once, so that mistakes show before any
    process starts.
    """
    from openmm.app import PDBFile

    try:
        text = Path(structure).read_text()
        pdb = PDBFile(str(structure))
    except OSError as error:
        raise TrajectoryError(
            f"simulate: cannot read {structure}; {error.strerror}; check the path."
        ) from None
    except Exception as error:  # noqa: BLE001 - PDBFile raises whatever its parser stumbles on
        raise TrajectoryError(
            f"simulate: {structure} is not a readable PDB file ({error}); {_advice(structure)}."
        ) from None
    water = [residue.name for residue in pdb.topology.residues() if residue.name.upper() in SOLVENT_RESIDUES]
    if plan.physics.in_water and water:
        raise MoleculeError(
            f"simulate: water is added to the molecule; expected {structure} without, found {len(water)}"
            f" residues {water[0]}; remove them."
        )
    # Without the water, which would take its time.
    physics = replace(plan.physics, solvent=VACUUM) if plan.physics.in_water else plan.physics
    engine = ReferenceEngine(pdb.topology, pdb.positions, physics, seed=1)
    residues = len(engine.torsions)
    if plan.steering != "none" and not residues:
        raise MoleculeError(
            "simulate: steering needs a residue with phi and psi; expected backbone atoms C, N, CA, C, N in "
            f"{structure}, found none; simulate without steering."
        )
    if plan.steering == "shooting" and residues != 1:
        raise MoleculeError(
            f"simulate: paths are shot along one {plan.shot_torsion}; expected one residue with phi and psi"
            f" in {structure}, found {residues}; simulate with --steered."
        )
    return text


def _advice(structure) -> str:
    kinds = {
        ".prmtop": "an Amber topology holds no positions",
        ".top": "a topology holds no positions",
        ".gro": "GROMACS' coordinates are another format",
        ".cif": "an mmCIF file is another format",
    }
    kind = kinds.get(Path(structure).suffix.lower())
    return f"{kind}: write the molecule as a PDB file" if kind else "check its content"


def _adder(plan: SimulationPlan, progress):
    """Turn (trajectory, frames) into ps of all trajectories, for `progress`."""
    done: dict[int, float] = {}
    total = plan.n_trajectories * plan.copies * plan.simulated_ps(plan.frames_per_trajectory)

    def add(index: int, frames: int) -> None:
        done[index] = plan.copies * plan.simulated_ps(frames)
        if progress is not None:
            progress(sum(done.values()), total)

    return add
