"""Learned picoseconds and Langevin femtoseconds in turn: what the second heals, and what they cost.

    python benchmarks/compound.py [--seconds 45] [--json compound.json]

Alanine dipeptide in implicit solvent. A cycle is n learned steps of 1 ps and m x 10 fs of the dynamics that
the model learned from (Langevin, 10/ps, 4 fs), as a CompoundIntegrator does it (docs/how_to/
mix_with_langevin.md). 64 independent walkers make each row, so that learned steps are drawn in a batch and
the seconds go into statistics; errors are one standard error, by the jackknife over walkers. What a cycle
costs is measured with one CompoundIntegrator, and is processor time.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openmm
from openmm import app, unit
from turns import keep, quartiles, take_turns

import openmm_scoredyn as sd
from openmm_scoredyn.molecule.geometry import dihedral_angles, find_backbone_torsions
from openmm_scoredyn.observables.geometry import Geometry
from openmm_scoredyn.observables.motions import Rotors
from openmm_scoredyn.observables.peptide import RAMACHANDRAN
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.system import build_reference_system, langevin_integrator

MODEL = "alanine-dipeptide-obc2"
PHYSICS = Physics()
WALKERS, WARM_UP_STEPS = 64, 200
STEPS_PER_10_FS = 2.5
# (learned ps, units of 10 fs) of a cycle: the model alone, ten of both, MD alone every 0.1 ps.
CYCLES = [(1, 0), *((n, m) for n in (1, 5, 10) for m in (10, 30, 100)), (0, 10)]
# Milliseconds of a walker, to share the seconds out: a learned step of a batch, a step of MD, a change of
# walker.
LEARNED_MS, MD_MS, CHANGE_MS = 0.08, 0.034, 0.25
CORRELATION_PS = 100.0


@dataclass(frozen=True, eq=False)
class Sums:
    """What walkers add to a figure, (walkers, K), and the figure of their sum, (K,) to a number."""

    values: np.ndarray
    figure: Callable[[np.ndarray], float]

    def estimate(self) -> tuple[float, float]:
        """The figure and its standard error, by leaving out one walker after the other."""
        whole = self.values.sum(axis=0)
        others = np.array([self.figure(whole - own) for own in self.values])
        return self.figure(whole), float(np.sqrt((len(others) - 1) * others.var()))


class Molecule:
    """The model, the System it learned from, and what is measured of their frames."""

    def __init__(self):
        path = sd.pretrained(MODEL)
        self.model = sd.ScoreModel(path)
        self.pdb = app.PDBFile(str(path.with_name("alanine-dipeptide.pdb")))
        self.system = build_reference_system(self.pdb.topology, PHYSICS)
        particles = self.model.card.particles
        self.geometry, self.rotors = Geometry(particles), Rotors(particles)
        self.torsions = np.array(find_backbone_torsions(particles)[0])
        chosen = [one for one in self.geometry.internals if one.unit == "nm" and ":H" not in one.name]
        self.bonds = [one.columns[0] for one in chosen]
        ends = ("ACE:C-ALA:N-ALA:H", "NME:C-NME:N-NME:H")
        self.angles = [
            one.columns[0] for one in self.geometry.internals if one.name.removeprefix("angle ") in ends
        ]
        if len(self.angles) != len(ends):
            raise SystemExit(f"compound: expected the angles {', '.join(ends)} among the observables")

    def context(self, integrator) -> openmm.Context:
        """With velocities, at the structure of the model."""
        context = openmm.Context(self.system, integrator, openmm.Platform.getPlatformByName(PHYSICS.platform))
        context.setPositions(self.pdb.positions)
        context.setVelocitiesToTemperature(PHYSICS.temperature_K, 1)
        return context


class Frames:
    """What is kept of one row: of all learned frames the core they are in, of the last of each cycle more."""

    def __init__(self, molecule: Molecule):
        self.molecule = molecule
        self.states, self.ends, self.rotors, self.energies = [], [], [], []

    def see(self, positions: np.ndarray) -> None:
        """Frames (walkers, N, 3), nm: the core that each is in, 1 or 2, or 0 for none."""
        angles = dihedral_angles(positions, self.molecule.torsions)
        beta, alpha = RAMACHANDRAN.cores(("beta", "alpha_R"))
        self.states.append(beta.contains(angles) + 2 * alpha.contains(angles))

    def end_cycle(self, positions: np.ndarray, energies: list[float]) -> None:
        """The frames after the last part of a cycle."""
        boxes = np.zeros((len(positions), 3, 3))
        features = self.molecule.geometry.features(positions, boxes)
        angles = dihedral_angles(positions, self.molecule.torsions)
        regions = [RAMACHANDRAN[name].region.contains(angles) for name in ("alpha_R", "phi>0")]
        internals = features[:, self.molecule.bonds + self.molecule.angles].astype(np.float64)
        self.ends.append(np.concatenate([internals, np.stack(regions, axis=1)], axis=1))
        self.rotors.append(self.molecule.rotors.features(positions, boxes))
        self.energies.append(energies)


def run(molecule: Molecule, learned: int, units: int, seconds: float) -> Frames:
    """Cycles of all walkers, as many as take about that time; the first quarter of them is left out."""
    md_steps = round(STEPS_PER_10_FS * units)
    cost_ms = LEARNED_MS * learned + MD_MS * md_steps + CHANGE_MS
    cycles = max(8, round(1000 * seconds / (WALKERS * cost_ms)))
    context = molecule.context(langevin_integrator(PHYSICS, 1))
    start = molecule.pdb.getPositions(asNumpy=True).value_in_unit(unit.nanometer).astype(np.float32)
    walkers = molecule.model.sample(np.repeat(start[None], WALKERS, axis=0), WARM_UP_STEPS, seed=1)[-1]
    frames, velocities = Frames(molecule), [None] * WALKERS
    for cycle in range(cycles):
        if cycle == cycles // 4:
            frames = Frames(molecule)
        if learned:
            drawn = molecule.model.sample(
                walkers, learned, seed=1, first_step=WARM_UP_STEPS + cycle * learned
            )
            for frame in drawn[:-1] if md_steps else drawn:
                frames.see(frame)
            walkers, velocities = drawn[-1], [None] * WALKERS
        walkers, velocities, energies = _md(context, walkers, velocities, md_steps)
        if md_steps:
            frames.see(walkers)
        frames.end_cycle(walkers, energies)
    return frames


def _md(context, walkers: np.ndarray, velocities: list, steps: int):
    """All walkers after some steps of dynamics, from these velocities, or from drawn ones where None."""
    after, kept, energies = np.empty_like(walkers), [], []
    for number, positions in enumerate(walkers):
        context.setPositions(positions)
        if velocities[number] is None:
            context.setVelocitiesToTemperature(PHYSICS.temperature_K)
        else:
            context.setVelocities(velocities[number])
        if steps:
            context.getIntegrator().step(steps)
        state = context.getState(positions=True, velocities=True, energy=True)
        after[number] = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        kept.append(state.getVelocities(asNumpy=True))
        energies.append(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
    return after, kept, energies


def figures(frames: Frames, learned: int, units: int) -> dict[str, tuple[float, float]]:
    """The figures of a row, each with its standard error."""
    cycle_ps = learned + units / 100
    ends, energies = np.array(frames.ends), np.array(frames.energies)  # (cycles, walkers, ...)
    bonds, angles = len(frames.molecule.bonds), len(frames.molecule.angles)
    found = {
        "bond spread, pm": _spread(1000 * ends[..., :bonds]),
        "C-N-H spread, deg": _spread(ends[..., bonds : bonds + angles]),
        "potential energy, kJ/mol": _mean(energies),
        "its spread, kJ/mol": _spread(energies[..., None]),
        "alpha_R": _mean(ends[..., -2]),
        "phi>0": _mean(ends[..., -1]),
        "crossings, 1/ns": _crossings(np.array(frames.states), len(ends) * cycle_ps / 1000),
    }
    turned = np.exp(1j * np.array(frames.rotors, dtype=np.float64))
    # MD, whose cycles are short, after the time of each cycle that leaves anything to compare.
    lags = [1] if learned else [round((1 + more / 100) / cycle_ps) for _, more in CYCLES[1:4]]
    for column, label in enumerate(frames.molecule.rotors.labels):
        for lag in (lag for lag in lags if lag < len(turned) - 1):
            found[f"{label} after {lag * cycle_ps:.3g} ps"] = _kept(turned[..., column], [1.0, 0.0], lag)
    before = int(CORRELATION_PS / cycle_ps + 1e-9)
    part = CORRELATION_PS / cycle_ps - before
    alanine = frames.molecule.rotors.labels.index("methyl ALA:CB")
    if before + 1 < len(turned):
        found["methyl ALA:CB after 100 ps"] = _kept(turned[..., alanine], [1 - part, part], before)
    return {name: sums.estimate() for name, sums in found.items()}


def _mean(values: np.ndarray) -> Sums:
    """Of (cycles, walkers)."""
    sums = np.stack([values.sum(axis=0), np.full(values.shape[1], float(len(values)))], axis=1)
    return Sums(sums, lambda total: float(total[0] / total[1]))


def _spread(values: np.ndarray) -> Sums:
    """Standard deviations of (cycles, walkers, K), their mean over K."""
    values = values - values.mean(axis=(0, 1))
    number = values.shape[-1]
    sums = [values.sum(axis=0), (values**2).sum(axis=0), np.full((values.shape[1], 1), float(len(values)))]

    def figure(total: np.ndarray) -> float:
        mean, square = total[:number] / total[-1], total[number:-1] / total[-1]
        return float(np.sqrt(square - mean**2).mean())

    return Sums(np.concatenate(sums, axis=1), figure)


def _crossings(states: np.ndarray, length_ns: float) -> Sums:
    """Changes of the last core that was visited, of (frames, walkers), a nanosecond of a walker."""
    counts = []
    for walker in states.T:
        visited = walker[walker > 0]
        counts.append((float(np.count_nonzero(np.diff(visited))), length_ns))
    return Sums(np.array(counts), lambda total: float(total[0] / total[1]))


def _kept(turned: np.ndarray, weights: list[float], lag: int) -> Sums:
    """Correlation of a rotor, (cycles, walkers) complex, between two lags of cycles."""
    columns = []
    for more in (0, 1):
        products = (turned[lag + more :] * turned[: len(turned) - lag - more].conj()).real
        columns += [products.sum(axis=0), np.full(turned.shape[1], float(len(products)))]
    return Sums(
        np.stack(columns, axis=1),
        lambda total: float(weights[0] * total[0] / total[1] + weights[1] * total[2] / total[3]),
    )


def costs(molecule: Molecule, rounds: int) -> dict[str, list[float]]:
    """Seconds of a ps of each cycle with one CompoundIntegrator, taking turns."""
    compound = openmm.CompoundIntegrator()
    compound.addIntegrator(sd.ScoreDynamicsIntegrator(molecule.model))
    compound.addIntegrator(langevin_integrator(PHYSICS, 1))
    context = molecule.context(compound)

    def cycles(learned: int, units: int, number: int) -> None:
        for _ in range(number):
            for member, steps in ((0, learned), (1, round(STEPS_PER_10_FS * units))):
                compound.setCurrentIntegrator(member)
                if steps:
                    compound.step(steps)

    cycles(5, 10, 1)
    candidates = {}
    for learned, units in CYCLES:
        length_ps = learned + units / 100
        number = max(1, round(10 / length_ps))
        candidates[name_of(learned, units)] = (
            lambda n=learned, m=units, k=number: cycles(n, m, k),
            number * length_ps,
        )
    found = take_turns(candidates, rounds)
    del context
    return found


def name_of(learned: int, units: int) -> str:
    """Of a row."""
    if units == 0:
        return "learned alone"
    return f"{learned} ps and {units} x 10 fs" if learned else "MD alone"


def main() -> None:
    """All rows, the costs first."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=45.0, help="processor time of a row, about")
    parser.add_argument("--rounds", type=int, default=5, help="of measuring the cost")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    molecule = Molecule()
    found: dict[str, dict] = {}
    for name, times in costs(molecule, arguments.rounds).items():
        low, middle, high = (1000 * value for value in quartiles(times))
        found[name] = {"ms per ps": [middle, (high - low) / 2]}
    for learned, units in CYCLES:
        name = name_of(learned, units)
        frames = run(molecule, learned, units, arguments.seconds)
        found[name] |= {key: list(value) for key, value in figures(frames, learned, units).items()}
        found[name]["length of a walker, ns"] = [len(frames.ends) * (learned + units / 100) / 1000, 0.0]
        print(f"{name}:", *(f"{key} {v:.4g} +- {e:.2g};" for key, (v, e) in found[name].items()), flush=True)
        keep(arguments.json, found)


if __name__ == "__main__":
    main()
