"""Read trajectories of any kind into `Trajectory` objects."""

import hashlib
from pathlib import Path

from openmm_scoredyn.data.store import load_archive
from openmm_scoredyn.data.trajectory import Trajectory, require_same_molecule
from openmm_scoredyn.errors import MissingDependencyError, TrajectoryError
from openmm_scoredyn.molecule.particles import Particles

# mdtraj invents a spacing of 1 ps for every other format.
_FORMATS_WITH_TIMES = {".xtc", ".trr", ".h5", ".hdf5", ".nc", ".netcdf", ".ncdf", ".lh5"}


def load(
    paths,
    *,
    topology=None,
    frame_spacing_ps: float | None = None,
    temperature_K: float | None = None,
    selection: str | None = None,
) -> list[Trajectory]:
    """Read one file, several, or every npz file of a folder.

    Parameters
    ----------
    paths : a path or a list of paths: npz files of `scoredyn simulate` and `scoredyn pack`, npz files with
    `positions_pm`,
        anything mdtraj reads, or folders, of which every `*.npz` is read in the order of the names
    topology : PDB file (or anything mdtraj takes as a topology) for files that do not hold their own
    frame_spacing_ps : ps, for files that do not hold it, or to correct what they hold; not used for npz files
    temperature_K : K, for files that do not hold it
    selection : atoms to keep of an mdtraj-readable file, in mdtraj's language, for instance "protein"

    Returns
    -------
    list of Trajectory, in the order of the paths; an npz file with steered and unsteered segments gives two

    Raises
    ------
    TrajectoryError
        If a path cannot be read or its content is not a trajectory of two frames or more.
    MoleculeError
        If the files are not all of one molecule.
    """
    files = expand(paths)
    trajectories = []
    for path in files:
        if path.suffix.lower() == ".npz":
            molecule = _molecule_of(topology, path) if topology is not None else None
            trajectories += load_archive(path, molecule, temperature_K)
        else:
            trajectories.append(_load_with_mdtraj(path, topology, frame_spacing_ps, temperature_K, selection))
    require_same_molecule(trajectories)
    return trajectories


def expand(paths) -> list[Path]:
    """The files of a path or a list of paths: folders stand for every npz file in them; each
    can be opened.
    """
    files = []
    for path in map(Path, [paths] if isinstance(paths, (str, Path)) else paths):
        found = sorted(path.glob("*.npz")) if path.is_dir() else [path]
        if not found:
            raise TrajectoryError(
                f"Trajectory: no npz file in the folder {path}; give a folder with trajectories."
            )
        files += found
    if not files:
        raise TrajectoryError("Trajectory: no files given; expected at least one; name a trajectory file.")
    for path in files:
        try:
            path.open("rb").close()
        except OSError as error:
            raise TrajectoryError(
                f"Trajectory: cannot read {path}; {error.strerror}; check the path."
            ) from None
    return files


def _mdtraj():
    try:
        import mdtraj
    except ImportError:
        raise MissingDependencyError(
            "Trajectory: files other than npz are read with mdtraj, which is not installed; "
            "run `pip install 'openmm-scoredyn[analysis]'`."
        ) from None
    return mdtraj


def _molecule_of(topology, path: Path) -> Particles:
    mdtraj = _mdtraj()
    try:
        loaded = mdtraj.load_topology(str(topology)) if isinstance(topology, (str, Path)) else topology
        return Particles.from_topology(loaded.to_openmm())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrajectoryError(
            f"Trajectory: cannot read the topology {topology} for {path} ({error}); give a PDB file."
        ) from None


def _load_with_mdtraj(path: Path, topology, spacing, temperature_K, selection) -> Trajectory:
    mdtraj = _mdtraj()
    if spacing is None and path.suffix.lower() not in _FORMATS_WITH_TIMES:
        raise TrajectoryError(
            f"Trajectory: {path.suffix} files do not hold a reliable frame spacing; give it in ps"
            " (--spacing-ps)."
        )
    try:
        keywords = (
            {} if topology is None else {"top": str(topology) if isinstance(topology, Path) else topology}
        )
        loaded = mdtraj.load(str(path), **keywords)
        if selection is not None:
            loaded = loaded.atom_slice(loaded.topology.select(selection))
        if loaded.unitcell_vectors is not None and loaded.n_atoms > 1:
            loaded.make_molecules_whole(inplace=True)
    except Exception as error:  # noqa: BLE001 - mdtraj's readers raise anything from OSError to bare RuntimeError
        reason = " ".join(str(error).split())[:200]
        raise TrajectoryError(
            f"Trajectory: cannot read {path} ({reason}); expected a trajectory that mdtraj reads, with the"
            " topology it was made with; check both files."
        ) from None
    if spacing is None:
        spacing = float(loaded.timestep) if loaded.n_frames > 1 else None
    return Trajectory(
        segments=(loaded.xyz,),
        frame_spacing_ps=spacing,
        temperature_K=temperature_K,
        molecule=Particles.from_topology(loaded.topology.to_openmm()),
        steered=False,
        consecutive=True,
        source_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )
