"""Speed of a model of a range of lag times against MD in the same implicit solvent, on one core, in one run.

    python benchmarks/lags.py [MODEL] [--lags 1 10 100 1000] [--rounds 7] [--json FILE]
    python benchmarks/lags.py peptides-obc2 --sequence IS --lags 100

The candidates take turns, round after round, after one to warm up; medians with quartiles are printed, and
the ratio of medians. MD is what the model's reference was made with: AMBER99SB-ILDN with OBC2 as
`GBSAOBCForce` on the Reference platform, the fastest here for 22 atoms, 4 fs, hydrogens of 3 amu, X-H bonds
constrained. Of a peptide that of examples/peptides: ff14SB, all else alike.
"""

import sys
import time
from pathlib import Path

import command_line
import numpy as np
import openmm
from openmm import app, unit
from turns import keep, quartiles, take_turns

import openmm_scoredyn as sd

BATCH = 256
SINGLE_STEPS, BATCH_STEPS, MD_PS = 200, 4, 40
TIMESTEP_PS, FRICTION_PER_PS, HYDROGEN_MASS_AMU = 0.004, 10.0, 3.0
MD = "MD, implicit solvent"


def molecular_dynamics(system, topology, positions, temperature_K: float) -> app.Simulation:
    """Langevin dynamics in the implicit solvent, ready to step."""
    integrator = openmm.LangevinMiddleIntegrator(temperature_K, FRICTION_PER_PS, TIMESTEP_PS)
    platform = openmm.Platform.getPlatformByName("Reference")
    simulation = app.Simulation(topology, system, integrator, platform)
    simulation.context.setPositions(positions)
    simulation.minimizeEnergy(maxIterations=100)
    return simulation


def alanine_dipeptide():
    """System, topology and positions of what the models of one molecule are of."""
    pdb = app.PDBFile(str(sd.pretrained("alanine-dipeptide-obc2").with_name("alanine-dipeptide.pdb")))
    system = app.ForceField("amber99sbildn.xml", "amber99_obc.xml").createSystem(
        pdb.topology, constraints=app.HBonds, hydrogenMass=HYDROGEN_MASS_AMU
    )
    return system, pdb.topology, pdb.getPositions(asNumpy=True).value_in_unit(unit.nanometer)


def peptide(sequence: str):
    """The same of a sequence, with charged ends."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples" / "peptides"))
    import build

    topology, positions_nm = build.structure(sequence, capped=False)
    return build.system(topology), topology, positions_nm


def candidates(path: Path, molecule: tuple, lags_ps: list[float]) -> dict:
    """What takes turns, by name: the work, and how many picoseconds it is."""
    _, topology, positions = molecule
    bound = sd.bind(path, topology, positions=positions)
    simulation = molecular_dynamics(*molecule, bound.card.temperature_K)
    minimum = simulation.context.getState(positions=True).getPositions(asNumpy=True)
    start = minimum.value_in_unit(unit.nanometer).astype(np.float32)
    found = {MD: (lambda: simulation.step(round(MD_PS / TIMESTEP_PS)), MD_PS)}
    for lag in lags_ps:
        single = sd.prepare(topology, bound, positions=start, lag=lag, platform="Reference", seed=1)
        replicas = np.repeat(start[None], BATCH, axis=0)
        found[f"single, {lag:g} ps"] = (lambda s=single: s.step(SINGLE_STEPS), SINGLE_STEPS * lag)
        found[f"batch of {BATCH}, {lag:g} ps"] = (
            lambda x=replicas, lag=lag: bound.sample(x, BATCH_STEPS, seed=3, lag_time_ps=lag),
            BATCH * BATCH_STEPS * lag,
        )
    return found


def main() -> None:
    """Measure and print."""
    arguments = command_line.of_a_model(__doc__, "alanine-dipeptide-obc2-lags", rounds=7)
    arguments.add_argument("--sequence", help="of a peptide, one letter a residue, with charged ends")
    arguments.add_argument("--lags", nargs="+", type=float, default=[1, 10, 100, 1000], help="ps")
    arguments.add_argument("--json", type=Path)
    options = command_line.parse(arguments)
    molecule = peptide(options.sequence) if options.sequence else alanine_dipeptide()
    works = candidates(options.model, molecule, options.lags)
    times = take_turns(
        works,
        options.rounds,
        time.process_time,
        lambda times: keep(options.json, {"seconds_per_ps": times}),
    )
    base = quartiles(times[MD])[1]
    print(f"{'':28}{'ps/s':>14}  {'quartiles':>27}{'of MD':>10}")
    for name, values in times.items():
        low, middle, high = quartiles(values)
        print(f"{name:28}{1 / middle:14,.0f}  {1 / high:13,.0f} {1 / low:13,.0f}{base / middle:10,.0f}x")


if __name__ == "__main__":
    main()
