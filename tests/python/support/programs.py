"""Score programs whose answers are known in closed form, written as the archives the integrator reads.

They are made here from torch alone, not through `openmm_scoredyn.export`, so that the plugin is tested
without it. The molecule is CHFClBr: five atoms, four bonds, one stereocentre.
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

TYPES = ["C", "H", "F", "Cl", "Br"]
MASSES = [12.011, 3.0, 18.998, 35.45, 79.904]
BOND_LENGTHS = [0.109, 0.135, 0.177, 0.194]
# Tetrahedral, nm; every coordinate is a float32, so that a round trip through one changes nothing.
_DIRECTIONS = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
POSITIONS = np.concatenate([np.zeros((1, 3)), _DIRECTIONS * np.array(BOND_LENGTHS)[:, None]]).astype(
    np.float32
)
LAG = 1.0
TEMPERATURE = 300.0
LATENT_SIZE = 15  # three numbers a particle
# Programs that fail do so only for molecules beyond this x, because all of them must reproduce their golden
# examples.
FAILS_BEYOND_X = 50.0
_METHODS = ("condition", "start", "denoise", "advance")


class Newest(nn.Module):
    """What all share that need no more than the newest frame."""

    @torch.jit.export
    def condition(
        self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
    ) -> list[Tensor]:
        return [history[:, -1]]


class Drift(Newest):
    """Every atom moves by the same vector in every step; the identity for zeros. The clean latent is always
    zero.
    """

    def __init__(self, velocity=(0.0, 0.0, 0.0)):
        super().__init__()
        self.register_buffer("velocity", torch.tensor(velocity, dtype=torch.float32))

    @torch.jit.export
    def denoise(self, latent: Tensor, sigma: Tensor, condition: list[Tensor]) -> Tensor:
        return torch.zeros_like(latent)

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + self.velocity + latent.unflatten(1, [-1, 3])


class Turn(Drift):
    """The molecule turns by 100 degrees about the z axis in every step, so that its bonds point elsewhere."""

    def __init__(self):
        super().__init__()
        angle = torch.tensor(100.0).deg2rad()
        rows = [[angle.cos(), -angle.sin(), 0.0], [angle.sin(), angle.cos(), 0.0], [0.0, 0.0, 1.0]]
        self.register_buffer("rotation", torch.tensor(rows))

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] @ self.rotation.T + latent.unflatten(1, [-1, 3])


class OrnsteinUhlenbeckStep(nn.Module):
    """x' = c + a (x - c) + s eps, with a = exp(-lag / tau), about the reference structure c.

    The latent is (x' - x) / s, a unit Gaussian about (a - 1) (x - c) / s, which is the condition.
    """

    def __init__(self, decay=0.6, spread_nm=0.002):
        super().__init__()
        self.decay = decay
        self.step = spread_nm * (1 - decay**2) ** 0.5
        self.register_buffer("centre", torch.from_numpy(POSITIONS))

    @torch.jit.export
    def condition(
        self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
    ) -> list[Tensor]:
        return [((self.decay - 1) * (history[:, -1] - self.centre) / self.step).flatten(1)]

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + self.step * latent.unflatten(1, [-1, 3])


class OrnsteinUhlenbeck(OrnsteinUhlenbeckStep):
    """The process as a denoiser, whose optimum is closed form."""

    @torch.jit.export
    def denoise(self, latent: Tensor, sigma: Tensor, condition: list[Tensor]) -> Tensor:
        variance = sigma[:, None].square()
        return (latent + variance * condition[0]) / (1 + variance)


class OrnsteinUhlenbeckAtOnce(OrnsteinUhlenbeckStep):
    """The process by `start` alone, from 2 N vectors, each of half the variance."""

    latent_size = 2 * LATENT_SIZE

    @torch.jit.export
    def start(self, noise: Tensor, condition: list[Tensor]) -> Tensor:
        return noise + 0.5**0.5 * condition[0].repeat(1, 2)

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + self.step * 0.5**0.5 * latent.unflatten(1, [2, -1, 3]).sum(1)


class WideStartAtOnce(Newest):
    """Displacements of 0.001 nm times a normal with mean 0.5 and standard deviation 2, by `start` alone."""

    @torch.jit.export
    def start(self, noise: Tensor, condition: list[Tensor]) -> Tensor:
        return 2 * noise + 0.5

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + 0.001 * latent.unflatten(1, [-1, 3])


class WideStart(WideStartAtOnce):
    """The same, noised as far as sigma_max = 80; what denoises is right for unit normals, whose flow shrinks
    every latent by sqrt(1 + sigma^2).
    """

    @torch.jit.export
    def start(self, noise: Tensor, condition: list[Tensor]) -> Tensor:
        return (2 * noise + 0.5) * (1 + 80.0**2) ** 0.5

    @torch.jit.export
    def denoise(self, latent: Tensor, sigma: Tensor, condition: list[Tensor]) -> Tensor:
        return latent / (1 + sigma[:, None].square())


class Jumping(Newest):
    """Atoms jump along x by 0.01 nm times a normal, at once: the guard's displacement limit decides."""

    @torch.jit.export
    def start(self, noise: Tensor, condition: list[Tensor]) -> Tensor:
        return noise

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + latent[:, None, :1] * torch.tensor([0.01, 0.0, 0.0], device=latent.device)


class Inertial(Jumping):
    """Needs two frames: half of the last displacement goes on, plus noise common to all atoms."""

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + 0.5 * (history[:, -1] - history[:, -2]) + 0.001 * latent[:, None, :3]


class BoxLength(Drift):
    """A periodic program that moves every atom along x by a hundredth of the box length."""

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + 0.01 * box[:, :1]


class LagAndTemperature(Drift):
    """Every atom moves by 0.01 nm per ps of the lag time along x, and by 0.0001 nm per K along y."""

    @torch.jit.export
    def condition(
        self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
    ) -> list[Tensor]:
        along = [0.01 * lag_time_ps, 0.0001 * temperature_K, torch.zeros_like(lag_time_ps)]
        return [torch.stack(along, dim=1)]

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + condition[0][:, None]


class Counted(Drift):
    """At rest; `condition` alone uses digamma, `denoise` alone lgamma: a profiler counts their calls."""

    @torch.jit.export
    def condition(
        self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
    ) -> list[Tensor]:
        return [history[:, -1] + 0.0 * torch.digamma(lag_time_ps)[:, None, None]]

    @torch.jit.export
    def denoise(self, latent: Tensor, sigma: Tensor, condition: list[Tensor]) -> Tensor:
        return torch.zeros_like(latent) + 0.0 * torch.lgamma(sigma)[:, None]


class Failing(Newest):
    """The identity until the molecule is beyond FAILS_BEYOND_X, where `denoise` fails in the way named."""

    def __init__(self, mode: str):
        super().__init__()
        self.mode = mode

    @torch.jit.export
    def denoise(self, latent: Tensor, sigma: Tensor, condition: list[Tensor]) -> Tensor:
        if bool(condition[0][0, 0, 0] <= 50.0):
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
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        # Hides a latent that is not a number, as a clamp in a real program would.
        return history[:, -1] + torch.nan_to_num(latent).unflatten(1, [-1, 3])


def make_card(module: nn.Module, frame: Tensor | None = None, box: Tensor | None = None, **values) -> dict:
    """Card of a program for the molecule of this file; `values` replace fields of any part. Golden examples
    are of `frame` (N, 3) and, for a periodic program, `box` (3, 3), nm.
    """
    n = len(TYPES)
    card = {
        "format_version": "2.0",
        "name": type(module).__name__,
        "capabilities": {
            "lag_times_ps": [LAG],
            "lag_time_range": False,
            "temperatures_K": [TEMPERATURE],
            "temperature_range": False,
            "history_length": 1,
            "latent_size": getattr(module, "latent_size", LATENT_SIZE),
            "periodic": False,
            "has_start": hasattr(module, "start"),
            "sigma_min": 0.01,
            "sigma_max": 80.0,
            "sigma_data": 1.0,
            "solver": "dpmpp_2m",
            "solvers": [],
            "denoising_steps": 5 if hasattr(module, "denoise") else 0,
            "matmul_precision": "highest",
            "latent_type": "vector",
            "symmetric": False,
        },
        "particles": {
            "types": TYPES,
            "masses_amu": MASSES,
            "atom_names": ["C", "H", "F", "CL", "BR"],
            "residue_names": ["MOL"] * n,
            "residue_indices": [0] * n,
            "bonds": [[0, i] for i in range(1, n)],
        },
        "guard": {
            "bond_lengths_nm": BOND_LENGTHS,
            "bond_tolerance": 0.25,
            "angles": [],
            "angle_limits_deg": [],
            "stereocentres": [[0, 1, 2, 3]],
            "double_bonds": [],
            "double_bonds_cis": [],
            "contact_classes": [],
            "contacts": [],
            "max_displacement_nm": 2.0,
        },
        "provenance": {"licence": "MIT", "training_data": {"fingerprint": "0" * 64}, "accuracy": {}},
        "golden": None,
    }
    if "recommended_lag_time_ps" in values:  # which a card may do without
        card["capabilities"]["recommended_lag_time_ps"] = None
    for name, value in values.items():
        part = card if name in card else next(p for p in card.values() if isinstance(p, dict) and name in p)
        part[name] = value
    card["particles"]["guard"] = card.pop("guard")
    if card["golden"] is None:
        frame = torch.from_numpy(POSITIONS) if frame is None else frame
        card["golden"] = golden_examples(module, card, frame, 3 * torch.eye(3) if box is None else box)
    return card


def golden_examples(module: nn.Module, card: dict, frame: Tensor, box: Tensor) -> list[dict]:
    """What the module itself gives for two inputs."""
    capabilities = card["capabilities"]
    generator = torch.Generator().manual_seed(7)
    history = frame.repeat(1, capabilities["history_length"], 1, 1)
    box = box[None] * float(capabilities["periodic"])
    examples = []
    for sigma, known in ((0.7, 0), (5.0, -1)):
        normals = torch.randn(2, 1, capabilities["latent_size"], generator=generator)
        lag_time_ps, temperature_K = (capabilities[key][known] for key in ("lag_times_ps", "temperatures_K"))
        condition = module.condition(
            history, box, torch.full([1], lag_time_ps), torch.full([1], temperature_K)
        )
        golden = {"history": history, "box": box}
        if hasattr(module, "start"):
            golden |= {"noise": normals[0], "started": (clean := module.start(normals[0], condition))}
        if hasattr(module, "denoise"):
            clean = module.denoise(normals[1], torch.tensor([sigma]), condition)
            golden |= {"latent": normals[1], "denoised": clean}
        golden["positions"] = module.advance(clean, condition, history, box)
        flat = {name: tensor.flatten().tolist() for name, tensor in golden.items()}
        scalars = {"lag_time_ps": lag_time_ps, "temperature_K": temperature_K, "sigma": sigma}
        examples.append(flat | scalars)
    return examples


def save_program(path: Path, module: nn.Module, card: dict | None = None, **values) -> str:
    """Write a module as a score program, under the card given or its own, and return the path as text."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # TorchScript is the contract, its deprecation is known
        scripted = torch.jit.script(module.eval())
        buffer = io.BytesIO()
        torch.jit.save(scripted, buffer)
    text = json.dumps(card or make_card(module, **values))
    path.write_bytes(seal(buffer.getvalue(), {"scoredyn.json": text}))
    return str(path)


def compile_methods(module: nn.Module) -> dict[str, list]:
    """Files of the module's methods compiled by AOTInductor, for any batch; seconds per method."""
    latent = torch.randn(2, getattr(module, "latent_size", LATENT_SIZE))
    history, box = torch.from_numpy(POSITIONS).repeat(2, 1, 1, 1), torch.zeros(2, 3, 3)
    given = (history, box, torch.full([2], LAG), torch.full([2], TEMPERATURE))
    condition = module.condition(*given)
    arguments = {
        "condition": given,
        "start": (latent, condition),
        "denoise": (latent, torch.tensor([0.5, 0.7]), condition),
        "advance": (latent, condition, history, box),
    }
    return {name: _compile(module, name, arguments[name]) for name in _METHODS if hasattr(module, name)}


def _compile(module: nn.Module, name: str, arguments: tuple) -> list:
    class Method(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = module

        def forward(self, *arguments):
            return getattr(self.module, name)(*arguments)

    batch = torch.export.Dim("batch", min=1)
    shapes = tuple(
        [{0: batch}] * len(given) if isinstance(given, list) else {0: batch} for given in arguments
    )
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
