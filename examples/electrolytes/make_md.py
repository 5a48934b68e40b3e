#!/usr/bin/env python3
"""Reference MD of glymes with LiTFSI by GROMACS: OPLS-AA, 353 K, beads every 5 ps.

    python make_md.py OUT                # until every length is reached; stop at any time, call again;
                                         # for several cores, call it as often: no two make the same box
    python make_md.py OUT --until 07:00  # no new chunk after this time of day (UTC)
    python make_md.py OUT --pack         # beads of what is in OUT, to examples/data/electrolytes
    python make_md.py OUT --status

A box is filled with coiled chains and ions at low density, pressed together at 500 K, brought to 353 K and
1 bar, and simulated at its mean volume, chunk by chunk of 0.5 ns. Needs `gmx` (GROMACS 2021 or later), mdtraj
and openmm-scoredyn.
"""

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import mdtraj
import numpy as np
import openmm
from boxes import HELD_OUT, TRAINING, Composition, bead_rules, gro_text, topology_text
from molecules import Molecule
from openmm import app

sys.path.append(str(Path(__file__).resolve().parents[1]))
from background import claim, past
from gromacs_calls import gmx, mdp, mdrun, remove_parts, run_chunk, set_box

DATA = Path(__file__).resolve().parents[1] / "data" / "electrolytes"
TEMPERATURE_K, HOT_K, TIMESTEP_PS = 353.0, 500.0, 0.004
CHUNK_PS, FRAME_PS = 500, 5
FILLED_G_CM3 = 0.35
TRAINING_NS, HELD_OUT_NS, HELD_OUT_BOXES = 5.0, 6.0, 3

COMMON = {
    "cutoff-scheme": "Verlet",
    "coulombtype": "PME",
    "rcoulomb": 1.0,
    "rvdw": 1.0,
    "DispCorr": "EnerPres",
    "fourierspacing": 0.12,
    "constraints": "h-bonds",
    "lincs-order": 6,
    "nstcalcenergy": 100,
    "nstenergy": 500,
    "nstlog": 0,
}
DYNAMICS = COMMON | {
    "integrator": "md",
    "dt": TIMESTEP_PS,
    "tcoupl": "V-rescale",
    "tc-grps": "System",
    "tau-t": 1.0,
    "ref-t": TEMPERATURE_K,
}
BAROSTAT = {"pcoupl": "C-rescale", "tau-p": 2.0, "ref-p": 1.0, "compressibility": 6e-5}


@dataclass(frozen=True)
class Run:
    """A box: composition, number among the boxes of it, length (ns) and seed."""

    composition: str
    number: int
    length_ns: float
    seed: int

    @property
    def name(self) -> str:
        return f"{self.composition}_{self.number}"

    @property
    def packed(self) -> Path:
        return DATA / ("training" if self.composition in TRAINING else "held_out") / f"{self.name}.npz"

    def chunks(self, out: Path) -> list[Path]:
        return sorted((out / self.name).glob("chunk_????.xtc"))

    def done_ns(self, out: Path) -> float:
        return len(self.chunks(out)) * CHUNK_PS / 1000


def all_runs() -> list[Run]:
    """Every box of the data set, in the order of a first round."""
    runs = [Run(name, 1, TRAINING_NS, 100 + index) for index, name in enumerate(TRAINING)]
    for index, name in enumerate(HELD_OUT):
        runs += [Run(name, box + 1, HELD_OUT_NS, 200 + 10 * index + box) for box in range(HELD_OUT_BOXES)]
    return runs


def waiting_runs(out: Path) -> list[Run]:
    """Boxes that are not finished, the farthest behind first, those to train on before the others."""
    behind = [run for run in all_runs() if run.done_ns(out) < run.length_ns]
    return sorted(behind, key=lambda run: (run.composition in HELD_OUT, run.done_ns(out) / run.length_ns))


