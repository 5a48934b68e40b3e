"""MD of alanine dipeptide in TIP3P water with GROMACS, a frame of the solute each 0.1 ps, to count what the
guard refuses (guard_refusals.py).

    python benchmarks/guard_md.py OUT --until 14:00  # UTC, no new chunk after it; call again to go on

The settings are those of the reference data (`examples/data/alanine-dipeptide-tip3p`) and the box is theirs,
in another engine: AMBER99SB-ILDN and TIP3P as in GROMACS' own files, 300 K, `sd` with 1/ps, 4 fs, hydrogens
of 3 amu, X-H bonds constrained, PME, cutoff 0.8 nm, constant volume. Every chunk of 500 ps is a file
OUT/KIND/chunk_0001.npz: `positions_nm` (5000, 22, 3) float32. `free` is one trajectory; each chunk of
`phi_positive` is one of its own, whose phi was pulled to 60 degrees for 100 ps and then had 20 ps before the
first frame. A quarter of the chunks are of the second kind. Needs `gmx` (GROMACS 2021 or later), numpy,
openmm and mdtraj.
"""

import argparse
import sys
import time
from pathlib import Path

import mdtraj
import numpy as np
from openmm import app

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "examples" / "alkanes"))
import gromacs
from gromacs import COMMON, HYDROGEN_MASS_AMU, LANGEVIN, TIMESTEP_PS, VELOCITIES, gmx

STRUCTURE = ROOT / "python" / "openmm_scoredyn" / "pretrained" / "alanine-dipeptide.pdb"
BOX = ROOT / "examples" / "data" / "alanine-dipeptide-tip3p" / "box.npz"
CHUNK_PS, SPACING_PS, RELAX_PS, PULL_PS, SETTLE_PS = 500, 0.1, 100, 100, 20
# C, N, CA, C of phi, as GROMACS counts, then both peptide bonds, which the pull turned otherwise; degrees,
# kJ/mol/rad^2.
PULL = """
#ifdef PULL
[ dihedral_restraints ]
5 7 9 15 1 60.0 0.0 500.0
2 5 7 9 1 180.0 0.0 500.0
9 15 17 19 1 180.0 0.0 500.0
#endif
"""


def steps(duration_ps: float) -> int:
    """Number of time steps."""
    return round(duration_ps / TIMESTEP_PS)


def topology(folder: Path) -> None:
    """Leaves topol.top and box.gro of the reference data's box of water."""
    pdb = app.PDBFile(str(STRUCTURE))
    names = {("NME", "C"): "CH3", **{(r, f"H{n}"): f"HH3{n}" for r in ("ACE", "NME") for n in (1, 2, 3)}}
    atoms = list(pdb.topology.atoms())
    for atom in atoms:
        atom.name = names.get((atom.residue.name, atom.name), atom.name)
    with (folder / "solute.pdb").open("w") as file:
        app.PDBFile.writeFile(pdb.topology, pdb.positions, file, keepIds=True)
    gmx(
        "pdb2gmx -f solute.pdb -o solute.gro -p solute.top -i posre.itp -ff amber99sb-ildn -water tip3p",
        folder,
    )
    box = np.load(BOX)
    waters = len(box["residues"])
    text = heavier_hydrogens((folder / "solute.top").read_text()).replace(
        "; Include Position", PULL + "; Include Position"
    )
    (folder / "topol.top").write_text(text + f"SOL {waters}\n")
    (folder / "box.gro").write_text(gro(atoms, waters, box["positions_nm"], box["vectors_nm"]))
    ordered = [line[10:15].strip() for line in (folder / "solute.gro").read_text().splitlines()[2:-1]]
    if ordered != [atom.name for atom in atoms]:
        raise RuntimeError(
            f"pdb2gmx orders the atoms otherwise: {ordered}; expected the order of {STRUCTURE}."
        )


def heavier_hydrogens(text: str) -> str:
    """The topology with hydrogens of 3 amu, at the cost of what they are bonded to."""
    lines = text.splitlines()
    begin, bonds = lines.index("[ atoms ]"), lines.index("[ bonds ]")
    rows = {
        int(l.split()[0]): n
        for n, l in enumerate(lines)
        if begin < n < bonds and l.strip() and l.split()[0].isdigit()
    }
    masses = {atom: float(lines[n].split()[7]) for atom, n in rows.items()}
    light = {atom for atom, mass in masses.items() if mass < 1.1}
    for line in lines[bonds + 2 :]:
        if not line.strip():
            break
        first, second = map(int, line.split()[:2])
        if (first in light) != (second in light):
            hydrogen, heavy = (first, second) if first in light else (second, first)
            masses[heavy] -= HYDROGEN_MASS_AMU - masses[hydrogen]
            masses[hydrogen] = HYDROGEN_MASS_AMU
    for atom, n in rows.items():
        lines[n] = " ".join([*lines[n].split()[:7], f"{masses[atom]:.4f}"])
    return "\n".join(lines) + "\n"


