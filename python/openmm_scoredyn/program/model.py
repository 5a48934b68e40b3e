"""Score programs from Python: load, look at, and draw trajectories of many replicas in one batch."""

import difflib
import os
import secrets
from pathlib import Path

import numpy as np
from openmm import OpenMMException

from openmm_scoredyn.errors import ProgramError, SamplingError
from openmm_scoredyn.program.archive import core_errors
from openmm_scoredyn.program.card import Card
from openmm_scoredyn.program.device import gpu_number
from openmm_scoredyn.program.sample_arguments import (
    MAX_SEED,
    as_box,
    as_history,
    as_integer,
    as_number,
    as_sampling_options,
)
from openmm_scoredyn.program.transferable import SUFFIX, is_transferable

__all__ = ["Card", "ScoreModel", "pretrained", "trust_native_code"]


_PRETRAINED = Path(__file__).parents[1] / "pretrained"
_ENDINGS = (".pt", SUFFIX)


class ScoreModel:
    """A score program, loaded and verified.

    Parameters
    ----------
    source : str, Path or bytes
        Path of a score program, name of a shipped one, or its content.
    allow_native_code : bool or str
        Permission to run the native code of an AOTInductor package (`.pt2`), which is refused without: True,
        or the SHA-256 that the file must have.
    device : str
        Where `sample` runs the network: "cpu", "cuda" or "cuda:N". A package compiled for a GPU loads there
        only; any other program can be moved with `to`.

    Attributes
    ----------
    card : Card
    sha256 : str, of the file
    device : str
        Where `sample` runs the network.
    num_rejected_draws, num_refined_draws, num_rejected_steps : int
        In all calls of `sample`: draws that the guard rejected, those of them that were refined and not made
        anew, and steps whose first draw it rejected.
    rejected_draws_by_cause : dict of str to int
        Rejected draws by the first rule of the guard that each broke.

    Raises
    ------
    ProgramError
        If the file is missing, damaged or no score program, lacks a method, does not reproduce its golden
        triple, holds native code that nobody trusted, or has another SHA-256 than the one given.
    CardError
        If its card cannot be read or contradicts itself.
    """

    def __init__(
        self, source: str | Path | bytes, allow_native_code: bool | str = False, device: str = "cpu"
    ):
        gpu = gpu_number(device)
        self.program = _load(source, allow_native_code, gpu)
        self.card = Card.from_json(self.program.card_json)
        self.device = _name(gpu)
        self.num_rejected_draws = 0
        self.num_refined_draws = 0
        self.num_rejected_steps = 0
        self.rejected_draws_by_cause = dict.fromkeys(_causes(), 0)

    def __repr__(self) -> str:
        lags = self.card.capabilities.lag_times_text
        return f"ScoreModel({self.card.name!r}, {self.card.num_particles} atoms, {lags} a step)"

    def __reduce__(self):
        # A pickle runs code anyway, so the program it holds is trusted. It is read where there may be
        # no GPU, so the copy is on the host.
        return ScoreModel, (self.source, self.sha256)

    @property
    def source(self) -> bytes:
        """The file's content."""
        return self.program.source

    @property
    def sha256(self) -> str:
        """SHA-256 of the file, hexadecimal."""
        return self.program.sha256

    def to(self, device: str) -> "ScoreModel":
        """Run the network of `sample` on another device; the model itself is returned.

        The program is loaded there again, and must reproduce its golden triple there. An integrator made of
        the model runs where its platform does, whatever is said here; a copy or a pickle of the model is on
        the host.

        Parameters
        ----------
        device : str or torch.device, "cpu", "cuda" for torch's current GPU, or "cuda:N"

        Raises
        ------
        ProgramError
            If torch finds no such device, or the program does not run there; the model stays where it was.
        """
        gpu = gpu_number(device)
        try:
            self.program = self.program.on_device(gpu)
        except OpenMMException as error:
            raise ProgramError(str(error)) from error
        self.device = _name(gpu)
        return self

    def require_known(self, *, lag_time_ps: float | None = None, temperature_K: float | None = None) -> None:
        """Refuse a lag time, ps, or a temperature, K, that the model does not know.

        Raises
        ------
        SamplingError
        """
        try:
            self.program.require_known(
                as_number("lag_time_ps", lag_time_ps, self.card.lag_time_ps),
                as_number("temperature_K", temperature_K, self.card.temperature_K),
            )
        except OpenMMException as error:
            raise SamplingError(str(error)) from error

    def sample(
        self,
        positions,
        n_steps: int,
        *,
        seed: int = 0,
        denoising_steps: int | None = None,
        solver: str | None = None,
        save_every: int = 1,
        box=None,
        lag_time_ps: float | None = None,
        temperature_K: float | None = None,
        first_step: int = 0,
        first_replica: int = 0,
        max_resamples: int | None = None,
        refinements: int | None = None,
        num_threads: int = 1,
        guard: bool = True,
    ):
        """Draw a trajectory of every replica, with the code and the noise of the integrator.

        Parameters
        ----------
        positions : (B, N, 3), or (B, H, N, 3) with the newest frame last; float32 or float64, nm, whole
            molecules
            NumPy array or torch tensor.
        n_steps : int
            Steps of one lag time each; a multiple of `save_every`.
        seed : int, 0 to 2**31 - 1; 0 chooses one
        denoising_steps, solver : int, str
            Default: what the card recommends.
        save_every : int, steps per frame returned
        box : (3, 3), or (B, 3, 3) for one each, nm, rows are the box vectors; needed by a periodic model,
            refused by another
        lag_time_ps, temperature_K : float
            Among those that the model knows; default: the lag time that it recommends, else the shortest, and
            the lowest temperature.
        first_step, first_replica : int
            Where the counters of the noise start: go on from the last frames of a run of k steps with
            `first_step=k`, and part a batch with `first_replica`; the result is that of the unbroken run.
        max_resamples : int
            How often one step is drawn again before the call gives up; default: as the integrator.
        refinements : int
            How often a rejected draw is refined before another is made in its place; default: as the
            integrator, none (`ScoreDynamicsIntegrator.setRefinements`).
        num_threads : int
            Threads of the processor: noise and guard of the replicas are shared among them, which changes no
            result, and so is one operation of the network where that runs on the processor.

        guard : bool
            False keeps every draw of finite positions, to see what the guard prevents.

        Returns
        -------
        frames : (n_steps / save_every, B, N, 3) float32, nm
            Array or tensor (on the same device) as `positions` was.

        Raises
        ------
        SamplingError
            If an argument is not as said above, or a step fails more than `max_resamples` times.
        """
        chosen = {
            "solver": solver,
            "denoising_steps": denoising_steps,
            "max_resamples": max_resamples,
            "refinements": refinements,
        }
        options = as_sampling_options(self, chosen) | {
            "n_steps": as_integer("n_steps", n_steps, 1),
            "save_every": as_integer("save_every", save_every, 1),
            "seed": as_integer("seed", seed, 0, MAX_SEED) or 1 + secrets.randbelow(MAX_SEED),
            "first_step": as_integer("first_step", first_step, 0, 2**62),
            "first_replica": as_integer("first_replica", first_replica, 0, MAX_SEED),
            "lag_time_ps": as_number("lag_time_ps", lag_time_ps, self.card.lag_time_ps),
            "temperature_K": as_number("temperature_K", temperature_K, self.card.temperature_K),
            "num_threads": as_integer("num_threads", num_threads, 1),
            "guarded": guard,
        }
        if n_steps % save_every:
            raise SamplingError(
                "ScoreModel.sample: n_steps is not a multiple of save_every; expected a multiple of"
                f" {save_every}, found {n_steps}; change one of them."
            )
        history = as_history(positions, self.card)
        try:
            frames, counts = self.program.sample(history, as_box(box, self.card, len(history)), **options)
        except OpenMMException as error:
            raise SamplingError(str(error)) from error
        self._count(counts)
        if isinstance(positions, np.ndarray):
            return frames
        import torch

        return torch.from_numpy(frames).to(positions.device)

    def _count(self, counts: dict) -> None:
        self.num_rejected_draws += counts["rejected_draws"]
        self.num_refined_draws += counts["refined_draws"]
        self.num_rejected_steps += counts["rejected_steps"]
        for cause in self.rejected_draws_by_cause:
            self.rejected_draws_by_cause[cause] += counts[cause]


