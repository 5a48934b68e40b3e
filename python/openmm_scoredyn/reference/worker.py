"""One trajectory of a plan, chunk by chunk: the part of `simulate` that runs in a process of its own."""

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import numpy as np

from openmm_scoredyn.data.frame_store import SUFFIX, FrameStore
from openmm_scoredyn.errors import OutputError
from openmm_scoredyn.reference.bias import TorsionBias
from openmm_scoredyn.reference.engine import ReferenceEngine
from openmm_scoredyn.reference.lanes_engine import LanesEngine
from openmm_scoredyn.reference.plan import SimulationPlan
from openmm_scoredyn.reference.shooting import ShootingEngine
from openmm_scoredyn.reference.solvation import SolvatedBox
from openmm_scoredyn.reference.start import Start
from openmm_scoredyn.version import __version__


class Interrupted(Exception):
    """The process that asked for the trajectory is gone or has been stopped."""


def trajectory_path(directory: Path, index: int) -> Path:
    """Store of a trajectory, with all its copies."""
    return directory / f"trajectory_{index:04d}{SUFFIX}"


def bias_path(directory: Path) -> Path:
    """File of the bias that paths are shot with."""
    return directory / "bias.json"


def box_path(directory: Path) -> Path:
    """File of the box of water that all trajectories begin in."""
    return directory / "box" / "box.npz"


def run_trajectory(
    start: Start,
    plan: SimulationPlan,
    directory: Path,
    index: int,
    report: Callable[[int, int], None],
    stop,
) -> None:
    """Make trajectory `index`, going on after the last chunk that is already there.

    Parameters
    ----------
    start : Start, what every trajectory begins from
    report : called with (index, frames done) when the trajectory is taken up, and after every chunk
    stop : event; when set, the work ends before the next frame

    Raises
    ------
    Interrupted
        If `stop` is set, or the process that started this one is gone.
    OutputError
        If the store is of another simulation or cannot be written.
    """
    store = FrameStore(trajectory_path(directory, index))
    done = store.n_frames
    report(index, done)
    if done == plan.frames_per_trajectory:
        return
    engine = _open_engine(start, plan, directory, index)
    _open_store(store, _describe(plan, index, engine))
    state = store.state() if done else b""
    if not done:
        engine.start(plan.equilibration_ps)
    resumed = bool(done)
    while done < plan.frames_per_trajectory:
        # Where random numbers are not part of a checkpoint, every chunk begins as after a restart, so that a
        # restart changes nothing.
        if done and (resumed or not engine.exact_restart):
            engine.restore(state, _seed(plan, index, len(store.chunks)))
        resumed = False
        end = min(done + plan.frames_per_chunk, plan.frames_per_trajectory)
        arrays = _next_chunk(engine, plan, index, done, end, stop)
        state = engine.checkpoint()
        _require_going_on(stop)
        store.append(arrays, state, {})
        done = end
        report(index, done)


def _open_store(store: FrameStore, header: dict) -> None:
    if not store.header:
        store.begin(header)
        return
    different = [key for key in header if header[key] != store.header.get(key)]
    if different:
        key = different[0]
        raise OutputError(
            f"simulate: {store.folder} is of another simulation; expected {key} {header[key]}, found"
            f" {store.header.get(key)}; use another folder."
        )
    store.remove_uncommitted()


def _require_going_on(stop) -> None:
    """An orphan must not write: its successor may be at work in the same folder."""
    if stop.is_set() or _orphaned():
        raise Interrupted


def _open_engine(
    start: Start, plan: SimulationPlan, directory: Path, index: int
) -> ReferenceEngine | LanesEngine:
    seed, own = _seed(plan, index), start.system
    box = SolvatedBox.load(box_path(directory)) if plan.physics.makes_box else None
    if plan.steering == "shooting":
        bias = TorsionBias.load(bias_path(directory))
        return ShootingEngine(start.topology, start.positions, plan, bias, index, seed, box, own)
    rotamers = plan.steering == "rotamers"
    if plan.side_by_side:
        return LanesEngine(start.topology, start.positions, plan.physics, seed, plan.copies, own, rotamers)
    return ReferenceEngine(
        start.topology, start.positions, plan.physics, seed, box=box, own=own, rotamers=rotamers
    )


def _seed(plan: SimulationPlan, *numbers: int) -> int:
    return int(np.random.SeedSequence([plan.seed, *numbers]).generate_state(1)[0] % (2**31 - 1)) + 1


def _next_chunk(
    engine, plan: SimulationPlan, index: int, begin: int, end: int, stop
) -> dict[str, np.ndarray]:
    """Arrays of the frames begin to end, (copies, frames, ...)."""
    if plan.steering == "shooting":
        chunk = engine.chunk(begin, end, lambda: _require_going_on(stop))
        return {"positions": chunk["frames"][None], "weights": chunk["weights"][None]}
    frames = []
    for frame in range(begin, end):
        _require_going_on(stop)
        frames.append(_next_frame(engine, plan, index, frame))
    own = np.stack(frames).reshape(end - begin, plan.copies, -1, 3)
    return {"positions": np.ascontiguousarray(own.swapaxes(0, 1))}


def _next_frame(
    engine: ReferenceEngine | LanesEngine, plan: SimulationPlan, index: int, frame: int
) -> np.ndarray:
    if frame % plan.frames_per_segment:
        engine.step(plan.steps_per_frame)
    elif plan.steering in ("uniform", "rotamers"):
        # Drawn from the segment's own numbers, so that a restart needs no generator state.
        generator = np.random.default_rng([plan.seed, index, frame // plan.frames_per_segment])
        engine.steer(generator.uniform(-np.pi, np.pi, len(engine.steered)))
    elif plan.steering != "none":
        engine.steer(np.tile(np.radians(plan.steering), len(engine.steered) // 2))
    elif frame:
        engine.step(plan.steps_per_frame)
    return engine.positions()


def _describe(plan: SimulationPlan, index: int, engine: ReferenceEngine | LanesEngine) -> dict:
    """Header of the store of a trajectory; nothing in it depends on its length."""
    import openmm

    water = {
        "cutoff_nm": plan.physics.cutoff_nm,
        "pressure_bar": plan.physics.pressure_bar,
        "copies": plan.copies,
    }
    segments = (
        {} if plan.grows_by == "frames_per_segment" else {"frames_per_segment": plan.frames_per_segment}
    )
    header = {
        "frame_spacing_ps": plan.frame_spacing_ps,
        "temperature_K": plan.physics.temperature_K,
        "molecule": engine.molecule.to_dict(),
        "steered": plan.steering != "none",
        "consecutive": plan.steering == "none",
        "replicas_are": "trajectories",
        "force_field": " + ".join(plan.physics.force_field),
        "solvent": plan.physics.solvent,
        "integrator": "LangevinMiddleIntegrator",
        "friction_per_ps": plan.physics.friction_per_ps,
        "timestep_fs": plan.physics.timestep_fs,
        "hydrogen_mass_amu": plan.physics.hydrogen_mass_amu,
        **engine.record,
        "seed": plan.seed,
        "trajectory": index,
        "steering": plan.steering,
        **({"shot_torsion": plan.shot_torsion} if plan.steering == "shooting" else {}),
        "package_version": __version__,
        "openmm_version": openmm.Platform.getOpenMMVersion(),
        **(water if plan.physics.makes_box else {}),
        **segments,
    }
    return json.loads(json.dumps(header))


def _orphaned() -> bool:
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()
