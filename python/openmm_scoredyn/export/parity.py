"""Does the exported program give what the module gives, everywhere it will be run?"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from openmm_scoredyn.errors import ExportError
from openmm_scoredyn.export.probe import Probe, answer, random_rotation, turned
from openmm_scoredyn.export.scripting import own_line
from openmm_scoredyn.export.wrapper import methods_of
from openmm_scoredyn.program.card import Card

# (latents, relative to 1 + |x|; positions, nm). Half the tolerance of the golden triple for what depends on
# the machine, float32 rounding for what must be the same, and float64 with float32 constants for the
# symmetry.
SAME = (1e-4, 1e-5)
PRECISION = (5e-4, 5e-5)
SYMMETRY = (1e-5, 1e-6)

ADVICE = {
    "repeated = first": "remove random numbers, dropout and buffers that change from the module",
    "single = batched": "let no replica of the batch depend on another",
    "scripted = eager": (
        "look for code that behaves differently in TorchScript (integer division, rounding, data "
        "dependent branches)"
    ),
    "reloaded = scripted": "keep all state in parameters and buffers",
    "AOTInductor": (
        "look for values that tracing makes constants: Python numbers taken from tensors, branches, caches"
    ),
    "float32 = float64": (
        "avoid differences of large numbers in the module, or it will not reproduce its golden triple "
        "on another machine"
    ),
    "SE(3) symmetry": (
        "drop symmetric=True and train with random rotations, or give the network invariant inputs"
    ),
}


@dataclass(frozen=True)
class ParityCheck:
    """One comparison: the largest difference of latents, relative to 1 + |x|, and of positions in nm."""

    name: str
    latents: float
    positions_nm: float
    tolerance: tuple[float, float]

    @property
    def passed(self) -> bool:
        """Whether both differences are within tolerance (NaN is not)."""
        return self.latents <= self.tolerance[0] and self.positions_nm <= self.tolerance[1]


@dataclass(frozen=True)
class ParityReport:
    """All comparisons of one export."""

    checks: tuple[ParityCheck, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def __str__(self) -> str:
        rows = [f"{'check':<22}{'latents':>10}{'allowed':>10}{'positions':>12}{'allowed':>12}"]
        for check in self.checks:
            rows.append(
                f"{check.name:<22}{check.latents:>10.1e}{check.tolerance[0]:>10.0e}"
                f"{check.positions_nm:>9.1e} nm{check.tolerance[1]:>9.0e} nm"
            )
        return "\n".join(rows)


def compare_programs(program: nn.Module, forms: dict, card: Card, probe: Probe) -> ParityReport:
    """Run all comparisons.

    Parameters
    ----------
    program : the eager program, float32
    forms : dict of str to program
        What became of it, each compared with the one before and the first with the eager program.

    Raises
    ------
    ExportError
        At the first comparison that fails, with what to do about it; or if the module raises or returns
        something else than the contract says.
    """
    eager = checked_answer(program, probe, card)
    wide = copy.deepcopy(program).double()
    exact = checked_answer(wide, probe.to(torch.float64), card)
    single = checked_answer(program, probe.rows(slice(0, 1)), card)
    checks = [
        _compare("repeated = first", checked_answer(program, probe, card), eager, SAME),
        _compare("single = batched", single, (eager[0][:1], eager[1][:1]), SAME),
    ]
    before, reference = "eager", eager
    for name, form in forms.items():
        found = checked_answer(form, probe, card)
        checks.append(_compare(f"{name} = {before}", found, reference, SAME))
        before, reference = name, found
    checks.append(_compare("float32 = float64", eager, exact, PRECISION))
    if card.capabilities.symmetric:
        checks.append(_symmetry(wide, card, probe.to(torch.float64), exact))
    for check in checks:
        if not check.passed:
            raise ExportError(
                f"export_program: the check `{check.name}` failed; expected differences up to"
                f" {check.tolerance[0]:.0e} (latents, relative) and {check.tolerance[1]:.0e} nm (positions),"
                f" found {check.latents:.1e} and {check.positions_nm:.1e} nm; {_advice(check.name)}."
            )
    return ParityReport(tuple(checks))


def _advice(name: str) -> str:
    return ADVICE[name] if name in ADVICE else ADVICE[name.split()[0]]


def checked_answer(program, probe: Probe, card: Card) -> tuple[Tensor, Tensor]:
    """`answer`, refused with a sentence if the module raises or returns another shape, dtype or anything not
    finite.
    """
    precision = str(probe.box.dtype).removeprefix("torch.")
    try:
        latents, positions = answer(program, probe)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ExportError(
            f"export_program: the module raised an error in {precision};"
            f" {reason.rstrip('.')}{own_line(error)}; accept any batch size and take the dtype from the"
            " inputs."
        ) from error
    batch = len(probe.history)
    made = len({"start", "denoise"} & set(methods_of(card)))
    expected: tuple[tuple[str, Tensor, tuple[int, ...]], ...] = (
        ("positions", positions, (batch, card.num_particles, 3)),
        ("latents", latents, (batch, made * card.capabilities.latent_size)),
    )
    for name, value, shape in expected:
        if tuple(value.shape) != shape or value.dtype != probe.box.dtype:
            raise ExportError(
                f"export_program: the module returned the wrong {name}; expected {shape} {precision}, found"
                f" {tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}; correct the module or the"
                " card."
            )
        if not torch.isfinite(value).all():
            raise ExportError(
                f"export_program: the module returned {name} that are not finite; expected finite numbers at"
                f" every noise level from {card.capabilities.sigma_min} to {card.capabilities.sigma_max},"
                f" found NaN or infinity in {precision}; correct the module or the range of the card."
            )
    return latents, positions


def _compare(
    name: str, found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor], tolerance
) -> ParityCheck:
    latents = (found[0].double() - expected[0].double()).abs() / (1 + expected[0].double().abs())
    positions = (found[1].double() - expected[1].double()).abs()
    return ParityCheck(
        name, float(latents.max()) if latents.numel() else 0.0, float(positions.max()), tolerance
    )


def _symmetry(program, card: Card, probe: Probe, reference: tuple[Tensor, Tensor]) -> ParityCheck:
    """A molecule that is turned and moved must take the same step, turned and moved."""
    generator = torch.Generator().manual_seed(2)
    rotation = random_rotation(generator)
    shift = torch.randn(3, generator=generator, dtype=torch.float64)
    turn_latents = card.capabilities.latent_type == "vector"
    found = checked_answer(program, probe.moved(rotation, shift, turn_latents), card)
    latents = turned(reference[0], rotation) if turn_latents else reference[0]
    return _compare("SE(3) symmetry", found, (latents, reference[1] @ rotation.T + shift), SYMMETRY)