def pretrained(name: str | None = None):
    """Shipped models: the path of the one of that name, or, without a name, the names of all.

    Raises
    ------
    ProgramError
        If there is none of that name.
    """
    found = {file.stem: file for file in sorted(_PRETRAINED.iterdir()) if file.suffix in _ENDINGS}
    if name is None:
        return tuple(found)
    if name not in found:
        raise ProgramError(
            "pretrained: no shipped model has that name; expected one of"
            f" {', '.join(found) or '(none shipped)'}, found {name!r}; call pretrained() for the list."
        )
    return found[name]


def path_or_shipped(model: str) -> str | Path:
    """What a user means by a name: the file of that path, or else the shipped model of that name.

    Raises
    ------
    ProgramError
        If it is a word without ending and neither.
    """
    names = pretrained()
    if Path(model).exists():
        return model
    if model in names:
        return pretrained(model)
    if Path(model).suffix or os.sep in model:
        return model  # a path, which who reads it misses
    near = difflib.get_close_matches(model, names, 1, 0.5)
    raise ProgramError(
        f"ScoreProgram: there is no file at {model}, nor a shipped model of that name; expected a path or one"
        f" of {', '.join(names)}; {f'did you mean {near[0]}?' if near else 'choose one of these.'}"
    )


def trust_native_code(sha256: str) -> None:
    """Let this process run the native code of one AOTInductor package (`.pt2`), wherever it arrives from.

    Needed for an integrator read from XML: XML could claim trust for anything, so the package it names or
    embeds runs only if this process has loaded the same file before, or was told of it here.

    Parameters
    ----------
    sha256 : str, hexadecimal SHA-256 of the file

    Raises
    ------
    ProgramError
        If it is no SHA-256.
    """
    from openmm_scoredyn.program.native import scoredyn

    try:
        scoredyn.trust_native_code(sha256)
    except OpenMMException as error:
        raise ProgramError(str(error)) from error


def program_file(model: str) -> str | Path:
    """As `path_or_shipped`, of a model that can be run as it is.

    Raises
    ------
    ProgramError
        As there, and if the model is transferable.
    """
    path = path_or_shipped(model)
    if is_transferable(path):
        raise ProgramError(
            f"ScoreProgram: {model} is a transferable model; expected a program for one molecule; bind it to"
            " yours first, as openmm_scoredyn.bind(model, topology) or `scoredyn bind`."
        )
    return path


def _causes() -> tuple[str, ...]:
    from openmm_scoredyn.program.native import scoredyn

    return scoredyn.CAUSES


def _name(gpu: int) -> str:
    return "cpu" if gpu < 0 else f"cuda:{gpu}"


def _load(source, allow_native_code, gpu):
    # imported late: a Card is of use without the compiled plugin
    from openmm_scoredyn.program.native import scoredyn

    with core_errors():
        return (
            scoredyn.Program.from_bytes(source, allow_native_code, gpu)
            if isinstance(source, bytes)
            else scoredyn.Program(str(program_file(str(source))), allow_native_code, gpu)
        )
