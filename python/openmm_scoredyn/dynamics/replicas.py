"""Many replicas of one molecule in one batch, drawn into a store of frames with one segment per replica."""

import hashlib
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np

from openmm_scoredyn.data.atomic import make_directory
from openmm_scoredyn.data.frame_store import SUFFIX, FrameStore, require_frames
from openmm_scoredyn.data.lock import exclusive
from openmm_scoredyn.errors import OutputError, SamplingError
from openmm_scoredyn.program.sample_arguments import as_sampling_options

# What is held in memory at a time, whatever the number of replicas and steps.
_CHUNK_BYTES = 1 << 26
_LONGEST_CHUNK = 1000
# What a model counts of its rejected draws, beside their causes.
_COUNTS = ("num_rejected_draws", "num_refined_draws", "num_rejected_steps")


def run_replicas(
    model,
    positions: np.ndarray,
    out: str | Path,
    n_steps: int,
    *,
    seed: int,
    save_every: int = 1,
    steps_per_chunk: int | None = None,
    first_replica: int = 0,
    wait_s: float = 0.0,
    progress: Callable[[int, int], None] | None = None,
    box=None,
    **sampling,
) -> Path:
    """Draw a trajectory of every replica, going on after the last chunk of an earlier call.

    A call that was killed goes on as if it had not been; a finished one can be made longer. Frames are on the
    disk chunk by chunk, and never in memory together.

    Parameters
    ----------
    model : ScoreModel
    positions : (B, N, 3), nm, first frame of each replica, which is also its history; or (B, H, N, 3),
        histories of a model that sees H frames, newest last
    out : NAME.frames to write, a store (`data.frame_store`) of frames after the first, n_steps / save_every
        of
        each replica; `data.load` reads it
    n_steps : a multiple of `save_every`, in all, earlier calls included
    seed : 1 to 2**31 - 1
    steps_per_chunk : steps between two writes to the disk, rounded up to a multiple of `save_every`; None: at
        most 1000, and as few as make a chunk of 64 MB
    first_replica : number of the first replica, of which its noise is a function
    wait_s : how long to wait for another process that writes the store
    progress : called with (steps done, steps in all)
    box : (3, 3), nm, rows are the box vectors; of a periodic model
    **sampling : as those of `ScoreModel.sample`: how steps are drawn, lag_time_ps, temperature_K, num_threads

    Returns
    -------
    Path of the store

    Raises
    ------
    OutputError
        If the store cannot be written, another process writes it, or it is of another run.
    TrajectoryError
        If a chunk there is missing or damaged.
    SamplingError
        If a step fails for good, an argument is out of range, the store holds a longer run, or the replicas
        do not fit into memory.
    """
    out = Path(out)
    if out.suffix != SUFFIX:
        raise OutputError(
            f"run: replicas are written as a store of frames; expected NAME{SUFFIX}, found {out.name}; rename"
            " it."
        )
    if seed < 1 or n_steps < 1 or n_steps % save_every:
        raise SamplingError(
            f"run: expected a positive seed and steps in a positive multiple of {save_every}, found {seed}"
            " and"
            f" {n_steps}; correct them."
        )
    model.require_known(**{k: sampling.get(k) for k in ("lag_time_ps", "temperature_K")})
    if box is not None:
        sampling |= {"box": np.asarray(box, dtype=np.float32)}
    try:
        identity = identify(model, positions, seed, save_every, first_replica, sampling)
    except MemoryError:
        raise _too_many(positions) from None
    header = json.loads(json.dumps(_describe(model, identity, save_every)))
    length = steps_of_a_chunk(model, len(positions), save_every, steps_per_chunk)
    drawing = {"seed": seed, "first_replica": first_replica, **sampling}
    make_directory(out)
    with exclusive(out, "run", wait_s):
        store = _open(out, header)
        try:
            _fill(model, positions, store, n_steps, length, save_every, drawing, progress)
        except (MemoryError, RuntimeError) as error:
            # Torch says it in words of its own.
            if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
                raise
            raise _too_many(positions) from None
        require_frames(out, n_steps // save_every)
    return out


def _too_many(positions) -> SamplingError:
    return SamplingError(
        f"run: {len(positions)} replicas do not fit into memory; expected fewer; draw them in several runs"
        " with a"
        " seed each."
    )


def _open(out: Path, header: dict) -> FrameStore:
    """The store to go on with, of the same run; a new one where there is none."""
    store = FrameStore(out)
    if store.header:
        require_same_run(out, header, store.header)
        store.remove_uncommitted()
    elif not store.untouched:
        raise OutputError(f"run: {out} exists already and is no store of frames; choose another name.")
    else:
        store.begin(header)
    return store


def _fill(model, positions, store, n_steps, length, save_every, drawing, progress) -> None:
    """Draw what the store lacks."""
    done, histories, counts = _take_up(store, model, positions, n_steps)
    while done < n_steps:
        if progress is not None:
            progress(done, n_steps)
        steps = min(length, n_steps - done)
        before = _counts_of(model)
        frames, histories = _advance(model, histories, steps, save_every, first_step=done, **drawing)
        after = _counts_of(model)
        counts = {name: counts[name] + after[name] - before[name] for name in counts}
        done += steps
        # A replica after the other, so that each can be read without the others.
        positions = np.ascontiguousarray(frames.swapaxes(0, 1))
        store.append({"positions": positions}, _pack(histories), {"steps": done, "counts": counts})
    if progress is not None:
        progress(n_steps, n_steps)


def steps_of_a_chunk(model, n_replicas: int, save_every: int, asked: int | None) -> int:
    """Steps between two writes to the disk, a multiple of `save_every`; `asked` as that of `run_replicas`."""
    if asked is None:
        frames = max(1, _CHUNK_BYTES // (12 * n_replicas * model.card.num_particles))
        # A longer history needs every step, not the saved ones alone.
        asked = min(
            _LONGEST_CHUNK, frames * (save_every if model.card.capabilities.history_length == 1 else 1)
        )
    return -(-asked // save_every) * save_every


def _advance(model, histories, length, save_every, **arguments):
    """Frames saved of the next `length` steps, and the histories after them."""
    memory = model.card.capabilities.history_length
    # With a memory of one frame the last frame saved is the history; a longer one needs every step.
    every = save_every if memory == 1 else 1
    frames = model.sample(histories, length, save_every=every, **arguments)
    histories = np.concatenate([histories, frames.swapaxes(0, 1)], axis=1)[:, -memory:]
    return frames[save_every // every - 1 :: save_every // every], histories


def _counts_of(model) -> dict[str, int]:
    """What the guard rejected in this process so far."""
    return {name: getattr(model, name) for name in _COUNTS} | model.rejected_draws_by_cause


def identify(model, positions, seed, save_every, first_replica, sampling) -> dict:
    """Whatever the frames of a run depend on, JSON-ready; arguments as those of `run_replicas`."""
    return {
        "model_sha256": model.sha256,
        "start_sha256": digest_of(positions),
        "n_replicas": len(positions),
        "first_replica": first_replica,
        "seed": seed,
        "save_every": save_every,
        **as_sampling_options(model, sampling),
        "lag_time_ps": sampling.get("lag_time_ps") or model.card.lag_time_ps,
        "temperature_K": sampling.get("temperature_K") or model.card.temperature_K,
        "device": model.device.partition(":")[0],  # which of several like ones changes nothing
        "box_nm": sampling["box"].tolist() if "box" in sampling else None,
    }


def digest_of(positions: np.ndarray) -> str:
    """SHA-256, hexadecimal, of first frames."""
    return hashlib.sha256(np.ascontiguousarray(positions, dtype=np.float32).tobytes()).hexdigest()


def _pack(histories: np.ndarray) -> bytes:
    buffer = BytesIO()
    np.save(buffer, histories, allow_pickle=False)
    return buffer.getvalue()


def _take_up(store: FrameStore, model, positions: np.ndarray, n_steps: int):
    """Steps done, histories and counts after the last chunk; those of the start where there is none."""
    if not store.chunks:
        histories = np.asarray(positions, np.float32)
        if histories.ndim == 3:
            histories = np.repeat(histories[:, None], model.card.capabilities.history_length, axis=1)
        return 0, histories, dict.fromkeys(_counts_of(model), 0)
    done = store.note["steps"]
    if done > n_steps:
        raise SamplingError(
            f"run: {store.folder} holds a longer run; expected at most {n_steps} steps, found {done}; ask for"
            " that or more, or choose another name."
        )
    return done, np.load(BytesIO(store.state()), allow_pickle=False), store.note["counts"]


def require_same_run(out: Path, ours: dict, stored: dict) -> None:
    """Raise `OutputError`, naming the first setting, where what is stored at `out` is of other settings."""
    different = [key for key in ours if ours[key] != stored.get(key)]
    if different:
        key = different[0]
        raise OutputError(
            f"run: {out} is of a run with other settings; expected {key} {ours[key]}, found"
            f" {stored.get(key)}; use the same settings or another name."
        )


def _describe(model, identity: dict, save_every: int) -> dict:
    card = model.card
    return identity | {
        "frame_spacing_ps": identity["lag_time_ps"] * save_every,
        "molecule": card.particles.to_dict(),
        "steered": False,
        "consecutive": False,
        "replicas_are": "segments",
        "force_field": card.provenance.force_field,
        "solvent": card.provenance.solvent,
        "integrator": "ScoreDynamicsIntegrator",
        "model": card.name,
    }


def store_guard(path: str | Path) -> dict[str, int] | None:
    """What the guard rejected in the run that a store holds: `steps`, and draws by cause; None where it does
    not say.
    """
    store = FrameStore(path)
    if "counts" not in store.note:
        return None
    causes = {name: count for name, count in store.note["counts"].items() if name not in _COUNTS}
    return {"steps": store.header["n_replicas"] * store.note["steps"], **causes}
