"""Read trajectories of any kind into `Trajectory` objects."""

import hashlib
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from openmm_scoredyn.data.frame_sizes import require_whole
from openmm_scoredyn.data.frame_store import is_store, load_store
from openmm_scoredyn.data.mdtraj_bridge import import_mdtraj, mdtraj_topology
from openmm_scoredyn.data.sidecars import read_sidecar
from openmm_scoredyn.data.store import load_archive
from openmm_scoredyn.data.time_stamps import segments_of
from openmm_scoredyn.data.trajectory import Trajectory, require_same_molecule
from openmm_scoredyn.errors import MissingDependencyError, TrajectoryError
from openmm_scoredyn.molecule.formats import find_format
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.molecule.structure import read_structure

_LOGGER = logging.getLogger(__name__)

# mdtraj invents a spacing of 1 ps for every other format.
_FORMATS_WITH_TIMES = {".xtc", ".trr", ".h5", ".hdf5", ".nc", ".netcdf", ".ncdf", ".lh5"}


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
                _require_agreement(path, "frame spacing", self.frame_spacing_ps, trajectory.frame_spacing_ps)
                _require_agreement(path, "temperature", self.temperature_K, trajectory.temperature_K)
            return found
        return [self._completed(path)._read_with_mdtraj(path)]

    def _completed(self, path: Path) -> "_Reading":
        """The same, with what lies beside a trajectory of `scoredyn run`."""
        beside = read_sidecar(path)
        _require_agreement(path, "frame spacing", self.frame_spacing_ps, beside.frame_spacing_ps)
        _require_agreement(path, "temperature", self.temperature_K, beside.temperature_K)
        names = ("topology", "frame_spacing_ps", "temperature_K")
        lacking = [name for name in names if getattr(self, name) is None]
        return replace(self, **{name: getattr(beside, name) for name in lacking})

    def _read_with_mdtraj(self, path: Path) -> Trajectory:
        holds_times = path.suffix.lower() in _FORMATS_WITH_TIMES
        if self.frame_spacing_ps is None and not holds_times:
            raise TrajectoryError(
                f"Trajectory: {path.suffix} files do not hold a reliable frame spacing; give it (--spacing)."
            )
        like = _trajectory_like(self.topology)
        periodic = self.periodic or (like is not None and like.box is not None)
        topology: Any = self.topology if like is None else mdtraj_topology(like.molecule)
        loaded = _load_with_mdtraj(path, topology, self.selection)
        if not periodic:
            _refuse_solvent(path, loaded.topology)
        if like is None:
            particles = Particles.from_topology(loaded.topology.to_openmm())
        elif self.selection is None:
            particles = like.molecule
        else:
            particles = like.molecule.subset(topology.select(self.selection).tolist())
        spacing, segments = self._spacing_and_segments(path, loaded, holds_times)
        return Trajectory(
            segments=tuple(loaded.xyz[frames] for frames in segments),
            frame_spacing_ps=spacing,
            temperature_K=self.temperature_K,
            molecule=particles,
            steered=False,
            consecutive=len(segments) == 1,
            source_sha256=_digest_of(path),
            box=_box_of(path, loaded)[np.concatenate(segments)] if periodic else None,
        )

    def _spacing_and_segments(
        self, path: Path, loaded, holds_times: bool
    ) -> tuple[float, tuple[np.ndarray, ...]]:
        """Frame spacing, ps, and the frames of each segment of an mdtraj.Trajectory."""
        if holds_times and loaded.n_frames > 1:
            found = segments_of(loaded.time, loaded.xyz, str(path))
            _require_agreement(path, "frame spacing", self.frame_spacing_ps, found.spacing_ps)
            for remark in found.remarks():
                _LOGGER.warning("%s: %s.", path, remark)
            return found.spacing_ps, found.segments
        if self.frame_spacing_ps is None:
            raise TrajectoryError(
                f"Trajectory: {path} is too short; expected at least 2 frames, found"
                f" {loaded.n_frames}; make a longer one."
            )
        return self.frame_spacing_ps, (np.arange(loaded.n_frames),)


def _require_agreement(path: Path, what: str, given: float | None, found: float | None) -> None:
    """A value that the user gives and the file contradicts is a mistake in one of them."""
    if given is None or found is None or abs(given - found) <= 1e-4 * abs(found):
        return
    unit = "K" if what == "temperature" else "ps"
    raise TrajectoryError(
        f"Trajectory: the {what} given contradicts {path}; expected {found:g} {unit}, as the file says, found"
        f" {given:g} {unit}; leave it out."
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


def _digest_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
        return Particles.from_topology(_as_mdtraj(topology).to_openmm())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrajectoryError(
            f"Trajectory: cannot read the topology {topology} for {path} ({error}); give a PDB file."
        ) from None


def _as_mdtraj(topology):
    """An mdtraj.Topology from a structure of any format, or from what mdtraj takes for one."""
    mdtraj = import_mdtraj()
    if not isinstance(topology, (str, Path)):
        return getattr(topology, "topology", topology)
    if find_format(Path(topology)) is None:
        return mdtraj.load_topology(str(topology))
    return mdtraj.Topology.from_openmm(read_structure(topology, with_positions=False).topology)


def _load_with_mdtraj(path: Path, topology, selection: str | None):
    """An mdtraj.Trajectory with whole molecules."""
    mdtraj = import_mdtraj()
    keywords = {} if topology is None else {"top": _as_mdtraj(topology)}
    require_whole(path, keywords["top"].n_atoms if keywords else None)
    try:
        loaded = mdtraj.load(str(path), **keywords)
        if selection is not None:
            loaded = loaded.atom_slice(_selected(loaded.topology, selection))
        if loaded.unitcell_vectors is not None and loaded.n_atoms > 1 and loaded.topology.n_bonds:
            # mdtraj reads boxes of .gro files in double precision, which its own function does not take.
            loaded.unitcell_vectors = loaded.unitcell_vectors.astype(np.float32)
            loaded.make_molecules_whole(inplace=True)
    except ImportError as error:
        # mdtraj reads HDF5 with PyTables, which is not among its own requirements.
        raise MissingDependencyError(
            f"Trajectory: {path.suffix} files need a package that is not installed ({error.name or error});"
            f" install it, or convert {path.name} to .xtc."
        ) from None
    except Exception as error:  # noqa: BLE001 - mdtraj's readers raise anything from OSError to bare RuntimeError
        reason = " ".join(str(error).split())[:200]
        raise TrajectoryError(
            f"Trajectory: cannot read {path} ({reason}); expected a trajectory that mdtraj reads, with the"
            " topology it was made with; check both files."
        ) from None
    return loaded


def _selected(topology, selection: str) -> np.ndarray:
    """Indices of the atoms of a selection in mdtraj's language."""
    atoms = topology.select(selection)
    if len(atoms) == 0:
        raise ValueError(f"the selection {selection!r} is of none of the {topology.n_atoms} atoms")
    return atoms


def _box_of(path: Path, loaded) -> np.ndarray:
    """Box vectors (T, 3, 3), nm."""
    if loaded.unitcell_vectors is None:
        raise TrajectoryError(
            f"Trajectory: {path} has no box; expected one for a periodic system; read it as one without."
        )
    return loaded.unitcell_vectors
