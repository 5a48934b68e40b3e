"""Calls of GROMACS that the recipes share: commands, boxes, speed."""

import re
import subprocess
from pathlib import Path

import numpy as np


class GromacsError(RuntimeError):
    """A GROMACS command failed; its output is in the message."""


def gmx(command: str, folder: Path, text: str = "") -> str:
    """Run `gmx COMMAND` in a folder; returns what it printed."""
    done = subprocess.run(
        ["gmx", "-nobackup", *command.split()],
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise GromacsError(f"gmx {command} in {folder} failed:\n{done.stderr[-4000:]}")
    return done.stdout + done.stderr


def mdrun(name: str, folder: Path, more: str = "") -> None:
    """Run NAME.tpr on one core."""
    gmx(f"mdrun -deffnm {name} -ntmpi 1 -ntomp 1 -pin off {more}", folder)


def mdp(options: dict) -> str:
    """The text of an .mdp file."""
    return "".join(f"{name} = {value}\n" for name, value in options.items())


def version() -> str:
    """The version of GROMACS, as 2022.5."""
    return re.search(r"GROMACS version:\s+([0-9.]+)", gmx("--version", Path("."))).group(1)


def set_box(path: Path, volume_nm3: float, out: Path) -> None:
    """Copy a .gro file with coordinates and box scaled to a volume."""
    old = box_vectors(path)
    scale = (volume_nm3 / abs(np.linalg.det(old))) ** (1 / 3)
    gmx(f"editconf -f {path.name} -o {out.name} -scale {scale:.8f} {scale:.8f} {scale:.8f}", path.parent)


def box_vectors(path: Path) -> np.ndarray:
    """Box vectors (3, 3), nm, rows, of a .gro file."""
    v = [float(x) for x in path.read_text().splitlines()[-1].split()]
    v += [0.0] * (9 - len(v))
    return np.array([[v[0], v[3], v[4]], [v[5], v[1], v[6]], [v[7], v[8], v[2]]])


def speed_ns_per_day(log: Path) -> float:
    """The speed that mdrun wrote at the end of its log."""
    found = re.findall(r"^Performance:\s+(\S+)", log.read_text(), flags=re.MULTILINE)
    return float(found[-1]) if found else float("nan")


def run_chunk(folder: Path, number: int, length_ps: int) -> tuple[str, float]:
    """Run the chunk of this number, from 1 on, of the trajectory all.tpr, or what an interruption left of it.

    Its frames are in NAME.part*.xtc. Returns NAME and its speed, ns a day.
    """
    name, before = f"chunk_{number:04d}", f"chunk_{number - 1:04d}"
    gmx(f"convert-tpr -s all.tpr -until {number * length_ps} -o {name}.tpr", folder)
    state = name if (folder / f"{name}.cpt").exists() else before
    begun = (folder / f"{state}.cpt").exists()
    mdrun(name, folder, f"-noappend -cpi {state}.cpt" if begun else "-noappend")
    return name, speed_ns_per_day(max(folder.glob(f"{name}.part*.log")))


def remove_parts(folder: Path, name: str) -> None:
    """Remove what a chunk was made of, once its frames are elsewhere."""
    for pattern in (f"{name}.part*.xtc", f"{name}.part*.gro", "*_prev.cpt"):
        for leftover in folder.glob(pattern):
            leftover.unlink()


def angles_and_torsions(bonds, neighbours: list[list[int]]) -> tuple[list, list]:
    """Atoms of every angle (i, j, k) and torsion (i, j, k, l) along bonds."""
    angles = [(i, j, k) for j, near in enumerate(neighbours) for i in near for k in near if i < k]
    torsions = [
        (i, j, k, l) for j, k in bonds for i in neighbours[j] for l in neighbours[k] if i != k and l != j
    ]
    return angles, torsions