def coil(molecule: Molecule, seed: int) -> np.ndarray:
    """Positions (N, 3), nm, of a molecule drawn together in vacuum without charges, 12 ps at 600 K."""
    neutral = topology_text([(molecule, 1)], molecule.name)
    with tempfile.TemporaryDirectory() as temporary:
        (Path(temporary) / "one.top").write_text(neutral)
        system = app.GromacsTopFile(f"{temporary}/one.top").createSystem(nonbondedMethod=app.NoCutoff)
    for force in system.getForces():
        if isinstance(force, openmm.NonbondedForce):
            for i in range(force.getNumParticles()):
                _, sigma, epsilon = force.getParticleParameters(i)
                force.setParticleParameters(i, 0.0, sigma, epsilon)
            for i in range(force.getNumExceptions()):
                first, second, _, sigma, epsilon = force.getExceptionParameters(i)
                force.setExceptionParameters(i, first, second, 0.0, sigma, epsilon)
    pull = openmm.CustomExternalForce("20*(x^2+y^2+z^2)")  # kJ/mol/nm^2
    for i in range(system.getNumParticles()):
        pull.addParticle(i)
    system.addForce(pull)
    integrator = openmm.LangevinMiddleIntegrator(600, 1, 0.001)
    integrator.setRandomNumberSeed(seed)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(molecule.positions_nm)
    openmm.LocalEnergyMinimizer.minimize(context, 50, 200)
    context.setVelocitiesToTemperature(600, seed)
    integrator.step(12000)
    positions = context.getState(positions=True).getPositions(asNumpy=True)._value
    return positions - positions.mean(axis=0)


def fill(run: Run, folder: Path) -> None:
    """Coiled chains, then ions, at random places of a box of low density; leaves filled.gro and topol.top."""
    composition = Composition.named(run.composition)
    (folder / "topol.top").write_text(topology_text(composition.contents, composition.name))
    width_nm = (composition.mass_amu / 602.2 / FILLED_G_CM3) ** (1 / 3)
    box = f"-box {width_nm:.4f} {width_nm:.4f} {width_nm:.4f}"
    inserted = 0
    for molecule, number in composition.contents:
        each = number if molecule.name == "PEO" else 1  # every chain has its own coil
        for k in range(each):
            source = folder / "molecule.gro"
            source.write_text(gro_text(molecule, coil(molecule, 1000 * run.seed + k)))
            into = f"-f filled.gro {box}" if inserted else box
            gmx(
                f"insert-molecules -ci molecule.gro {into} -nmol {number // each} -try 2000"
                f" -seed {1000 * run.seed + inserted + 1} -o filled.gro",
                folder,
            )
            inserted += number // each
    found = int((folder / "filled.gro").read_text().splitlines()[1])
    expected = sum(len(m.types) * number for m, number in composition.contents)
    if found != expected:
        raise RuntimeError(f"{folder}: {found} of {expected} atoms fit into the box; fill it less.")


def stage(folder: Path, name: str, options: dict, start: str) -> None:
    """One run from a .gro file, unless it is done."""
    if (folder / f"{name}.gro").exists():
        return
    (folder / f"{name}.mdp").write_text(mdp(options))
    gmx(f"grompp -f {name}.mdp -c {start} -p topol.top -o {name}.tpr -po {name}.out.mdp", folder)
    mdrun(name, folder, f"-c {name}.part.gro")
    (folder / f"{name}.part.gro").rename(folder / f"{name}.gro")


def steps(length_ps: float) -> int:
    return round(length_ps / TIMESTEP_PS)


