"""A reporter that writes denoised frames and structure counts while a simulation runs."""

from pathlib import Path

import numpy as np
from openmm import unit

from openmm_scoredyn.crystals.classify import STRUCTURES, check_method, classify_both, count, names_of
from openmm_scoredyn.crystals.model import load_denoiser
from openmm_scoredyn.crystals.snapshots import ANGSTROM_PER_NM, Snapshot, write_snapshot
from openmm_scoredyn.errors import OutputError


class DenoisingReporter:
    """Writes denoised frames (extended xyz, Angstrom), and a table of structure counts beside them.

    Parameters
    ----------
    file : str or Path, of the frames; the counts go to the same name with the suffix `.csv`
    interval : int, steps between frames
    model : CrystalDenoiser, or a path, bytes, or the name of a shipped one
    classify : {None, "cna", "cna-fixed", "ptm"}
        Structure of every atom before and after, by OVITO.
    iterations : int, default until atoms settle;  spacing_nm : float;  selection : (N,) bool or indices
        As `CrystalDenoiser.denoise_frame`.

    Attributes
    ----------
    counts : list of dict
        One per frame: step, time_ps, moved_nm and, where classified, `before` and `after`, counts by
        structure.

    Raises
    ------
    DenoisingError
        If the model is one of molecular dynamics, or the classification is unknown.
    MissingDependencyError
        If a classification is wanted and OVITO is not installed.
    OutputError
        If the files cannot be written.
    """

    def __init__(
        self, file, interval: int, model, classify=None, iterations=None, spacing_nm=None, selection=None
    ):
        if classify is not None:
            check_method(classify)
        self._model = load_denoiser(model)
        self._interval = int(interval)
        self._method = classify
        self._options = {"iterations": iterations, "spacing_nm": spacing_nm, "selection": selection}
        self.counts: list[dict] = []
        self._elements: tuple[str, ...] | None = None
        path = Path(file)
        try:
            self._frames = path.open("wb")
            self._table = path.with_suffix(".csv").open("w")
        except OSError as error:
            raise OutputError(
                f"DenoisingReporter: cannot write {path}; {error.strerror}; check the path and its"
                " permissions."
            ) from None
        columns = (
            [f"{name}_{when}" for when in ("before", "after") for name in STRUCTURES] if classify else []
        )
        self._table.write(",".join(["step", "time_ps", "moved_nm", *columns]) + "\n")

    def describeNextReport(self, simulation) -> dict:
        """What OpenMM asks every reporter."""
        steps = self._interval - simulation.currentStep % self._interval
        return {"steps": steps, "periodic": False, "include": ["positions"]}

    def report(self, simulation, state) -> None:
        """Denoise, classify and write a frame.

        Raises
        ------
        DenoisingError
            If the frame cannot be denoised; nothing of it is written then.
        """
        periodic = simulation.topology.getPeriodicBoxVectors() is not None
        periodic = periodic or simulation.system.usesPeriodicBoundaryConditions()
        box = state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer)
        positions = np.array(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer), dtype=float)
        if self._elements is None:
            atoms = simulation.topology.atoms()
            self._elements = tuple(atom.element.symbol if atom.element else "X" for atom in atoms)
        clean = self._model.denoise_frame(
            positions, box if periodic else None, elements=self._elements, periodic=periodic, **self._options
        )
        entry = {
            "step": simulation.currentStep,
            "time_ps": state.getTime().value_in_unit(unit.picosecond),
            "moved_nm": clean.moved_nm,
        }
        names = None
        if self._method:
            before, after = classify_both(
                positions, clean.positions, box, periodic, self._method, clean.spacing_nm
            )
            entry |= {"before": count(before), "after": count(after)}
            names = names_of(after)
        cell = ANGSTROM_PER_NM * box if periodic else np.zeros((3, 3))
        positions = ANGSTROM_PER_NM * clean.positions
        info = {"step": entry["step"], "time_ps": entry["time_ps"]}
        snapshot = Snapshot(positions, cell, np.full(3, periodic), self._elements, info=info)
        write_snapshot(self._frames, snapshot, names)
        self._frames.flush()
        self._write(entry)
        self.counts.append(entry)

    def close(self) -> None:
        """Close both files."""
        self._frames.close()
        self._table.close()

    def __del__(self):
        if hasattr(self, "_table"):
            self.close()

    def _write(self, entry: dict) -> None:
        values = [entry["step"], f"{entry['time_ps']:.6g}", f"{entry['moved_nm']:.6f}"]
        if self._method:
            values += [entry[when].get(name, 0) for when in ("before", "after") for name in STRUCTURES]
        self._table.write(",".join(map(str, values)) + "\n")
        self._table.flush()
