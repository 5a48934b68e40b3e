"""Export: module + card + parametrisation -> checked score program."""

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

import openmm_scoredyn
from openmm_scoredyn.data.atomic import write_atomically
from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.errors import CardError, ExportError, ProgramError
from openmm_scoredyn.export.inductor import CompiledMethods, LoadedPackage
from openmm_scoredyn.export.parity import ParityReport, compare_programs
from openmm_scoredyn.export.probe import REPLICAS, Probe, make_probe
from openmm_scoredyn.export.scripting import from_bytes, script, to_bytes
from openmm_scoredyn.export.wrapper import ScoreProgram, wrap
from openmm_scoredyn.program.card import CARD_FILE, Card
from openmm_scoredyn.program.device import gpu_number
from openmm_scoredyn.program.model import ScoreModel
from openmm_scoredyn.program.precision import full_precision

_log = logging.getLogger(__name__)
_FEW_POSITIONS = 1000  # golden examples are text: a large system has one
# Replicas of the probe that become golden examples: both ends of the noise levels, and every one of up to
# four histories, lag times and temperatures, which take turns.
_GOLDEN_ROWS = (0, 2, 5, REPLICAS - 1)


@full_precision()
def export_program(
    module: nn.Module,
    path: str | Path,
    card: Card,
    parametrization: Parametrization | None = None,
    *,
    format: str = "torchscript",
    device: str = "cpu",
    symmetric: bool | None = None,
    history: Tensor | None = None,
    box: Tensor | None = None,
) -> ParityReport:
    """Write a module as a score program, after checking that it gives what the module gives.

    Checks and golden triple are made with float32 matrix products, which all devices have, whatever the
    precision that the process or the card asks for.

    Parameters
    ----------
    module : torch.nn.Module
        With condition(history (B, H, N, 3) nm, box (B, 3, 3) nm, lag_time_ps (B,), temperature_K (B,)) ->
        list of tensors; predict(latent (B, D), level (B,), condition) -> raw (B, D), unless the card has no
        denoising steps; start(noise (B, D), condition) -> latent (B, D), if it has one; and advance(latent,
        condition, history, box) -> positions (B, N, 3) nm. It is copied, not changed. Its attributes
        `latent_type` and `symmetric` take the place of the card's.
    path : where the file is to appear; whole or not at all
    card : Card
        Golden examples and versions are filled in here.
    parametrization : Parametrization
        What `latent` and `level` mean to the module, and what `raw` predicts; default EDM.
    format : {"torchscript", "aoti"}
        "aoti" compiles the methods to native code (AOTInductor; needs g++), for a `.pt2` file that is faster,
        depends on torch and processor, and is loaded only where the user allows its code to run.
    device : {"cpu", "cuda"}
        What "aoti" compiles for: this machine's CPU or GPU. A TorchScript program runs on any.
    symmetric : bool, optional
        Claim SE(3) symmetry, and check it; default what the card says.
    history, box : (H, N, 3) or (K, H, N, 3) nm, (3, 3) nm, optional
        Examples of what the model will meet, best frames of the training data. Without them those of the
        card's golden examples serve, or a conformation built from its bonds.

    Returns
    -------
    ParityReport
        Largest differences, all within tolerance: repeated = first, single = batched, scripted = eager,
        reloaded = scripted, for "aoti" AOTInductor = reloaded (latents 1e-4 of 1 + |x|, positions 1e-5 nm),
        float32 = float64 (5e-4, 5e-5 nm), and, in float64, the symmetry where claimed (1e-5, 1e-6 nm).

    Raises
    ------
    ExportError
        If the module does not script or compile (its line is named), breaks the contract, or a check fails.
    ProgramError
        If torch finds no such device.
    OutputError
        If the file cannot be written; nothing is left behind then.
    """
    if format not in _FORMATS:
        raise ExportError(
            f"export_program: unknown format; expected {' or '.join(map(repr, _FORMATS))}, found {format!r}; "
            "use one of them."
        )
    if format == "torchscript" and device != "cpu":
        raise ExportError(
            "export_program: a TorchScript program is not made for a device; expected device='cpu', found"
            f" {device!r}; leave it out, for the program runs on any, or use format='aoti'."
        )
    gpu_number(device)  # refuses what is not there
    card = _completed(card, module, symmetric)
    if format == "aoti" and card.capabilities.matmul_precision != "highest":
        raise ExportError(
            "export_program: a package has the precision that it is compiled with; expected"
            f" matmul_precision='highest', found {card.capabilities.matmul_precision!r}; leave it, or use"
            " format='torchscript'."
        )
    probe = make_probe(card, history, box)
    program = wrap(module, card, parametrization or Parametrization())
    forms, to_file = _FORMATS[format](program, probe, device)
    report = compare_programs(program, forms, card, probe)
    *_, last = forms.values()
    card = replace(card, golden=tuple(_golden(last, card, probe, row) for row in _golden_rows(card)))
    data = to_file({CARD_FILE: card.to_json()})
    try:
        ScoreModel(data, allow_native_code=True, device=device)  # ours, just compiled
    except (CardError, ProgramError) as error:
        raise ExportError(
            f"export_program: the plugin does not accept the exported program; {error}"
        ) from error
    write_atomically(path, lambda file: file.write(data))
    return report


