"""Crystal structure of every atom, by OVITO: common neighbour analysis and polyhedral template matching."""

import numpy as np

from openmm_scoredyn.errors import DenoisingError, MissingDependencyError

# Names as they are written to files, in the order of the numbers `classify` gives.
STRUCTURES = ("other", "fcc", "hcp", "bcc", "ico", "sc", "diamond")
METHODS = ("cna", "cna-fixed", "ptm")
# Of PTM: mismatch above which an atom is of no structure; OVITO's own default.
RMSD_CUTOFF = 0.1
# Halfway between the first and the second shell of fcc and hcp, in nearest-neighbour distances.
FIXED_CUTOFF = (1 + 2**0.5) / 2


def classify(
    positions, cell, periodic=(True, True, True), method: str = "cna", cutoff: float | None = None
) -> np.ndarray:
    """Structure of every atom.

    Parameters
    ----------
    positions : (N, 3);  cell : (3, 3), rows are the vectors, same unit
    periodic : three bools
    method : {"cna", "cna-fixed", "ptm"}
        Adaptive common neighbour analysis, the same with a fixed cutoff, polyhedral template matching.
        Diamond is seen by "ptm" only, simple cubic too.
    cutoff : of "cna-fixed": neighbours within this distance, in the unit of the positions; of "ptm": largest
    mismatch, default
        0.1, 0 for none

    Returns
    -------
    (N,) int, index into `STRUCTURES`

    Raises
    ------
    MissingDependencyError
        If OVITO's Python package is not installed.
    DenoisingError
        If the method is unknown or its cutoff is missing.
    """
    check_method(method)
    modifier, names = _modifier(method, cutoff)
    data = _collection(np.asarray(positions, dtype=float), np.asarray(cell, dtype=float), periodic)
    data.apply(modifier)
    found = np.asarray(data.particles["Structure Type"])
    numbers = np.zeros(max(names) + 1, dtype=int)
    for number, name in names.items():
        numbers[number] = STRUCTURES.index(name)
    return numbers[found]


def classify_both(
    before, after, cell, periodic, method: str, spacing: float
) -> tuple[np.ndarray, np.ndarray]:
    """Structure of every atom in a frame before and after denoising, (N,) and (N,) as `classify`, alike in
    all settings.

    Parameters
    ----------
    before, after : (N, 3); cell : (3, 3), rows are the vectors, zeros for a cluster; periodic : bool or three
    bools
    method : as `classify`
    spacing : nearest-neighbour distance, in the unit of the positions; "cna-fixed" looks as far as
    `FIXED_CUTOFF` of it

    Raises
    ------
    MissingDependencyError, DenoisingError
        As `classify`.
    """
    if not np.any(cell):
        # OVITO wants a cell; where nothing repeats, any that holds the atoms will do.
        cell = np.diag(np.ptp(after, axis=0) + 10 * spacing)
    cutoff = FIXED_CUTOFF * spacing if method == "cna-fixed" else None
    first, second = (classify(positions, cell, periodic, method, cutoff) for positions in (before, after))
    return first, second


def names_of(structures: np.ndarray) -> list[str]:
    """Name of every atom's structure."""
    return [STRUCTURES[number] for number in structures]


def count(structures: np.ndarray) -> dict[str, int]:
    """Number of atoms of every structure, those that do not occur left out."""
    numbers = np.bincount(structures, minlength=len(STRUCTURES))
    return {name: int(number) for name, number in zip(STRUCTURES, numbers) if number}


def check_method(method: str) -> None:
    """Refuse an unknown method, and any if OVITO is not installed; errors as `classify`."""
    if method not in METHODS:
        raise DenoisingError(
            f"classify: unknown method; expected one of {', '.join(METHODS)}, found {method!r}; use one of"
            " them."
        )
    _ovito()


def _modifier(method: str, cutoff: float | None):
    modifiers = _ovito().modifiers
    if method == "ptm":
        kind = modifiers.PolyhedralTemplateMatchingModifier
        modifier = kind(rmsd_cutoff=RMSD_CUTOFF if cutoff is None else cutoff)
        names = {int(kind.Type.SC): "sc", int(kind.Type.CUBIC_DIAMOND): "diamond"} | _common(kind)
        for structure in modifier.structures:
            structure.enabled = structure.id in names
        return modifier, names
    kind = modifiers.CommonNeighborAnalysisModifier
    if method == "cna":
        return kind(mode=kind.Mode.AdaptiveCutoff), _common(kind)
    if cutoff is None or not cutoff > 0:
        raise DenoisingError(
            f"classify: CNA with a fixed cutoff needs one; expected a positive length, found {cutoff!r}; give"
            " cutoff=."
        )
    return kind(mode=kind.Mode.FixedCutoff, cutoff=cutoff), _common(kind)


def _common(kind) -> dict[int, str]:
    types = kind.Type
    return {
        int(types.OTHER): "other",
        int(types.FCC): "fcc",
        int(types.HCP): "hcp",
        int(types.BCC): "bcc",
        int(types.ICO): "ico",
    }


def _collection(positions: np.ndarray, cell: np.ndarray, periodic):
    data_module = _ovito().data
    data = data_module.DataCollection()
    box = np.zeros((3, 4))
    box[:, :3] = cell.T
    data.create_cell(box, pbc=tuple(map(bool, np.broadcast_to(periodic, 3))))
    particles = data.create_particles(count=len(positions))
    particles.create_property("Position", data=positions)
    return data


def _ovito():
    try:
        import ovito
        import ovito.data
        import ovito.modifiers
    except ImportError:
        raise MissingDependencyError(
            "classify: CNA and PTM are those of OVITO's Python package, which is not installed; expected"
            " ovito, found none; install it with pip install 'openmm-scoredyn[ovito]', or leave the"
            " classification out."
        ) from None
    return ovito
