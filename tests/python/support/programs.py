"""Score programs whose answers are known in closed form, written as the archives the integrator reads.

They are made here from torch alone, not through `openmm_scoredyn.export`, so that the plugin is tested
without it. The molecule is CHFClBr: five atoms, four bonds, one chiral centre.
"""

import hashlib
import io
import json
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from openmm_scoredyn.program.archive import seal

ELEMENTS = ["C", "H", "F", "Cl", "Br"]
MASSES = [12.011, 3.0, 18.998, 35.45, 79.904]
BOND_LENGTHS = [0.109, 0.135, 0.177, 0.194]
# Tetrahedral, nm; every coordinate is a float32, so that a round trip through one changes nothing.
_DIRECTIONS = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
POSITIONS = np.concatenate([np.zeros((1, 3)), _DIRECTIONS * np.array(BOND_LENGTHS)[:, None]]).astype(
    np.float32
)
LAG = 1.0
TEMPERATURE = 300.0
# Programs that fail do so only for molecules beyond this x, because all of them must reproduce their golden
# triple.
FAILS_BEYOND_X = 50.0


class Drift(nn.Module):
    """Every atom moves by the same vector in every step; the identity for zeros. The clean latent is always
    zero.
    """

    def __init__(self, velocity=(0.0, 0.0, 0.0)):
        super().__init__()
        self.register_buffer("velocity", torch.tensor(velocity, dtype=torch.float32))

    @torch.jit.export
    def denoise(self, latent: Tensor, sigma: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return torch.zeros_like(latent)

    @torch.jit.export
    def advance(self, latent: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + self.velocity + latent


class Turn(Drift):
    """The molecule turns by 100 degrees about the z axis in every step, so that its bonds point elsewhere."""

    def __init__(self):
        super().__init__()
        angle = torch.tensor(100.0).deg2rad()
        rows = [[angle.cos(), -angle.sin(), 0.0], [angle.sin(), angle.cos(), 0.0], [0.0, 0.0, 1.0]]
        self.register_buffer("rotation", torch.tensor(rows))

    @torch.jit.export
    def advance(self, latent: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] @ self.rotation.T + latent


class OrnsteinUhlenbeck(nn.Module):
    """x' = c + a (x - c) + s eps, with a = exp(-lag / tau), about the reference structure c, as a denoiser.

    The latent is (x' - x) / s, a unit Gaussian about (a - 1) (x - c) / s, whose optimal denoiser is closed
    form.
    """

    def __init__(self, decay=0.6, spread_nm=0.002):
        super().__init__()
        self.decay = decay
        self.step = spread_nm * (1 - decay**2) ** 0.5
        self.register_buffer("centre", torch.from_numpy(POSITIONS))

    def mean(self, history: Tensor) -> Tensor:
        return (self.decay - 1) * (history[:, -1] - self.centre) / self.step

    @torch.jit.export
    def denoise(self, latent: Tensor, sigma: Tensor, history: Tensor, box: Tensor) -> Tensor:
        variance = sigma[:, None, None].square()
        return (latent + variance * self.mean(history)) / (1 + variance)

    @torch.jit.export
    def advance(self, latent: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + self.step * latent


class ConditionedOrnsteinUhlenbeck(OrnsteinUhlenbeck):
    """The same process in two methods; beyond FAILS_BEYOND_X `denoise` raises, so that whoever calls it is
    found out.

    With `rows` false, `condition` loses its batch there.
    """

    def __init__(self, rows: bool = True):
        super().__init__()
        self.rows = rows

    @torch.jit.export
    def condition(self, history: Tensor, box: Tensor) -> Tensor:
        if bool(history[0, -1, 0, 0] > 50.0) and not self.rows:
            return torch.zeros(7)
        return self.mean(history)

    @torch.jit.export
    def denoise_conditioned(self, latent: Tensor, sigma: Tensor, condition: Tensor) -> Tensor:
        variance = sigma[:, None, None].square()
        return (latent + variance * condition) / (1 + variance)

    @torch.jit.export
    def denoise(self, latent: Tensor, sigma: Tensor, history: Tensor, box: Tensor) -> Tensor:
        if bool(history[0, -1, 0, 0] > 50.0):
            raise ValueError("denoise was called")
        return self.denoise_conditioned(latent, sigma, self.condition(history, box))


class WhollyConditionedOrnsteinUhlenbeck(ConditionedOrnsteinUhlenbeck):
    """One that also advances from the condition, to nowhere if it is not that of the history; `advance`
    raises far out.
    """

    @torch.jit.export
    def advance_conditioned(self, latent: Tensor, condition: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + self.step * torch.where(condition == self.mean(history), latent, torch.nan)

    @torch.jit.export
    def advance(self, latent: Tensor, history: Tensor, box: Tensor) -> Tensor:
        if bool(history[0, -1, 0, 0] > 50.0):
            raise ValueError("advance was called")
        return self.advance_conditioned(latent, self.mean(history), history, box)


class OrnsteinUhlenbeckTransition(OrnsteinUhlenbeck):
    """The same process as a transition of K = 2 latents, each with half the variance."""

    @torch.jit.export
    def propose(self, noise: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + self.step * (self.mean(history) + noise.sum(1) * 0.5**0.5)


class Jumping(nn.Module):
    """A transition whose atoms jump along x by 0.01 nm times a normal: the guard's displacement limit
    decides.
    """

    @torch.jit.export
    def propose(self, noise: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + noise[:, 0, :1] * torch.tensor([0.01, 0.0, 0.0], device=noise.device)


class Inertial(nn.Module):
    """A transition that needs two frames: half of the last displacement goes on, plus noise common to all
    atoms.
    """

    @torch.jit.export
    def propose(self, noise: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + 0.5 * (history[:, -1] - history[:, -2]) + 0.001 * noise[:, 0, :1]


class BoxLength(nn.Module):
    """A periodic program that moves every atom along x by a hundredth of the box length."""

    @torch.jit.export
    def denoise(self, latent: Tensor, sigma: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return torch.zeros_like(latent)

    @torch.jit.export
    def advance(self, latent: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + 0.01 * box[0]


class Failing(nn.Module):
    """The identity until the molecule is beyond FAILS_BEYOND_X, where `denoise` fails in the way named."""

    def __init__(self, mode: str):
        super().__init__()
        self.mode = mode

    @torch.jit.export
    def denoise(self, latent: Tensor, sigma: Tensor, history: Tensor, box: Tensor) -> Tensor:
        if bool(history[0, -1, 0, 0] <= 50.0):
            return torch.zeros_like(latent)
        if self.mode == "nan":
            return torch.full_like(latent, float("nan"))
        if self.mode == "shape":
            return torch.zeros_like(latent)[:, :-1]
        if self.mode == "dtype":
            return torch.zeros_like(latent).to(torch.float64)
        if self.mode == "matmul":
            return latent @ latent
        raise ValueError("the molecule is too far out")

    @torch.jit.export
    def advance(self, latent: Tensor, history: Tensor, box: Tensor) -> Tensor:
        # Hides a latent that is not a number, as a clamp in a real program would.
        return history[:, -1] + torch.nan_to_num(latent)


def make_card(module: nn.Module, **values) -> dict:
    """Card of a program for the molecule of this file, golden triple included; `values` replace or add
    fields.
    """
    n = len(ELEMENTS)
    card = {
        "format_version": "1.0",
        "kind": "transition" if hasattr(module, "propose") else "denoiser",
        "name": type(module).__name__,
        "lag_time_ps": LAG,
        "temperature_K": TEMPERATURE,
        "history_length": 1,
        "latent_size": n,
        "noise_count": 1,
        "sigma_min": 0.01,
        "sigma_max": 80.0,
        "sigma_data": 1.0,
        "latent_type": "vector",
        "symmetric": False,
        "solver": "dpmpp_2m",
        "denoising_steps": 5,
        "elements": ELEMENTS,
        "masses_amu": MASSES,
        "atom_names": ["C", "H", "F", "CL", "BR"],
        "residue_names": ["MOL"] * n,
        "residue_indices": [0] * n,
        "bonds": [[0, i] for i in range(1, n)],
        "bond_lengths_nm": BOND_LENGTHS,
        "bond_tolerance": 0.25,
        "chiral_centres": [[0, 1, 2, 3]],
        "max_displacement_nm": 2.0,
        "periodic": False,
        "solvent": "none",
        "force_field": "none",
        "training_data": {"fingerprint": "0" * 64},
        "accuracy": {},
        "licence": "MIT",
        "package_version": "0",
        "torch_version": torch.__version__,
    } | values
    return card if "golden" in card else card | {"golden": golden_triple(module, card)}


def golden_triple(module: nn.Module, card: dict) -> dict:
    """What the module itself gives for a fixed input."""
    generator = torch.Generator().manual_seed(7)
    history = torch.from_numpy(POSITIONS).repeat(1, card["history_length"], 1, 1)
    box = torch.eye(3) * (3.0 if card["periodic"] else 0.0)
    golden = {"history": history, "box": box}
    if card["kind"] == "transition":
        golden["noise"] = torch.randn(1, card["noise_count"], card["latent_size"], 3, generator=generator)
        golden["positions"] = module.propose(golden["noise"], history, box)
    else:
        golden["latent"] = torch.randn(1, card["latent_size"], 3, generator=generator)
        golden["denoised"] = module.denoise(golden["latent"], torch.tensor([0.7]), history, box)
        golden["positions"] = module.advance(golden["denoised"], history, box)
    flat = {name: tensor.flatten().tolist() for name, tensor in golden.items()}
    return flat if card["kind"] == "transition" else flat | {"sigma": 0.7}


def save_program(path: Path, module: nn.Module, **values) -> str:
    """Write a module as a score program and return the path as text."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # TorchScript is the contract, its deprecation is known
        scripted = torch.jit.script(module.eval())
        buffer = io.BytesIO()
        torch.jit.save(scripted, buffer)
    path.write_bytes(seal(buffer.getvalue(), {"scoredyn.json": json.dumps(make_card(module, **values))}))
    return str(path)


def compile_methods(module: nn.Module) -> dict[str, list]:
    """Files of the module's methods compiled by AOTInductor, for any batch; seconds per method."""
    rows = torch.randn(2, len(ELEMENTS), 3)
    history, box = torch.from_numpy(POSITIONS).repeat(2, 1, 1, 1), torch.zeros(3, 3)
    if hasattr(module, "propose"):
        methods = {"propose": (rows[:, None].repeat(1, 2, 1, 1), history, box)}
    else:
        methods = {"denoise": (rows, torch.tensor([0.5, 0.7]), history, box), "advance": (rows, history, box)}
    return {name: _compile(module, name, inputs) for name, inputs in methods.items() if hasattr(module, name)}


def _compile(module: nn.Module, name: str, arguments: tuple[Tensor, ...]) -> list:
    class Method(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = module

        def forward(self, *arguments):
            return getattr(self.module, name)(*arguments)

    batch = torch.export.Dim("batch", min=1)
    shapes = ({0: batch},) * (len(arguments) - 1) + (None,)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about itself
        traced = torch.export.export(Method(), arguments, dynamic_shapes=(shapes,))
        options = {"aot_inductor.package": True, "cpp.threads": 1}
        return torch._inductor.aot_compile(traced.module(), arguments, options=options)


def save_package(path: Path, files: dict[str, list], card: dict, **extra: str) -> str:
    """Write compiled methods as an AOTInductor package with its card; `extra` files give it
    another SHA-256.
    """
    from torch.export.pt2_archive._package import package_pt2

    buffer = io.BytesIO()
    package_pt2(buffer, aoti_files=files)
    path.write_bytes(seal(buffer.getvalue(), {"scoredyn.json": json.dumps(card), **extra}))
    return str(path)


def sha256_of(path) -> str:
    """SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
