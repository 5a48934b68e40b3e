"""Many replicas of one molecule in one batch, written as a trajectory file with one segment per replica."""

import hashlib
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np

from openmm_scoredyn.data.chunks import ChunkStore
from openmm_scoredyn.data.store import save_archive
from openmm_scoredyn.errors import OutputError, SamplingError


def run_replicas(
    model,
    positions: np.ndarray,
    out: str | Path,
    n_steps: int,
    *,
    seed: int,
    save_every: int = 1,
    steps_per_chunk: int = 1000,
    progress: Callable[[int, int], None] | None = None,
    **sampling,
) -> Path:
    """Draw a trajectory of every replica, going on after the last chunk of an earlier call that was killed.

    A call for fewer steps than were drawn before keeps that many, and counts what the guard refused in these
    alone.

    Parameters
    ----------
    model : ScoreModel
    positions : (B, N, 3), nm, first frame of each replica
    out : NAME.npz to write; it holds frames after the first, (B, n_steps / save_every, N, 3)
    n_steps : a multiple of `save_every`
    seed : 1 to 2**31 - 1
    steps_per_chunk : steps between two writes to the disk, rounded up to a multiple of `save_every`
    progress : called with (steps done, steps in all)
    **sampling : solver, denoising_steps, lag_time_ps, temperature_K, max_redraws, num_threads, as those of
        `ScoreModel.sample`

    Returns
    -------
    Path of the file

    Raises
    ------
    OutputError
        If the file exists or cannot be written, or the chunks there are of another run.
    SamplingError
        If a step fails for good, or an argument is out of range.
    """
    out = Path(out)
    if out.suffix != ".npz":
        raise OutputError(
            f"run: replicas are written as npz; expected NAME.npz, found {out.name}; rename it."
        )
    if out.exists():
        raise OutputError(f"run: {out} exists already; move it or choose another name.")
    if seed < 1 or n_steps % save_every:
        raise SamplingError(
            f"run: expected a positive seed and steps in a multiple of {save_every}, found {seed} and"
            f" {n_steps}; correct them."
        )
    store = ChunkStore(out.with_name(f".{out.name}.chunks"))
    identity = _identify(model, positions, seed, save_every, steps_per_chunk, sampling)
    histories = np.repeat(
        np.asarray(positions, np.float32)[:, None], model.card.capabilities.history_length, axis=1
    )
    done, histories, counts = _take_up(store, identity, histories, n_steps)
    counts = dict.fromkeys(_counts_of(model), 0) | counts
    while done < n_steps:
        if progress is not None:
            progress(done, n_steps)
        length = min(-(-steps_per_chunk // save_every) * save_every, n_steps - done)
        before = _counts_of(model)
        frames, histories = _advance(
            model, histories, length, save_every, first_step=done, seed=seed, **sampling
        )
        after = _counts_of(model)
        counts = {name: counts[name] + after[name] - before[name] for name in counts}
        done += length
        store.append(store.count(), {"frames": frames}, _pack(identity, done, histories, counts))
    if progress is not None:
        progress(n_steps, n_steps)
    frames = store.joined("frames")
    save_archive(out, frames.transpose(1, 0, 2, 3), _describe(model, identity, save_every, counts))
    store.remove()
    return out


def _advance(model, histories, length, save_every, **arguments):
    """Frames saved of the next `length` steps, and the histories after them."""
    memory = model.card.capabilities.history_length
    # With a memory of one frame the last frame saved is the history; a longer one needs every step.
    every = save_every if memory == 1 else 1
    frames = model.sample(histories, length, save_every=every, **arguments)
    histories = np.concatenate([histories, frames.swapaxes(0, 1)], axis=1)[:, -memory:]
    return frames[save_every // every - 1 :: save_every // every], histories


def _counts_of(model) -> dict[str, int]:
    """What the guard refused in this process so far."""
    counted = {"num_redraws": model.num_redraws, "num_rejected_steps": model.num_rejected_steps}
    return counted | model.redraws_by_cause


def _identify(model, positions, seed, save_every, steps_per_chunk, sampling) -> dict:
    start = hashlib.sha256(np.ascontiguousarray(positions, dtype=np.float32).tobytes()).hexdigest()
    return {
        "model_sha256": model.sha256,
        "start_sha256": start,
        "n_replicas": len(positions),
        "seed": seed,
        "save_every": save_every,
        "steps_per_chunk": steps_per_chunk,
        "solver": sampling.get("solver") or model.card.capabilities.solver,
        "denoising_steps": sampling.get("denoising_steps") or model.card.capabilities.denoising_steps,
        "lag_time_ps": sampling.get("lag_time_ps") or model.card.lag_time_ps,
        "temperature_K": sampling.get("temperature_K") or model.card.temperature_K,
        "max_redraws": sampling.get("max_redraws"),
        "device": model.device.partition(":")[0],  # which of several like ones changes nothing
    }


def _pack(identity: dict, done: int, histories: np.ndarray, counts: dict) -> bytes:
    buffer = BytesIO()
    note = json.dumps({"identity": identity, "done": done, "counts": counts})
    np.savez(buffer, histories=histories, note=np.array(note))
    return buffer.getvalue()


def _take_up(store: ChunkStore, identity: dict, histories: np.ndarray, n_steps: int):
    """Steps done, histories and counts after the last chunk that ends by `n_steps`; those of the start where
    there is none.

    Later chunks are dropped: what the guard refused is known at the end of a chunk only, and has to be that
    of the frames that are kept.
    """
    while store.count():
        with np.load(BytesIO(store.last_state()), allow_pickle=False) as archive:
            note, last = json.loads(str(archive["note"])), archive["histories"]
        _require_same_run(identity, note["identity"])
        if note["done"] <= n_steps:
            return note["done"], last, note["counts"]
        store.drop_last()
    return 0, histories, {}


def _require_same_run(identity: dict, stored: dict) -> None:
    stored = {"device": "cpu"} | stored  # runs of earlier versions do not name it
    different = [key for key in identity if identity[key] != stored.get(key)]
    if different:
        key = different[0]
        raise OutputError(
            f"run: an unfinished run with other settings lies there; expected {key} {identity[key]}, found "
            f"{stored.get(key)}; use the same settings or another file."
        )


def _describe(model, identity: dict, save_every: int, counts: dict) -> dict:
    card = model.card
    return identity | {
        "frame_spacing_ps": identity["lag_time_ps"] * save_every,
        "molecule": card.particles.to_dict(),
        "steered": False,
        "consecutive": False,
        "force_field": card.provenance.force_field,
        "solvent": card.provenance.solvent,
        "integrator": "ScoreDynamicsIntegrator",
        "model": card.name,
        "num_redraws": counts["num_redraws"],
        "num_rejected_steps": counts["num_rejected_steps"],
        "redraws_by_cause": {cause: counts[cause] for cause in model.redraws_by_cause},
    }
