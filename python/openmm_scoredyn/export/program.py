"""Export: module + card + parametrisation -> checked score program."""

import json
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
from openmm_scoredyn.export.probe import Probe, make_probe
from openmm_scoredyn.export.scripting import from_bytes, script, to_bytes
from openmm_scoredyn.export.wrapper import wrap
from openmm_scoredyn.program.card import Card
from openmm_scoredyn.program.card_json import CARD_FILE
from openmm_scoredyn.program.device import gpu_number
from openmm_scoredyn.program.model import ScoreModel
from openmm_scoredyn.program.precision import full_precision

NETWORK_FILE = "network.json"

_log = logging.getLogger(__name__)


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
    network: dict | None = None,
) -> ParityReport:
    """Write a module as a score program, after checking that it gives what the module gives.

    Checks and golden triple are made with float32 matrix products, which all devices have, whatever the
    precision that the process or the card asks for.

    Parameters
    ----------
    module : torch.nn.Module
        For a card of kind "denoiser": forward(latent (B, M, 3), level (B,), history (B, H, N, 3) nm, box (3,
        3) nm)
        -> raw (B, M, 3), and advance(latent, history, box) -> positions (B, N, 3) nm. For kind "transition":
        propose(noise (B, K, M, 3), history, box) -> positions. It is copied, not changed. An attribute
        `latent_type` of the module replaces the card's.
    path : where the file is to appear; whole or not at all
    card : Card
        Golden triple and versions are filled in here.
    parametrization : Parametrization
        What `latent` and `level` mean to the module, and what `raw` predicts; default EDM. Not for
        transitions.
    format : {"torchscript", "aoti"}
        "aoti" compiles the methods to native code (AOTInductor; needs g++), for a `.pt2` file that is faster,
        depends on torch and processor, and is loaded only where the user allows its code to run.
    device : {"cpu", "cuda"}
        What "aoti" compiles for: this machine's CPU or GPU. A TorchScript program runs on any.
    symmetric : bool, optional
        Claim SE(3) symmetry, and check it; default what the card says.
    history, box : (H, N, 3) nm, (3, 3) nm, optional
        An example of what the model will meet, best a frame of the training data. Without one the card's
        golden history serves, or a conformation built from its bonds.
    network : dict, optional
        Name and configuration of a network of the registry (`NetworkChoice.to_dict`), kept in the archive, so
        that the network can be taken out again.

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
    if format == "aoti" and card.matmul_precision != "highest":
        raise ExportError(
            "export_program: a package has the precision that it is compiled with; expected"
            f" matmul_precision='highest', found {card.matmul_precision!r}; leave it, or use"
            " format='torchscript'."
        )
    probe = make_probe(card, history, box)
    program = wrap(module, card, parametrization or Parametrization())
    forms, to_file = _FORMATS[format](program, probe, device)
    report = compare_programs(program, forms, card, probe)
    *_, last = forms.values()
    card = replace(card, golden=_golden(last, card, probe))
    extra = {CARD_FILE: card.to_json()} | ({} if network is None else {NETWORK_FILE: json.dumps(network)})
    data = to_file(extra)
    try:
        ScoreModel(data, allow_native_code=True, device=device)  # ours, just compiled
    except (CardError, ProgramError) as error:
        raise ExportError(
            f"export_program: the plugin does not accept the exported program; {error}"
        ) from error
    write_atomically(path, lambda file: file.write(data))
    return report


def _torchscript(program: nn.Module, probe: Probe, _device: str):
    """The scripted program, the same after a round trip, and what makes a file of it."""
    scripted = script(program)
    forms = {"scripted": scripted, "reloaded": from_bytes(to_bytes(scripted, {}))}
    return forms, partial(to_bytes, scripted)


def _aoti(program: nn.Module, probe: Probe, device: str):
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
    return replace(
        card,
        package_version=openmm_scoredyn.__version__,
        torch_version=torch.__version__,
        latent_type=getattr(module, "latent_type", card.latent_type),
        symmetric=card.symmetric if symmetric is None else symmetric,
    )


def _golden(program, card: Card, probe: Probe) -> dict:
    """Input and output of one replica at the middle of the noise levels, as flat lists."""
    one = probe.first()

    def flat(values: Tensor) -> list[float]:
        return [float(value) for value in values.flatten()]

    golden = {"history": flat(one.history), "box": flat(one.box)}
    with torch.no_grad():
        if card.kind == "transition":
            positions = program.propose(one.noise, one.history, one.box)
            return golden | {"noise": flat(one.noise), "positions": flat(positions)}
        sigma = torch.tensor([(card.sigma_min * card.sigma_max) ** 0.5])
        latent = one.clean + sigma * one.noise[:, 0]
        denoised = program.denoise(latent, sigma, one.history, one.box)
        positions = program.advance(denoised, one.history, one.box)
    return golden | {
        "latent": flat(latent),
        "sigma": float(sigma),
        "denoised": flat(denoised),
        "positions": flat(positions),
    }
