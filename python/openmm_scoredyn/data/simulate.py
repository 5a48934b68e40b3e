"""Reference molecular dynamics for training and evaluation, in several processes, restartable bit for bit."""

import hashlib
import json
import logging
import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path

from openmm_scoredyn.data.atomic import make_directory, write_text_atomically
from openmm_scoredyn.data.bias import TorsionBias, find_bias
from openmm_scoredyn.data.engine import ReferenceEngine, backbone_torsions
from openmm_scoredyn.data.plan import SimulationPlan
from openmm_scoredyn.data.pool import run_in_processes
from openmm_scoredyn.data.worker import bias_path, remove_chunk_folder, run_trajectory, trajectory_path
from openmm_scoredyn.errors import MoleculeError, OutputError, TrajectoryError

_LOGGER = logging.getLogger(__name__)


def simulate(
    structure: str | Path,
    plan: SimulationPlan,
    directory: str | Path,
    *,
    processes: int = 1,
    progress: Callable[[float, float], None] | None = None,
) -> list[Path]:
    """Make the trajectories of a plan, or go on with those that an earlier call did not finish.

    Parameters
    ----------
    structure : PDB file of the molecule alone, complete with hydrogens
    plan : SimulationPlan
    directory : output folder; `trajectory_0000.npz`, ... appear there as they are complete, `plan.json` at once
    processes : trajectories made at a time; the results do not depend on it
    progress : called with (ps done, ps in all), earlier calls included

    Returns
    -------
    list of Path, one per trajectory

    Raises
    ------
    TrajectoryError
        If the structure cannot be read.
    MoleculeError
        If the force field does not fit, or steering is asked of a molecule without phi and psi.
    OutputError
        If the folder cannot be written, or holds trajectories of another plan.

    Notes
    -----
    A run that was killed and restarted gives the same bytes as one that was not, on the Reference platform, whose random
    numbers are part of the checkpoint.
    """
    text = _read_structure(structure, plan)
    directory = make_directory(directory)
    _claim(directory, plan, text)
    if plan.steering == "shooting" and not bias_path(directory).exists():
        _find_bias(text, plan).save(bias_path(directory))
    add = _adder(plan, progress)
    if processes == 1:
        for index in range(plan.n_trajectories):
            run_trajectory(text, plan, directory, index, add, threading.Event())
    else:
        run_in_processes(text, plan, directory, processes, add)
    remove_chunk_folder(directory)
    return [trajectory_path(directory, index) for index in range(plan.n_trajectories)]


def _read_structure(structure, plan: SimulationPlan) -> str:
    """Text of the PDB file, after a context of it has been made once, so that mistakes show before any process starts."""
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
            f"simulate: {structure} is not a readable PDB file ({error}); check its content."
        ) from None
    ReferenceEngine(pdb.topology, pdb.positions, plan.physics, seed=1)
    residues = len(backbone_torsions(pdb.topology))
    if plan.steering != "none" and not residues:
        raise MoleculeError(
            f"simulate: steering needs a residue with phi and psi; expected backbone atoms C, N, CA, C, N in "
            f"{structure}, found none; simulate without steering."
        )
    if plan.steering == "shooting" and residues != 1:
        raise MoleculeError(
            f"simulate: paths are shot along one phi; expected one residue with phi and psi in {structure}, found "
            f"{residues}; simulate with --steered."
        )
    return text


def _find_bias(text: str, plan: SimulationPlan) -> TorsionBias:
    from openmm.app import PDBFile

    pdb = PDBFile(StringIO(text))
    phi = backbone_torsions(pdb.topology)[0][0]
    _LOGGER.info("Finding the bias along phi, by metadynamics; this takes a minute or two, once.")
    return find_bias(pdb.topology, pdb.positions, plan.physics, phi, seed=plan.seed % (2**31 - 1) + 1)


def _claim(directory: Path, plan: SimulationPlan, text: str) -> None:
    """Write plan.json, or check that the one there is ours: trajectories of two plans must not mix."""
    import openmm

    # A checkpoint is only good for the OpenMM that wrote it; the structure is the start of every trajectory.
    claim = plan.to_dict() | {
        "structure_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "openmm_version": openmm.Platform.getOpenMMVersion(),
    }
    claim = json.loads(json.dumps(claim))
    path = directory / "plan.json"
    if not path.exists():
        write_text_atomically(path, json.dumps(claim, indent=1) + "\n")
        return
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        found = {}
    different = sorted(key for key in claim | found if claim.get(key) != found.get(key))
    if different:
        raise OutputError(
            f"simulate: {directory} holds another simulation; expected {different[0]} {claim.get(different[0])}, found "
            f"{found.get(different[0])}; use another folder or the same settings."
        )


def _adder(plan: SimulationPlan, progress):
    """Turn (trajectory, frames) into ps of all trajectories, for `progress`."""
    done: dict[int, int] = {}
    total = plan.n_trajectories * plan.frames_per_trajectory * plan.frame_spacing_ps

    def add(index: int, frames: int) -> None:
        done[index] = frames
        if progress is not None:
            progress(sum(done.values()) * plan.frame_spacing_ps, total)

    return add