def equilibrate(run: Run, folder: Path) -> None:
    """Filled, minimised, pressed together at 500 K, 353 K and 1 bar; leaves box.gro of the mean volume of
    the last half, and all.tpr, the trajectory to come.
    """
    if (folder / "all.tpr").exists():
        return
    if not (folder / "minimum.gro").exists():
        fill(run, folder)
    stage(folder, "minimum", COMMON | {"integrator": "steep", "nsteps": 1000, "emtol": 500}, "filled.gro")
    seeds = {"gen-seed": run.seed, "ld-seed": run.seed}
    hot = DYNAMICS | BAROSTAT | seeds | {"ref-t": HOT_K, "gen-vel": "yes", "gen-temp": HOT_K}
    gentle = {"dt": 0.001, "nsteps": 30000, "ref-p": 500.0, "compressibility": 4e-4}
    stage(folder, "press", hot | gentle, "minimum.gro")
    stage(folder, "hot", hot | {"nsteps": steps(300)}, "press.gro")
    cold = {"gen-vel": "yes", "gen-temp": TEMPERATURE_K}
    stage(folder, "npt", DYNAMICS | BAROSTAT | seeds | cold | {"nsteps": steps(400)}, "hot.gro")
    gmx("energy -f npt.edr -o volume.xvg -xvg none", folder, text="Volume\n\n")
    volumes = np.loadtxt(folder / "volume.xvg", ndmin=2)[:, 1]
    set_box(folder / "npt.gro", volumes[len(volumes) // 2 :].mean(), folder / "box.gro")
    stage(folder, "relax", DYNAMICS | seeds | cold | {"nsteps": steps(200)}, "box.gro")
    production = DYNAMICS | {
        "nsteps": steps(1000 * run.length_ns),
        "ld-seed": run.seed,
        "continuation": "yes",
        "nstxout-compressed": steps(FRAME_PS),
    }
    (folder / "part.mdp").write_text(mdp(production))
    gmx("grompp -f part.mdp -c relax.gro -t relax.cpt -time 200 -p topol.top -o part.tpr", folder)
    (folder / "part.tpr").rename(folder / "all.tpr")


def extend(run: Run, out: Path) -> float:
    """Run the next chunk of a box, or what an interruption left of it; returns its speed, ns a day."""
    folder, done = out / run.name, len(run.chunks(out))
    equilibrate(run, folder)
    name, speed = run_chunk(folder, done + 1, CHUNK_PS)
    names = " ".join(part.name for part in sorted(folder.glob(f"{name}.part*.xtc")))
    gmx(f"trjcat -f {names} -o {name}.whole.xtc", folder)
    (folder / f"{name}.whole.xtc").rename(folder / f"{name}.xtc")
    remove_parts(folder, name)
    return speed


def extend_next(out: Path) -> bool:
    """Another chunk of the first waiting box that no other process makes; whether there was one."""
    for run in waiting_runs(out):
        lock = claim(out / run.name)
        if lock is None:
            continue
        with lock:
            speed = extend(run, out)
        print(f"{run.name}: {run.done_ns(out):g} ns, {speed:.0f} ns a day", flush=True)
        return True
    return False


def pack(run: Run, out: Path) -> None:
    """Beads of all chunks of a box, as one trajectory."""
    import openmm_scoredyn as sd

    if not run.chunks(out):
        return
    run.packed.parent.mkdir(parents=True, exist_ok=True)
    topology = Composition.named(run.composition).topology()
    with tempfile.TemporaryDirectory() as temporary:
        whole, structure = Path(temporary) / "whole.xtc", Path(temporary) / "first.pdb"
        files = " ".join(str(chunk.resolve()) for chunk in run.chunks(out))
        gmx(f"trjcat -f {files} -o whole.xtc", Path(temporary))
        first = next(mdtraj.iterload(str(whole), top=mdtraj.Topology.from_openmm(topology), chunk=1))
        first.save_pdb(str(structure))
        sd.coarse.coarsen(
            whole, run.packed, bead_rules(), topology=str(structure), temperature_K=TEMPERATURE_K
        )


def status(out: Path) -> str:
    """A line for each box: nanoseconds done, of how many."""
    return "\n".join(f"{run.name:12s} {run.done_ns(out):5.1f} of {run.length_ns:g} ns" for run in all_runs())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--until", default="", help="HH:MM, UTC: no chunk begins after it")
    parser.add_argument("--pack", action="store_true")
    parser.add_argument("--status", action="store_true")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if given.pack:
        for run in all_runs():
            pack(run, given.out)
    while not (given.status or given.pack or past(given.until)):
        if not extend_next(given.out):
            break
    print(status(given.out))


if __name__ == "__main__":
    main()
