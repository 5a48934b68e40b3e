"""Every error the package raises, derived from one base class.

A message says what was expected, what was found and what to do.
"""


class ScoreDynError(Exception):
    """Base class of all errors of this package."""


class ProgramError(ScoreDynError):
    """A score program cannot be read, lacks a method, or does not reproduce its golden triple."""


class CardError(ScoreDynError):
    """A card misses a field, or a field does not fit the others or the program."""


class MoleculeError(ScoreDynError):
    """A molecule is not the one a model or a trajectory describes."""


class TrajectoryError(ScoreDynError):
    """A trajectory cannot be read, is too short, or does not fit its topology."""


class LagTimeError(ScoreDynError):
    """A lag time is not a positive integer multiple of the frame spacing."""


class ExportError(ScoreDynError):
    """A module does not script, or the exported program does not agree with it."""


class TrainingError(ScoreDynError):
    """A training run cannot start or cannot go on."""


class TrainingInterrupted(TrainingError):
    """A signal ended a training run after an update that is saved.

    Attributes
    ----------
    exit_status : int
        Of the process, as a shell gives it: 128 + the number of the signal.
    """

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.exit_status = 128 + number


class OutputError(ScoreDynError):
    """A file or directory cannot be written."""


class SamplingError(ScoreDynError):
    """A trajectory cannot be drawn from a model with the arguments given."""


class ClusterError(ScoreDynError):
    """Work cannot be given to a cluster, or its workers or their scheduler are gone."""


class LatticeError(ScoreDynError):
    """A crystal lattice cannot be built or read."""


class DenoisingError(ScoreDynError):
    """A frame cannot be denoised: no cell, too few atoms, not finite, overlapping, or of unknown elements."""


class MissingDependencyError(ScoreDynError, ImportError):
    """An optional package that a function needs is not installed."""


class BuildError(ScoreDynError, ImportError):
    """The compiled libraries are missing, or were built for another openmm or torch."""
