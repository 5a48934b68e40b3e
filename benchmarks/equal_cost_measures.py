"""What networks with different latents can be compared by: the steps they draw, for `equal_cost.py`."""

import time
import warnings

import numpy as np
import torch

from openmm_scoredyn.comparison import Estimate
from openmm_scoredyn.comparison.distribution import cells, divergence
from openmm_scoredyn.comparison.measurement import Fit, blocks_of
from openmm_scoredyn.comparison.states import hop_rate
from openmm_scoredyn.data import lagged_windows
from openmm_scoredyn.errors import ScoreDynError
from openmm_scoredyn.molecule.geometry import phi_psi
from openmm_scoredyn.observables import Observations
from openmm_scoredyn.observables.peptide import RAMACHANDRAN, Peptide

BLOCKS = 20  # of successive pairs, whose means are taken as independent
REPLICAS = 32
BINS = 50  # of each angle
CHUNK = 25  # steps between looks at the clock


def held_out_pairs(trajectories, count: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` pairs of frames one picosecond apart, evenly spread, (count, N, 3) nm each."""
    before, after = [], []
    for trajectory in trajectories:
        first, second = lagged_windows(trajectory, 1.0).T
        before.append(trajectory.positions[first])
        after.append(trajectory.positions[second])
    before, after = np.concatenate(before), np.concatenate(after)
    chosen = np.linspace(0, len(before) - 1, min(count, len(before))).astype(int)
    return before[chosen], after[chosen]


def on_circles(positions: np.ndarray, molecule) -> np.ndarray:
    """cos and sin of phi and psi, (T, 4)."""
    angles = phi_psi(positions, molecule)
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1)


def shape(positions: np.ndarray, molecule=None) -> np.ndarray:
    """All distances between atoms, (T, N (N - 1) / 2), nm."""
    i, j = np.triu_indices(positions.shape[1], 1)
    return np.linalg.norm(positions[:, i] - positions[:, j], axis=2)


def energy_score(first: np.ndarray, second: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Of two draws (K, D) for each of K pairs whose end is known (K, D): |y - x| averaged, minus |y - y'| /
    2; (K,).

    Strictly proper (Gneiting and Raftery 2007): its expectation is least for draws from the true conditional
    density.
    """
    near = 0.5 * (np.linalg.norm(first - truth, axis=1) + np.linalg.norm(second - truth, axis=1))
    return near - 0.5 * np.linalg.norm(first - second, axis=1)


def over_blocks(values: np.ndarray) -> Estimate:
    """Mean of values in the order of time, and its standard error from means of blocks."""
    means = np.array([block.mean() for block in np.array_split(values, BLOCKS)])
    return Estimate(float(values.mean()), float(means.std(ddof=1) / np.sqrt(BLOCKS)), BLOCKS)


def turned(positions: np.ndarray, before: np.ndarray, molecule) -> np.ndarray:
    """|change| of phi and psi, degrees, (K, 2)."""
    change = phi_psi(positions, molecule) - phi_psi(before, molecule)
    return np.degrees(np.abs((change + np.pi) % (2 * np.pi) - np.pi))


def refused(positions: np.ndarray, molecule, lengths, tolerance: float) -> np.ndarray:
    """Which frames (T, N, 3) a guard with the training card's bonds would refuse, (T,) bool."""
    i, j = np.array(molecule.bonds).T
    found = np.linalg.norm(positions[:, i] - positions[:, j], axis=2)
    return ~(np.abs(found / np.asarray(lengths) - 1) < tolerance).all(axis=1)


def one_step(model, before, after, molecule, result: dict, evaluations: int) -> dict[str, np.ndarray]:
    """Scores of two draws from each held-out frame, one value a pair; equal frames and equal noise for all
    networks.
    """
    drawn = model.sample(np.concatenate([before, before]), 1, seed=1, denoising_steps=evaluations)[0]
    first, second = drawn[: len(before)], drawn[len(before) :]
    scores = {
        name: energy_score(*(measure(x, molecule) for x in (first, second, after)))
        for name, measure in (("torsions", on_circles), ("shape_nm", shape))
    }
    angle = 0.5 * (turned(first, before, molecule) + turned(second, before, molecule))
    bad = refused(drawn, molecule, result["bond_lengths_nm"], result["bond_tolerance"])
    scores |= {"turn_phi_deg": angle[:, 0], "turn_psi_deg": angle[:, 1]}
    return scores | {"refused": 0.5 * (bad[: len(before)] + bad[len(before) :].astype(float))}


def baselines(before, after, molecule) -> dict[str, dict[str, np.ndarray]]:
    """The scores of a molecule that stays where it is, and the turns of MD itself."""
    still = {
        name: np.linalg.norm(measure(before, molecule) - measure(after, molecule), axis=1)
        for name, measure in (("torsions", on_circles), ("shape_nm", shape))
    }
    angle = turned(after, before, molecule)
    return {"stays": still, "MD": {"turn_phi_deg": angle[:, 0], "turn_psi_deg": angle[:, 1]}}


def replicas(model, held_out, result: dict, seconds: float, evaluations: int) -> dict:
    """Free runs for `seconds` of processor time, from held-out frames: populations and rates against
    MD.
    """
    molecule, observables = held_out[0].molecule, [Peptide(held_out[0].molecule)]
    reference = Observations.from_trajectories(held_out, observables)
    frames = np.concatenate([t.positions for t in held_out])
    state, runs = frames[np.linspace(0, len(frames) - 1, REPLICAS).astype(int)], []
    begin, steps = time.process_time(), 0
    try:
        while time.process_time() - begin < seconds:
            part = model.sample(state, CHUNK, seed=2, denoising_steps=evaluations, first_step=steps)
            state, steps = part[-1], steps + CHUNK
            runs.append(part)
    except ScoreDynError as error:
        return {"failed": str(error).splitlines()[0]}
    moved = np.concatenate(runs)
    angles = np.concatenate([phi_psi(moved[:, r], molecule) for r in range(REPLICAS)])
    candidate = Observations({"peptide": angles}, (len(moved),) * REPLICAS, 1.0, None, molecule)
    fit = Fit.of(reference, observables, markov_models=False)
    known, found = ((side.values["peptide"], blocks_of(side, fit)) for side in (reference, candidate))
    bad = refused(
        moved.reshape(-1, *moved.shape[2:]), molecule, result["bond_lengths_nm"], result["bond_tolerance"]
    )
    labels = (cells(side[0], BINS)[:, None] for side in (known, found))
    measured, expected = divergence(*labels, known[1], found[1], BINS**2)
    return {
        "length_ns": REPLICAS * steps / 1000,
        "ns_per_processor_minute": REPLICAS * steps / 1000 / (time.process_time() - begin) * 60,
        "refused": float(bad.mean()),
        "jsd_bit": measured.to_dict(),
        "jsd_expected_bit": expected.to_dict(),
        "crossings_per_ns": hop_rate(found[0], 1.0, RAMACHANDRAN, found[1]).to_dict(),
        "crossings_per_ns_MD": hop_rate(known[0], 1.0, RAMACHANDRAN, known[1]).to_dict(),
    }


def evaluation_times(paths: dict[str, str], rows: dict[str, int], frames, rounds: int = 30) -> dict:
    """Median processor time, ms, of one evaluation of each exported program, for batches of 1 and 64, in
    turn.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        programs = {
            name: torch.jit.freeze(torch.jit.load(path).eval(), preserved_attrs=["denoise"])
            for name, path in paths.items()
        }
    result = {name: {} for name in programs}
    for batch in (1, 64):
        history = torch.from_numpy(frames[np.arange(batch) % len(frames), None])
        times = {name: [] for name in programs}
        with torch.inference_mode(), torch.jit.optimized_execution(False):
            for _ in range(max(5, rounds // batch) + 2):
                for name, program in programs.items():
                    begin = time.process_time()
                    program.denoise(
                        torch.randn(batch, rows[name], 3),
                        torch.full((batch,), 0.7),
                        history,
                        torch.zeros(3, 3),
                    )
                    times[name].append(1e3 * (time.process_time() - begin))
        for name, values in times.items():
            result[name][str(batch)] = float(np.median(values[2:]))
    return result
