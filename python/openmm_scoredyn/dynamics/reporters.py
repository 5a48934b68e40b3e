"""OpenMM's trajectory reporters, made fit for files that must be equal byte for byte, and a log of what the
guard did.
"""

import errno
import os
import struct

from openmm import app, unit

_DCD_DATE = slice(180, 260)
_DCD_TITLE = struct.pack("<80s", b"Created by openmm-scoredyn")
# Bytes of an XTC frame before its compressed coordinates; the last four say how long those are.
_XTC_HEAD = 92
# Up to this many atoms, coordinates are stored as they are: 12 bytes each after 56 of head.
_XTC_UNCOMPRESSED_ATOMS = 9


class DatelessDCDReporter(app.DCDReporter):
    """A DCDReporter whose file does not hold the date of its making, so that equal runs give equal files."""

    def __init__(self, path: str, interval: int, append: bool):
        super().__init__(path, interval, append=append)
        self._path = path
        self._dated = not append

    def report(self, simulation, state) -> None:
        """Write a frame; after the first one, put a fixed text where the date is."""
        super().report(simulation, state)
        if self._dated:
            with open(self._path, "r+b") as file:
                file.seek(_DCD_DATE.start)
                file.write(_DCD_TITLE)
            self._dated = False

    def close(self) -> None:
        """Close the file; raises OSError if something is still to be written and cannot be."""
        self._out.close()


class CheckedXTCReporter(app.XTCReporter):
    """An XTCReporter that notices when a frame was not written whole; OpenMM's writer says nothing on a full
    disk.
    """

    def __init__(self, path: str, interval: int, append: bool):
        super().__init__(path, interval, append=append)
        self._path = path

    def report(self, simulation, state) -> None:
        """Write a frame; raises OSError if it is not whole."""
        before = os.path.getsize(self._path)
        super().report(simulation, state)
        if os.path.getsize(self._path) != before + self._frame_size(
            before, simulation.topology.getNumAtoms()
        ):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._path)

    def close(self) -> None:
        """Nothing to do: OpenMM opens and closes an XTC file for every frame."""

    def _frame_size(self, start: int, n_atoms: int) -> int:
        if n_atoms <= _XTC_UNCOMPRESSED_ATOMS:
            return 56 + 12 * n_atoms
        with open(self._path, "rb") as file:
            file.seek(start)
            head = file.read(_XTC_HEAD)
        if len(head) < _XTC_HEAD:
            return -1
        coordinates = struct.unpack(">i", head[-4:])[0]
        return _XTC_HEAD + (coordinates + 3) // 4 * 4


class StepLog:
    """A table of comma-separated values: step, time, temperature, energy where there are forces, and the
    guard's counts.

    Nothing in it depends on the clock, so that a restarted run writes what an unbroken one writes.

    Parameters
    ----------
    path : file to write
    interval : steps between lines
    append : go on with an existing file
    energy : whether the System has forces, so that its potential energy means something
    """

    def __init__(self, path: str, interval: int, append: bool, energy: bool):
        self._file = open(path, "a" if append else "w", newline="")  # noqa: SIM115 - closed by close()
        self._interval, self._energy = interval, energy
        if not append:
            columns = ["step", "time_ps", "temperature_K", "rejected_draws", "rejected_steps"]
            self._write(columns + ["potential_energy_kJ_mol"] * energy)

    def describeNextReport(self, simulation) -> dict:
        """What OpenMM asks every reporter."""
        steps = self._interval - simulation.currentStep % self._interval
        return {"steps": steps, "periodic": None, "include": ["energy"]}

    def report(self, simulation, state) -> None:
        """Write a line."""
        integrator = simulation.integrator
        freedom = _degrees_of_freedom(simulation.system)
        kinetic = state.getKineticEnergy()
        temperature = 2 * kinetic / (freedom * unit.MOLAR_GAS_CONSTANT_R)
        line = [
            simulation.currentStep,
            f"{state.getTime().value_in_unit(unit.picosecond):.6g}",
            f"{temperature.value_in_unit(unit.kelvin):.2f}",
            integrator.getNumRejectedDraws(),
            integrator.getNumRejectedSteps(),
        ]
        if self._energy:
            line.append(f"{state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole):.6f}")
        self._write(line)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, values) -> None:
        self._file.write(",".join(map(str, values)) + "\n")
        self._file.flush()


def _degrees_of_freedom(system) -> int:
    massive = [index for index in range(system.getNumParticles()) if system.getParticleMass(index)._value > 0]
    return 3 * len(massive) - system.getNumConstraints()
