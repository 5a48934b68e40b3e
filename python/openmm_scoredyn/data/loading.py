"""Read trajectories of any kind into `Trajectory` objects."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from openmm_scoredyn.data.frame_store import is_store, load_store
from openmm_scoredyn.data.frame_stream import FrameStream, digest_of
from openmm_scoredyn.data.mdtraj_bridge import mdtraj_topology
from openmm_scoredyn.data.mdtraj_files import (
    FORMATS_WITH_TIMES,
    as_mdtraj,
    box_of,
    load_file,
    selected,
    sentences_of_mdtraj,
)
from openmm_scoredyn.data.sidecars import read_sidecar, require_agreement
from openmm_scoredyn.data.store import load_archive
from openmm_scoredyn.data.time_stamps import spacing_and_segments
from openmm_scoredyn.data.trajectory import Trajectory, require_same_molecule
from openmm_scoredyn.errors import TrajectoryError
from openmm_scoredyn.molecule.particles import Particles


def load(
    paths,
    *,
    topology=None,
    frame_spacing_ps: float | None = None,
    temperature_K: float | None = None,
    selection: str | None = None,
    periodic: bool = False,
) -> list[Trajectory]:
    """Read one file, several, or every trajectory of a folder.

    Parameters
    ----------
    paths : a path or a list of paths: npz files and stores of `scoredyn simulate`, `scoredyn run` and
        `scoredyn pack`, npz files with `positions_pm`, anything mdtraj reads, or folders, of which every
        `*.npz` and every store is read in the order of the names
    topology : for files that do not hold their own: a structure of any format that `read_structure` knows, or
        anything mdtraj takes as a topology.
        An npz file or a store of frames stands for its particles, types and masses of beads included, and
        where it is periodic the box of the files is kept.
    frame_spacing_ps : ps, for files that do not hold it; refused where a file says another
    temperature_K : K, for files that do not hold it; refused where a file says another
    selection : atoms to keep of an mdtraj-readable file, in mdtraj's language, for instance "protein"
    periodic : keep the box of an mdtraj-readable file: the particles are a periodic system of their own, no
        molecule taken out of its solvent

    Returns
    -------
    list of Trajectory, in the order of the paths; an npz file with steered and unsteered segments gives two

    Raises
    ------
    TrajectoryError
        If a path cannot be read, is cut, contradicts what is given, or its content is not a trajectory of two
        frames or more.
    MoleculeError
        If the files are not all of one molecule.

    Notes
    -----
    What `scoredyn run` left beside a trajectory (topology, spacing, temperature) is read with it. A file with
    water beside a molecule is refused: `selection` leaves it out.
    A file is cut into segments where its time stamps do not go on by one spacing, and frames that are there
    twice are dropped; both are logged.
    """
    reading = _Reading(topology, frame_spacing_ps, temperature_K, selection, periodic)
    trajectories = []
    for path in expand(paths):
        found = reading.read(path)
        trajectories += [replace(trajectory, source=str(path)) for trajectory in found]
    require_same_molecule(trajectories)
    return trajectories


def open_stream(
    path: Path,
    *,
    topology=None,
    frame_spacing_ps: float | None = None,
    temperature_K: float | None = None,
    selection: str | None = None,
) -> FrameStream:
    """A file that mdtraj reads, to be read a piece at a time; arguments as of `load`.

    Raises
    ------
    TrajectoryError
        If its topology cannot be read, or it does not say its frame spacing and nothing else does.
    MoleculeError
        If the topology is of a molecule that is not known, as beads without masses.
    """
    return _Reading(topology, frame_spacing_ps, temperature_K, selection, False).open(path)


@dataclass(frozen=True)
class _Reading:
    """What is known of files that do not say it themselves; as the arguments of `load`."""

    topology: object
    frame_spacing_ps: float | None
    temperature_K: float | None
    selection: str | None
    periodic: bool

    def read(self, path: Path) -> list[Trajectory]:
        """The trajectories of one file or store."""
        if path.is_dir() or path.suffix.lower() == ".npz":
            if path.is_dir():
                found = load_store(path)
            else:
                molecule = _molecule_of(self.topology, path) if self.topology is not None else None
                found = load_archive(path, molecule, self.temperature_K)
            for trajectory in found:
                require_agreement(path, "frame spacing", self.frame_spacing_ps, trajectory.frame_spacing_ps)
                require_agreement(path, "temperature", self.temperature_K, trajectory.temperature_K)
            return found
        return [self._completed(path)._read_with_mdtraj(path)]

    def _completed(self, path: Path) -> "_Reading":
        """The same, with what lies beside a trajectory of `scoredyn run`."""
        beside = read_sidecar(path)
        require_agreement(path, "frame spacing", self.frame_spacing_ps, beside.frame_spacing_ps)
        require_agreement(path, "temperature", self.temperature_K, beside.temperature_K)
        names = ("topology", "frame_spacing_ps", "temperature_K")
        lacking = [name for name in names if getattr(self, name) is None]
        return replace(self, **{name: getattr(beside, name) for name in lacking})

    def _holds_times(self, path: Path) -> bool:
        """Whether a file holds time stamps; if not, the spacing must be known."""
        holds_times = path.suffix.lower() in FORMATS_WITH_TIMES
        if self.frame_spacing_ps is None and not holds_times:
            raise TrajectoryError(
                f"Trajectory: {path.suffix} files do not hold a reliable frame spacing; give it (--spacing)."
            )
        return holds_times

    def open(self, path: Path) -> FrameStream:
        """A file that mdtraj reads, as `open_stream`."""
        known = self._completed(path)
        holds_times = known._holds_times(path)
        like = _trajectory_like(known.topology)
        with sentences_of_mdtraj(path):
            whole = mdtraj_topology(like.molecule) if like else as_mdtraj(known.topology or path)
            atoms = None if known.selection is None else selected(whole, known.selection)
            molecule = like.molecule if like else Particles.from_topology(whole.to_openmm())
        return FrameStream(
            path=path,
            topology=whole,
            atoms=atoms,
            molecule=molecule if atoms is None else molecule.subset(atoms.tolist()),
            holds_times=holds_times,
            frame_spacing_ps=known.frame_spacing_ps,
            temperature_K=known.temperature_K,
        )

    def _read_with_mdtraj(self, path: Path) -> Trajectory:
        holds_times = self._holds_times(path)
        like = _trajectory_like(self.topology)
        periodic = self.periodic or (like is not None and like.box is not None)
        topology: Any = self.topology if like is None else mdtraj_topology(like.molecule)
        loaded = load_file(path, topology, self.selection)
        if not periodic:
            _refuse_solvent(path, loaded.topology)
        if like is None:
            particles = Particles.from_topology(loaded.topology.to_openmm())
        elif self.selection is None:
            particles = like.molecule
        else:
            particles = like.molecule.subset(topology.select(self.selection).tolist())
        times_ps = loaded.time if holds_times else None
        spacing, segments = spacing_and_segments(path, times_ps, loaded.xyz, self.frame_spacing_ps)
        return Trajectory(
            segments=tuple(loaded.xyz[frames] for frames in segments),
            frame_spacing_ps=spacing,
            temperature_K=self.temperature_K,
            molecule=particles,
            steered=False,
            consecutive=len(segments) == 1,
            source_sha256=digest_of(path),
            box=box_of(path, loaded)[np.concatenate(segments)] if periodic else None,
        )


def _refuse_solvent(path: Path, topology) -> None:
    """A model is of a molecule without its solvent; who has both is told how to leave one out."""
    water = [residue for residue in topology.residues if residue.is_water]
    if water and len(water) < topology.n_residues:
        raise TrajectoryError(
            f"Trajectory: {path} holds water; expected the molecule alone, found {len(water)} residues"
            f" {water[0].name} of {topology.n_residues}; leave them out, as with --selection protein or"
            " --selection 'not water'."
        )


def expand(paths) -> list[Path]:
    """The files and stores of a path or a list of paths: other folders stand for every npz file and store in
    them; each can be opened.
    """
    files = []
    for path in map(Path, [paths] if isinstance(paths, (str, Path)) else paths):
        found = _inside(path) if path.is_dir() and not is_store(path) else [path]
        if not found:
            raise TrajectoryError(
                f"Trajectory: no npz file or store of frames in the folder {path}; give a folder with"
                " trajectories."
            )
        files += found
    if not files:
        raise TrajectoryError("Trajectory: no files given; expected at least one; name a trajectory file.")
    for path in files:
        try:
            if not path.is_dir():
                path.open("rb").close()
        except OSError as error:
            raise TrajectoryError(
                f"Trajectory: cannot read {path}; {error.strerror}; check the path."
            ) from None
    return files


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix == ".npz" or is_store(path))


def _trajectory_like(topology) -> Trajectory | None:
    """The trajectory that is given for a topology; None where a topology is."""
    if not isinstance(topology, (str, Path)):
        return None
    path = Path(topology)
    if is_store(path):
        return load_store(path)[0]
    return load_archive(path, None, None)[0] if path.suffix.lower() == ".npz" and path.is_file() else None


def _molecule_of(topology, path: Path) -> Particles:
    if (like := _trajectory_like(topology)) is not None:
        return like.molecule
    try:
        return Particles.from_topology(as_mdtraj(topology).to_openmm())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrajectoryError(
            f"Trajectory: cannot read the topology {topology} for {path} ({error}); give a PDB file."
        ) from None
