"""Trajectory files that mdtraj reads: whole or a piece at a time, with whole molecules, and a sentence for
whatever its readers stumble on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from openmm_scoredyn.data.frame_sizes import require_whole
from openmm_scoredyn.data.mdtraj_bridge import import_mdtraj
from openmm_scoredyn.errors import MissingDependencyError, ScoreDynError, TrajectoryError
from openmm_scoredyn.molecule.formats import find_format
from openmm_scoredyn.molecule.structure import read_structure

# mdtraj invents a spacing of 1 ps for every other format.
FORMATS_WITH_TIMES = {".xtc", ".trr", ".h5", ".hdf5", ".nc", ".netcdf", ".ncdf", ".lh5"}


def as_mdtraj(topology):
    """An mdtraj.Topology from a structure of any format, or from what mdtraj takes for one."""
    mdtraj = import_mdtraj()
    if not isinstance(topology, (str, Path)):
        return getattr(topology, "topology", topology)
    if find_format(Path(topology)) is None:
        return mdtraj.load_topology(str(topology))
    return mdtraj.Topology.from_openmm(read_structure(topology, with_positions=False).topology)


def load_file(path: Path, topology, selection: str | None):
    """An mdtraj.Trajectory with whole molecules; `topology` may be None where the file holds it."""
    mdtraj = import_mdtraj()
    with sentences_of_mdtraj(path):
        keywords = {} if topology is None else {"top": as_mdtraj(topology)}
        require_whole(path, keywords["top"].n_atoms if keywords else None)
        loaded = mdtraj.load(str(path), **keywords)
        if selection is not None:
            loaded = loaded.atom_slice(selected(loaded.topology, selection))
        return _whole(loaded)


def iterate_file(path: Path, topology, atoms: np.ndarray | None, n_frames: int) -> Iterator:
    """mdtraj.Trajectory objects of `n_frames` or fewer, with whole molecules.

    Parameters
    ----------
    topology : mdtraj.Topology of the file
    atoms : those to keep, or None for all
    """
    mdtraj = import_mdtraj()
    require_whole(path, topology.n_atoms)
    with sentences_of_mdtraj(path):
        for piece in mdtraj.iterload(str(path), chunk=n_frames, top=topology, atom_indices=atoms):
            yield _whole(piece)


def _whole(loaded):
    """The same with molecules whole, where there is a box; in place."""
    if loaded.unitcell_vectors is not None and loaded.n_atoms > 1 and loaded.topology.n_bonds:
        # mdtraj reads boxes of .gro files in double precision, which its own function does not take.
        loaded.unitcell_vectors = loaded.unitcell_vectors.astype(np.float32)
        loaded.make_molecules_whole(inplace=True)
    return loaded


@contextmanager
def sentences_of_mdtraj(path: Path) -> Iterator[None]:
    """Turn what readers raise into one sentence, but for what is one already."""
    try:
        yield
    except ScoreDynError:
        raise
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


def selected(topology, selection: str) -> np.ndarray:
    """Indices of the atoms of a selection in mdtraj's language."""
    atoms = topology.select(selection)
    if len(atoms) == 0:
        raise ValueError(f"the selection {selection!r} is of none of the {topology.n_atoms} atoms")
    return atoms


def box_of(path: Path, loaded) -> np.ndarray:
    """Box vectors (T, 3, 3), nm."""
    if loaded.unitcell_vectors is None:
        raise TrajectoryError(
            f"Trajectory: {path} has no box; expected one for a periodic system; read it as one without."
        )
    return loaded.unitcell_vectors
