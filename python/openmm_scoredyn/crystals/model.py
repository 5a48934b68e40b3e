"""Crystal denoisers: load, check, and strip the thermal noise off a snapshot."""

import hashlib
import io
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch

from openmm_scoredyn.crystals.arguments import (
    as_cell,
    as_frame,
    as_kinds,
    as_mask,
    check_cell_width,
    check_overlaps,
    checked_iterations,
    checked_spacing,
)
from openmm_scoredyn.crystals.card import DenoiserCard
from openmm_scoredyn.crystals.golden import check_golden
from openmm_scoredyn.crystals.iterations import SETTLED, DenoisedFrame, iterate
from openmm_scoredyn.crystals.neighbours import find_neighbours
from openmm_scoredyn.crystals.spacing import measure_spacing
from openmm_scoredyn.errors import DenoisingError, ProgramError
from openmm_scoredyn.program.archive import core_errors, open_model_file
from openmm_scoredyn.program.precision import full_precision

# A spacing measured in the noise that is further than this from the one measured without noise is corrected.
SPACING_TOLERANCE = 0.015

_SHIPPED = Path(__file__).parents[1] / "pretrained"


class CrystalDenoiser:
    """A crystal denoiser, loaded and verified.

    Parameters
    ----------
    source : str, Path or bytes
        Path of a program, or its content.
    device : str, torch device that the network runs on

    Attributes
    ----------
    card : DenoiserCard
    program : torch.jit.ScriptModule
        The network, called with separations (N, K, 3), neighbours (N, K), present (N, K) and kinds (N,).
    device : str

    Raises
    ------
    ProgramError
        If the file is missing or damaged, or does not reproduce its golden examples.
    CardError
        If its card cannot be read, contradicts itself, or is that of a model of molecular dynamics.
    """

    def __init__(self, source: str | Path | bytes, device: str = "cpu"):
        file = open_model_file(source)
        self.card = DenoiserCard.from_json(file.card_json)
        with core_errors():
            file.require_safe(["forward"], f"'{self.card.name}'")
        self._source = file.source
        self.program = unpack(self._source)
        check_golden(self.program, self.card)
        self.to(device)

    def __repr__(self) -> str:
        return f"CrystalDenoiser({self.card.name!r}, {', '.join(self.card.lattices)})"

    @property
    def source(self) -> bytes:
        """The file's content."""
        return self._source

    @property
    def sha256(self) -> str:
        """SHA-256 of the file, hexadecimal."""
        return hashlib.sha256(self._source).hexdigest()

    def to(self, device: str) -> "CrystalDenoiser":
        """Run the network on another torch device, as "cuda"."""
        try:
            self.program = self.program.to(device)
        except (RuntimeError, AssertionError) as error:
            raise ProgramError(
                f"CrystalDenoiser: cannot use the device {device!r}; expected one that torch finds, found "
                f"{str(error).splitlines()[0]}; use 'cpu'."
            ) from None
        self.device = device
        return self

    def denoise(self, positions, box=None, iterations: int | None = None, **options):
        """Positions without thermal noise.

        Parameters
        ----------
        positions : (N, 3) or (T, N, 3), nm, NumPy array or torch tensor
        box : (3, 3) nm, rows are the box vectors, or (T, 3, 3); any shape of cell
        iterations : int; default: until atoms settle, see `denoise_frame`
        **options : as `denoise_frame`

        Returns
        -------
        positions : as given, same shape and type

        Raises
        ------
        DenoisingError
            If a frame cannot be denoised; see `denoise_frame`.
        """
        if isinstance(positions, torch.Tensor):
            clean = self.denoise(positions.detach().cpu().numpy(), _as_array(box), iterations, **options)
            return torch.from_numpy(clean).to(positions)
        frames = np.asarray(positions)
        if frames.ndim == 3:
            boxes = [None] * len(frames) if box is None else np.broadcast_to(box, (len(frames), 3, 3))
            rows = [self.denoise(frame, cell, iterations, **options) for frame, cell in zip(frames, boxes)]
            return np.stack(rows) if rows else frames.copy()
        dtype = frames.dtype if frames.dtype.kind == "f" else np.float64
        return self.denoise_frame(positions, box, iterations, **options).positions.astype(dtype)

    def denoise_frame(
        self,
        positions,
        box=None,
        iterations: int | None = None,
        *,
        elements=None,
        spacing_nm: float | None = None,
        selection=None,
        periodic=True,
    ) -> DenoisedFrame:
        """One frame without thermal noise, and how far it was from that.

        Parameters
        ----------
        positions, box : (N, 3) nm, (3, 3) nm
        iterations : int
            Exactly this number; default: until one moves atoms by less than 1 % of the nearest-neighbour
            distance in the mean, and no more than the card says.
        elements : (N,) chemical symbols; needed by a model of several elements, of no use to another
        spacing_nm : nearest-neighbour distance; default: measured
        selection : (N,) bool, or indices, of the atoms to be moved; the others stay and are seen as
            neighbours
        periodic : bool or three bools, which box vectors repeat

        Raises
        ------
        DenoisingError
            If there is no cell where one is needed, the cell is thinner than the cutoff, there are fewer than
            two atoms, positions are not finite, atoms overlap, or an element is none of the model's.
        """
        frame = as_frame(positions)
        cell, directions = as_cell(box, periodic)
        rounds = checked_iterations(self.card.iterations if iterations is None else iterations)
        settled = SETTLED if iterations is None else 0.0
        kinds = as_kinds(elements, len(frame), self.card)
        mask = as_mask(selection, len(frame))
        spacing = checked_spacing(spacing_nm) or measure_spacing(frame, cell, directions)
        check_cell_width(cell, directions, self.card.cutoff * spacing)
        predict = partial(self.predict, cell=cell, periodic=directions, kinds=kinds)
        options = (self.card.sigma_max, rounds, settled)
        clean = iterate(predict, frame, mask, spacing, *options)
        if spacing_nm is None:
            sharp = measure_spacing(clean.positions, cell, directions, smoothing=0.02)
            if abs(sharp / spacing - 1) > SPACING_TOLERANCE:
                clean = iterate(predict, frame, mask, sharp, *options)
        return clean

    def predict(
        self, positions, cell, periodic, spacing: float, kinds: np.ndarray, check: bool = False
    ) -> np.ndarray:
        """One evaluation of the network: displacements (N, 3) from the lattice, in the unit of
        the positions.
        """
        near = find_neighbours(positions, cell, periodic, self.card.cutoff * spacing)
        if check:
            check_overlaps(near.separations, near.present, spacing)
        parts = (near.separations / np.float32(spacing), near.indices, near.present, kinds)
        with torch.no_grad(), full_precision():
            moved = self.program(*(torch.from_numpy(part).to(self.device) for part in parts))
        return moved.cpu().numpy().astype(np.float64) * spacing