def _torchscript(program: ScoreProgram, probe: Probe, _device: str):
    """The scripted program, the same after a round trip, and what makes a file of it."""
    scripted = script(program)
    forms = {"scripted": scripted, "reloaded": from_bytes(to_bytes(scripted, {}))}
    return forms, partial(to_bytes, scripted)


def _aoti(program: ScoreProgram, probe: Probe, device: str):
    """As `_torchscript`, and compiled; a module that does not script can still be compiled."""
    try:
        forms, _ = _torchscript(program, probe, device)
    except ExportError as error:
        _log.info("No parity with TorchScript: %s", error)
        forms = {}
    compiled = CompiledMethods(program, probe, device)
    return forms | {"AOTInductor": LoadedPackage(compiled.to_bytes({}), device)}, compiled.to_bytes


_FORMATS = {"torchscript": _torchscript, "aoti": _aoti}


def _completed(card: Card, module: nn.Module, symmetric: bool | None) -> Card:
    return card.with_values(
        package_version=openmm_scoredyn.__version__,
        torch_version=torch.__version__,
        latent_type=getattr(module, "latent_type", card.capabilities.latent_type),
        symmetric=card.capabilities.symmetric if symmetric is None else symmetric,
        # without denoising steps it must have one; `wrap` says so where it has not
        has_start=callable(getattr(module, "start", None)) or not card.capabilities.denoising_steps,
    )


def _golden_rows(card: Card) -> tuple[int, ...]:
    small = card.num_particles * card.capabilities.history_length <= _FEW_POSITIONS
    return _GOLDEN_ROWS if small else _GOLDEN_ROWS[:1]


def _golden(program, card: Card, probe: Probe, row: int) -> dict:
    """Input and output of one replica, as flat lists."""
    one = probe.rows(slice(row, row + 1))

    def flat(values: Tensor) -> list[float]:
        return [float(value) for value in values.flatten()]

    known = {"lag_time_ps": float(one.lag_time_ps), "temperature_K": float(one.temperature_K)}
    golden = {"history": flat(one.history), "box": flat(one.box)} | known
    with torch.no_grad():
        condition = program.condition(one.history, one.box, one.lag_time_ps, one.temperature_K)
        if card.capabilities.has_start:
            clean = program.start(one.noise, condition)
            golden |= {"noise": flat(one.noise), "started": flat(clean)}
        if card.capabilities.denoising_steps:
            clean = program.denoise(one.noised, one.sigma, condition)
            golden |= {
                "latent": flat(one.noised),
                "sigma": float(one.sigma),
                "denoised": flat(clean),
            }
        positions = program.advance(clean, condition, one.history, one.box)
    return golden | {"positions": flat(positions)}
