"""One trajectory of a plan, chunk by chunk: the part of `simulate` that runs in a process of its own."""

import multiprocessing
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from openmm_scoredyn.data.chunks import ChunkStore
from openmm_scoredyn.data.store import save_archive
from openmm_scoredyn.reference.bias import TorsionBias
from openmm_scoredyn.reference.engine import ReferenceEngine
from openmm_scoredyn.reference.plan import SimulationPlan
from openmm_scoredyn.reference.shooting import ShootingEngine
from openmm_scoredyn.reference.solvation import SolvatedBox
from openmm_scoredyn.version import __version__


class Interrupted(Exception):
    """The process that asked for the trajectory is gone or has been stopped."""


def trajectory_paths(directory: Path, plan: SimulationPlan, index: int) -> list[Path]:
    """Final files of a trajectory, one for each copy."""
    first = index * plan.copies
    return [directory / f"trajectory_{number:04d}.npz" for number in range(first, first + plan.copies)]


def bias_path(directory: Path) -> Path:
    """File of the bias that paths are shot with."""
    return directory / "bias.json"


def box_path(directory: Path) -> Path:
    """File of the box of water that all trajectories begin in."""
    return directory / "box" / "box.npz"


def chunk_store(directory: Path, index: int) -> ChunkStore:
    """Where the chunks of a trajectory lie until it is complete."""
    return ChunkStore(directory / ".chunks" / f"trajectory_{index:04d}")


def remove_chunk_folder(directory: Path) -> None:
    """Delete the folder of the chunks once every trajectory is complete."""
    shutil.rmtree(directory / ".chunks", ignore_errors=True)


def run_trajectory(
    structure: str,
    plan: SimulationPlan,
    directory: Path,
    index: int,
    report: Callable[[int, int], None],
    stop,
) -> None:
    """Make trajectory `index`, going on after the last chunk that is already there.

    Parameters
    ----------
    structure : text of a PDB file
    report : called with (index, frames done) when the trajectory is taken up, and after every chunk
    stop : event; when set, the work ends before the next chunk is written
    """
    targets = trajectory_paths(directory, plan, index)
    # The last file is written last.
    if targets[-1].exists():
        report(index, plan.frames_per_trajectory)
        # A kill between the final file and this line leaves the chunks behind.
        chunk_store(directory, index).remove()
        return
    store = chunk_store(directory, index)
    engine = _open_engine(structure, plan, directory, index)
    first = store.count()
    state = store.last_state() if first else b""
    if not first:
        engine.start(plan.equilibration_ps)
    report(index, min(first * plan.frames_per_chunk, plan.frames_per_trajectory))
    for chunk in range(first, plan.n_chunks):
        # Where random numbers are not part of a checkpoint, every chunk begins as after a restart, so that a
        # restart changes nothing.
        if chunk and (chunk == first or not plan.physics.exact_restart):
            engine.restore(state, _seed(plan, index, chunk))
        begin = chunk * plan.frames_per_chunk
        end = min(begin + plan.frames_per_chunk, plan.frames_per_trajectory)
        arrays = _next_chunk(engine, plan, index, begin, end)
        state = engine.checkpoint()
        # An orphan must not write: its successor may be at work in the same folder.
        if stop.is_set() or _orphaned():
            raise Interrupted
        store.append(chunk, arrays, state)
        report(index, end)
    positions = store.joined("frames").reshape(plan.n_segments, plan.frames_per_segment, plan.copies, -1, 3)
    weights = store.joined("weights") if plan.steering == "shooting" else None
    for copy, target in enumerate(targets):
        save_archive(target, positions[:, :, copy], _describe(plan, index, copy, engine), weights)
    store.remove()


def _open_engine(structure: str, plan: SimulationPlan, directory: Path, index: int) -> ReferenceEngine:
    from io import StringIO

    from openmm.app import PDBFile

    pdb = PDBFile(StringIO(structure))
    seed = _seed(plan, index)
    box = SolvatedBox.load(box_path(directory)) if plan.physics.in_water else None
    if plan.steering == "shooting":
        bias = TorsionBias.load(bias_path(directory))
        return ShootingEngine(pdb.topology, pdb.positions, plan, bias, index, seed, box)
    return ReferenceEngine(pdb.topology, pdb.positions, plan.physics, seed, box=box)


def _seed(plan: SimulationPlan, *numbers: int) -> int:
    return int(np.random.SeedSequence([plan.seed, *numbers]).generate_state(1)[0] % (2**31 - 1)) + 1


def _next_chunk(engine, plan: SimulationPlan, index: int, begin: int, end: int) -> dict[str, np.ndarray]:
    if plan.steering == "shooting":
        return engine.chunk(begin, end)
    return {"frames": np.stack([_next_frame(engine, plan, index, frame) for frame in range(begin, end)])}


def _next_frame(engine: ReferenceEngine, plan: SimulationPlan, index: int, frame: int) -> np.ndarray:
    if frame % plan.frames_per_segment:
        engine.step(plan.steps_per_frame)
    elif plan.steering == "uniform":
        # Drawn from the segment's own numbers, so that a restart needs no generator state.
        generator = np.random.default_rng([plan.seed, index, frame // plan.frames_per_segment])
        engine.steer(generator.uniform(-np.pi, np.pi, (len(engine.torsions), 2)))
    elif plan.steering != "none":
        engine.steer(np.tile(np.radians(plan.steering), (len(engine.torsions), 1)))
    elif frame:
        engine.step(plan.steps_per_frame)
    return engine.positions()


def _describe(plan: SimulationPlan, index: int, copy: int, engine: ReferenceEngine) -> dict:
    import openmm

    water = {
        "cutoff_nm": plan.physics.cutoff_nm,
        "pressure_bar": plan.physics.pressure_bar,
        "copies": plan.copies,
    }
    return {
        "frame_spacing_ps": plan.frame_spacing_ps,
        "temperature_K": plan.physics.temperature_K,
        "molecule": engine.molecule.to_dict(),
        "steered": plan.steering != "none",
        "consecutive": plan.steering == "none",
        "force_field": " + ".join(plan.physics.force_field),
        "solvent": plan.physics.solvent,
        "integrator": "LangevinMiddleIntegrator",
        "friction_per_ps": plan.physics.friction_per_ps,
        "timestep_fs": plan.physics.timestep_fs,
        "hydrogen_mass_amu": plan.physics.hydrogen_mass_amu,
        "platform": plan.physics.platform,
        "seed": plan.seed,
        "trajectory": index * plan.copies + copy,
        "steering": plan.steering,
        **({"shot_torsion": plan.shot_torsion} if plan.steering == "shooting" else {}),
        "package_version": __version__,
        "openmm_version": openmm.Platform.getOpenMMVersion(),
        **(water if plan.physics.in_water else {}),
    }


def _orphaned() -> bool:
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()