def _as_array(values):
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values


def unpack(data: bytes) -> torch.jit.ScriptModule:
    """The program of an archive whose operators were checked.

    Raises
    ------
    ProgramError
        If torch cannot load it.
    """
    try:
        with warnings.catch_warnings():
            # deprecated upstream, and still what is loaded without the class of the network
            warnings.filterwarnings("ignore", message=".*torch.jit.load.*", category=DeprecationWarning)
            return torch.jit.load(io.BytesIO(data), map_location="cpu")
    except Exception as error:  # noqa: BLE001 - torch raises RuntimeError, IndexError and others
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ProgramError(
            "CrystalDenoiser: cannot load the network; expected a TorchScript archive, found"
            f" {reason[:120]}; get the file again."
        ) from None


def load_denoiser(model) -> CrystalDenoiser:
    """A crystal denoiser from a path, bytes, the name of a shipped model, or one that is loaded already.

    Raises
    ------
    DenoisingError
        If it is something else.
    ProgramError, CardError
        As `CrystalDenoiser`.
    """
    if isinstance(model, CrystalDenoiser):
        return model
    if isinstance(model, str):
        shipped = _SHIPPED / f"{model}.pt"
        return CrystalDenoiser(shipped if shipped.is_file() and not Path(model).is_file() else model)
    if isinstance(model, (Path, bytes)):
        return CrystalDenoiser(model)
    raise DenoisingError(
        f"load_denoiser: {type(model).__name__} is no crystal denoiser; expected one, or a path, bytes or"
        f" name of one, found {model!r:.80}; give CrystalDenoiser(pretrained('metals'))."
    )