def gro(atoms, waters: int, positions_nm: np.ndarray, vectors_nm: np.ndarray) -> str:
    """A .gro file of the solute and its water."""
    named = [(a.residue.index + 1, a.residue.name, a.name) for a in atoms]
    named += [(4 + n, "SOL", name) for n in range(waters) for name in ("OW", "HW1", "HW2")]
    rows = [
        f"{residue:5d}{kind:<5s}{name:>5s}{(n + 1) % 100000:5d}" + "".join(f"{x:10.5f}" for x in position)
        for n, ((residue, kind, name), position) in enumerate(zip(named, positions_nm, strict=True))
    ]
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = vectors_nm
    box = " ".join(f"{x:.5f}" for x in (ax, by, cz, ay, az, bx, bz, cx, cy))
    return "\n".join(["alanine dipeptide in water", str(len(rows)), *rows, box, ""])


def run(folder: Path, name: str, options: dict, start: str, more: str = "") -> None:
    """One run from a .gro file; leaves name.gro and name.cpt."""
    (folder / f"{name}.mdp").write_text(gromacs.mdp(options))
    gmx(f"grompp -f {name}.mdp -c {start} -p topol.top -o {name}.tpr -po out.mdp -maxwarn 1 {more}", folder)
    gromacs.mdrun(name, folder)


def begin(folder: Path) -> None:
    """Minimum and 100 ps at the box: leaves relaxed.gro and relaxed.cpt."""
    if (folder / "relaxed.gro").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    topology(folder)
    run(folder, "minimum", COMMON | {"integrator": "steep", "nsteps": 200, "emtol": 100}, "box.gro")
    own = {"gen-seed": 1, "ld-seed": 1, "nsteps": steps(RELAX_PS)}
    run(folder, "relaxed", LANGEVIN | VELOCITIES | own, "minimum.gro")


def extend(folder: Path, kind: str, number: int) -> None:
    """Chunk `number` of a kind."""
    (folder / kind).mkdir(exist_ok=True)
    seed = 1000 * (1 + ("free", "phi_positive").index(kind)) + number
    start = "relaxed" if number == 1 else f"{kind}_{number - 1:04d}"
    if kind == "phi_positive":
        pulled = {"define": "-DPULL", "gen-seed": seed, "ld-seed": seed, "nsteps": steps(PULL_PS)}
        run(folder, "pulled", LANGEVIN | VELOCITIES | pulled, "relaxed.gro")
        settled = {"continuation": "yes", "ld-seed": seed + 200, "nsteps": steps(SETTLE_PS)}
        run(folder, "settled", LANGEVIN | settled, "pulled.gro", "-t pulled.cpt")
        start = "settled"
    name = f"{kind}_{number:04d}"
    production = LANGEVIN | {
        "continuation": "yes",
        "ld-seed": seed + 500,
        "nsteps": steps(CHUNK_PS),
        "nstxout-compressed": steps(SPACING_PS),
        "compressed-x-grps": "Protein",
        "compressed-x-precision": 10000,
    }
    run(folder, name, production, f"{start}.gro", f"-t {start}.cpt")
    part = folder / "part.npz"
    np.savez(part, positions_nm=frames(folder, name))
    part.rename(folder / kind / f"chunk_{number:04d}.npz")
    for leftover in folder.glob(f"{name}.*"):
        if leftover.suffix not in (".gro", ".cpt", ".mdp"):
            leftover.unlink()


def frames(folder: Path, name: str) -> np.ndarray:
    """All frames but the first (which ends the chunk before), whole, (T, N, 3) float32, nm."""
    with mdtraj.formats.XTCTrajectoryFile(str(folder / f"{name}.xtc")) as file:
        positions, _, _, boxes = file.read()
    positions = positions.astype(np.float64)
    bonds = [(a.index, b.index) for a, b in app.PDBFile(str(STRUCTURE)).topology.bonds()]
    placed = {0}
    while len(placed) < positions.shape[1]:
        for i, j in [pair if pair[0] in placed else pair[::-1] for pair in bonds]:
            if i in placed and j not in placed:
                apart = positions[:, j] - positions[:, i]
                for axis in (2, 1, 0):
                    apart -= np.round(apart[:, axis, None] / boxes[0, axis, axis]) * boxes[0, axis]
                positions[:, j] = positions[:, i] + apart
                placed.add(j)
    if len(positions) != round(CHUNK_PS / SPACING_PS) + 1:
        raise RuntimeError(f"{name}: {len(positions)} frames; delete its files and run again.")
    return positions[1:].astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--until", default="", help="HH:MM, UTC: no chunk begins after it")
    given = parser.parse_args()
    begin(given.out)
    while not given.until or time.strftime("%H:%M", time.gmtime()) < given.until:
        done = {
            kind: len(list((given.out / kind).glob("chunk_????.npz"))) for kind in ("free", "phi_positive")
        }
        kind = "free" if done["free"] < 3 * (done["phi_positive"] + 1) else "phi_positive"
        began = time.monotonic()
        extend(given.out, kind, done[kind] + 1)
        print(
            f"{kind} {done[kind] + 1}: {CHUNK_PS / (time.monotonic() - began) * 86.4:.0f} ns a day",
            flush=True,
        )


if __name__ == "__main__":
    main()
