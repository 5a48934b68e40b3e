"""Add trajectories to a folder of packed ones, with a card that says what each is and how it was made."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from openmm_scoredyn.data.atomic import make_directory
from openmm_scoredyn.data.data_card import PHYSICS, read_card, write_card
from openmm_scoredyn.data.frame_store import FrameStore, is_store
from openmm_scoredyn.data.loading import expand, load
from openmm_scoredyn.data.lock import exclusive
from openmm_scoredyn.data.packed import save_packed
from openmm_scoredyn.data.store import read_description
from openmm_scoredyn.data.trajectory import Trajectory, first_difference
from openmm_scoredyn.errors import MoleculeError, TrajectoryError
from openmm_scoredyn.molecule.particles import Particles

_RECORDED = (*PHYSICS, "seed", "trajectory", "steering", "package_version")


def pack(
    sources,
    directory: str | Path,
    *,
    name: str | None = None,
    record: dict | None = None,
    system=None,
    **reading,
) -> list[Path]:
    """Pack trajectories into a folder; those of earlier calls stay, and a source that is there already is
    left out.

    The centroid of every frame is moved to the origin, but for frames of packed files that keep theirs, as
    those of `coarse.coarsen`.

    Parameters
    ----------
    sources : files and folders, as `load` takes them
    directory : of the packed files, `card.json` and `README.md`
    name : the files are called NAME_0000.npz and so on; default: the folder each source lies in
    record : how the trajectories were made, for files that do not say it themselves: `engine` with its
        version, and any of
        force_field, solvent, integrator, friction_per_ps, timestep_fs, hydrogen_mass_amu, cutoff_nm,
        pressure_bar, seed. With hydrogen_mass_amu the masses of the molecule are those after repartitioning.
    system : openmm.System, optional
        Of the molecule: its masses and the parameters of its force field are packed with the frames.
    reading : topology, frame_spacing_ps, temperature_K and selection of `load`

    Returns
    -------
    list of Path, of the new files

    Raises
    ------
    TrajectoryError
        If a source cannot be read, does not say its engine or temperature, or the record has an unknown name.
    MoleculeError
        If a source is of another molecule than what is packed already.
    """
    record = dict(record or {})
    unknown = sorted(set(record) - set(_RECORDED))
    if unknown:
        raise TrajectoryError(
            f"pack: unknown {unknown[0]}; expected one of {', '.join(_RECORDED)}; use one of these names."
        )
    directory = Path(directory)
    existed = directory.exists()
    make_directory(directory)
    try:
        with exclusive(directory, "pack"):
            return _pack(sources, directory, name, _Making(record, system), reading)
    finally:
        if not existed and not any(directory.iterdir()):
            directory.rmdir()


@dataclass(frozen=True)
class _Making:
    """How trajectories were made, where files do not say it: `record` and `system` of `pack`."""

    record: dict
    system: object | None

    def molecule(self, found: Particles) -> Particles:
        """What a file without a record of its own holds, with the masses of the dynamics."""
        if self.system is not None:
            return found.with_system(self.system)
        if "hydrogen_mass_amu" in self.record:
            return _repartitioned(found, float(self.record["hydrogen_mass_amu"]))
        return found


class _New(NamedTuple):
    """A trajectory that is about to be packed into NAME_0000.npz or so."""

    name: str
    trajectory: Trajectory
    metadata: dict
    keep_centroids: bool


def _pack(sources, directory: Path, name: str | None, making: _Making, reading: dict) -> list[Path]:
    entries = read_card(directory)
    known = {entry["source_sha256"] for entry in entries}
    new = []
    # Everything is read and checked before anything is written.
    for path in expand(sources):
        keep, read = _read(path, making, reading)
        for trajectory, metadata in read:
            if trajectory.source_sha256 not in known:
                known.add(trajectory.source_sha256)
                new.append(_New(name or path.resolve().parent.name, trajectory, metadata, keep))
    _require_one_molecule(directory, entries, new)
    written = []
    for one in new:
        path = _free_path(directory, one.name, entries)
        save_packed(path, one.trajectory, one.metadata, keep_centroids=one.keep_centroids)
        entries.append(_entry(path, one.trajectory, one.metadata))
        written.append(path)
    write_card(directory, entries)
    return written


def _read(path: Path, making: _Making, reading: dict) -> tuple[bool, list[tuple[Trajectory, dict]]]:
    """Whether frames stay where they are, and the trajectories, each with what is recorded of it."""
    stored, keep = (dict(FrameStore(path).header), False) if is_store(path) else read_description(path)
    if "openmm_version" in stored:
        stored.setdefault("engine", f"OpenMM {stored['openmm_version']}")
    metadata = {key: value for key, value in (making.record | stored).items() if key in _RECORDED}
    if "engine" not in metadata:
        raise TrajectoryError(
            f"pack: {path} does not say what made it; expected the engine and its version, as GROMACS 2022.5;"
            " name it (--engine)."
        )
    read = []
    for trajectory in load(path, **reading):
        if trajectory.temperature_K is None:
            raise TrajectoryError(
                f"pack: {path} does not say its temperature; expected it in K; give it (--temperature)."
            )
        described = {name: metadata[name] for name in ("force_field", "solvent") if name in metadata}
        if not stored:
            described["molecule"] = making.molecule(trajectory.molecule)
        metadata |= {
            "frame_spacing_ps": trajectory.frame_spacing_ps,
            "temperature_K": trajectory.temperature_K,
        }
        read.append((replace(trajectory, **described), dict(metadata)))
    return keep, read


def _repartitioned(molecule: Particles, hydrogen_mass_amu: float) -> Particles:
    """Heavier hydrogens at the expense of what they are bonded to, as
    `createSystem(hydrogenMass=...)` does.
    """
    masses = list(molecule.masses_amu)
    for bond in molecule.bonds:
        for hydrogen, other in (bond, bond[::-1]):
            if molecule.types[hydrogen] == "H" != molecule.types[other]:
                masses[other] -= hydrogen_mass_amu - masses[hydrogen]
                masses[hydrogen] = hydrogen_mass_amu
    return replace(molecule, masses_amu=tuple(masses))


def _require_one_molecule(directory: Path, entries: list[dict], new: list[_New]) -> None:
    molecules = [one.trajectory.molecule for one in new]
    if entries and new:
        molecules.insert(0, load(directory / entries[0]["file"])[0].molecule)
    for molecule in molecules[1:]:
        difference = first_difference(molecules[0], molecule)
        if difference:
            raise MoleculeError(
                f"pack: a folder holds trajectories of one molecule; {difference}; pack into another folder."
            )


def _free_path(directory: Path, prefix: str, entries: list[dict]) -> Path:
    """The next number: a file that a killed call left behind is not in the card, and is written over."""
    taken, number = {entry["file"] for entry in entries}, 0
    while f"{prefix}_{number:04d}.npz" in taken:
        number += 1
    return directory / f"{prefix}_{number:04d}.npz"


def _entry(path: Path, trajectory: Trajectory, metadata: dict) -> dict:
    content = path.read_bytes()
    kind = "shot" if trajectory.weights is not None else "steered" if trajectory.steered else "unsteered"
    return {
        "file": path.name,
        "kind": kind,
        "segments": len(trajectory.segments),
        "frames": trajectory.n_frames,
        "ns": trajectory.length_ps / 1000,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "source_sha256": trajectory.source_sha256,
        **metadata,
    }
