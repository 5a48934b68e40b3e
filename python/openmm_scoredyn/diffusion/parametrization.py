"""How a network was trained, and the exact way from its raw output to the canonical denoiser.

Every network of this package and every network brought to it ends as one function: the denoiser of
`latent + sigma * noise` (variance-exploding form). What differs is what the network is shown and what it
was asked to predict; both are linear in its output, so the conversion is exact.
"""

import math

import torch
from torch import Tensor, nn

from openmm_scoredyn.errors import ExportError

PREDICTIONS = ("noise", "score", "clean", "v", "edm")
SCHEDULES = ("vp_linear", "vp_cosine", "ve", "edm")

_COSINE_OFFSET = 0.008  # Nichol and Dhariwal 2021, eq. 17


class Parametrization(nn.Module):
    """What a network is shown (`schedule`) and what it predicts (`prediction`); scriptable, without
    parameters.

    Parameters
    ----------
    prediction : {"noise", "score", "clean", "v", "edm"}
        "noise": eps. "score": gradient of the log density of the schedule's own noised variable. "clean": the
        latent itself. "v": alpha eps - sigma x0 (Salimans and Ho 2022); in the ve and edm schedules, which
        have no alpha, the same with the data scaled by `sigma_data`. "edm": the F of Karras et al.
    schedule : {"vp_linear", "vp_cosine", "ve", "edm"}
        vp_*: the network sees the latent divided by sqrt(1 + sigma^2), and t in [0, 1]. ve: the latent as it
        is, and ln(sigma / 2). edm: the latent divided by sqrt(sigma^2 + sigma_data^2), and ln(sigma) / 4.
    sigma_data : float
        Standard deviation of the clean latents; used by "edm", and by "v" outside the vp schedules.
    beta_min, beta_max : float
        Ends of the linear variance-preserving schedule; used by vp_linear alone.

    Raises
    ------
    ExportError
        For an unknown name, or a number that is not positive, or beta_max not above beta_min.

    Notes
    -----
    Karras et al. 2022, table 1. In every case clean = skip(sigma) * latent + out(sigma) * raw.
    """

    def __init__(
        self,
        prediction: str = "edm",
        schedule: str = "edm",
        sigma_data: float = 1.0,
        beta_min: float = 0.1,
        beta_max: float = 20.0,
    ):
        super().__init__()
        _check(prediction, schedule, sigma_data, beta_min, beta_max)
        self.prediction = prediction
        self.schedule = schedule
        self.sigma_data = float(sigma_data)
        self.beta_min = float(beta_min)
        self.beta_max = float(beta_max)
        angle = _COSINE_OFFSET / (1 + _COSINE_OFFSET) * math.pi / 2
        self._cosine_angle = angle
        self._cosine_rate = (1 + _COSINE_OFFSET) * 2 / math.pi

    def to_dict(self) -> dict:
        """The constructor's arguments, ready for JSON."""
        return {
            name: getattr(self, name)
            for name in ("prediction", "schedule", "sigma_data", "beta_min", "beta_max")
        }

    def forward(self, raw: Tensor, latent: Tensor, sigma: Tensor) -> Tensor:
        """Same as `clean`."""
        return self.clean(raw, latent, sigma)

    @torch.jit.export
    def network_input(self, latent: Tensor, sigma: Tensor) -> Tensor:
        """What the network is shown, (B, D), for the noised `latent` (B, D) at `sigma` (B,) > 0."""
        if self.schedule == "ve":
            return latent
        data = self.sigma_data if self.schedule == "edm" else 1.0
        return latent / torch.sqrt(sigma**2 + data**2).unsqueeze(1)

    @torch.jit.export
    def network_level(self, sigma: Tensor) -> Tensor:
        """The noise level in the network's own terms, (B,), for `sigma` (B,) > 0; written to keep float32
        digits.
        """
        if self.schedule == "ve":
            return torch.log(sigma / 2.0)
        if self.schedule == "edm":
            return torch.log(sigma) / 4.0
        if self.schedule == "vp_linear":
            log_variance = torch.log1p(sigma**2)
            span = self.beta_max - self.beta_min
            return (
                2.0
                * log_variance
                / (torch.sqrt(self.beta_min**2 + 2.0 * span * log_variance) + self.beta_min)
            )
        # cos(angle) = cos(angle_0) / sqrt(1 + sigma^2); the difference of the two tangents without
        # cancellation
        sine, cosine = math.sin(self._cosine_angle), math.cos(self._cosine_angle)
        root = torch.sqrt(sigma**2 + sine**2)
        rise = sigma**2 / ((root + sine) * cosine)
        return torch.atan2(rise, 1.0 + root * sine / cosine**2) * self._cosine_rate

    @torch.jit.export
    def sigma_at(self, level: Tensor) -> Tensor:
        """Inverse of `network_level`: sigma (B,) at the network's own level (B,)."""
        if self.schedule == "ve":
            return 2.0 * torch.exp(level)
        if self.schedule == "edm":
            return torch.exp(4.0 * level)
        if self.schedule == "vp_linear":
            return torch.sqrt(
                torch.expm1(0.5 * (self.beta_max - self.beta_min) * level**2 + self.beta_min * level)
            )
        # cos(a)^2 - cos(a + d)^2 = sin(2a + d) sin(d), which does not cancel at small d
        step = level / self._cosine_rate
        return torch.sqrt(torch.sin(2.0 * self._cosine_angle + step) * torch.sin(step)) / torch.cos(
            self._cosine_angle + step
        )

    @torch.jit.export
    def skip_and_out(self, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """The two factors, (B,) each, of clean = skip * latent + out * raw."""
        preserving = self.schedule == "vp_linear" or self.schedule == "vp_cosine"
        if self.prediction == "clean":
            return torch.zeros_like(sigma), torch.ones_like(sigma)
        if self.prediction == "noise":
            return torch.ones_like(sigma), -sigma
        if self.prediction == "score":
            # the score is -noise / (standard deviation of the noise in the variable it is the gradient for)
            deviation = sigma / torch.sqrt(1.0 + sigma**2) if preserving else sigma
            return torch.ones_like(sigma), sigma * deviation
        data = 1.0 if preserving and self.prediction == "v" else self.sigma_data
        total = sigma**2 + data**2
        out = sigma * data / torch.sqrt(total)
        return data**2 / total, -out if self.prediction == "v" else out

    @torch.jit.export
    def clean(self, raw: Tensor, latent: Tensor, sigma: Tensor) -> Tensor:
        """The denoised latent (B, D) from the network's `raw` output (B, D), the noised `latent` and
        `sigma` (B,).
        """
        skip, out = self.skip_and_out(sigma)
        return torch.addcmul(skip.unsqueeze(1) * latent, out.unsqueeze(1), raw)


def denoising_loss(
    network, parametrization: Parametrization, clean: Tensor, condition, sigma: Tensor, eps: Tensor
):
    """Weighted mean squared error of the raw output, per sample (B,).

    Parameters
    ----------
    network : module with predict(latent, level, condition) and loss_weight, which broadcasts to (B, D)
    clean : (B, D), clean latents
    condition : what `network.condition` returns for the same samples
    sigma : (B,), noise levels
    eps : (B, D), unit normals

    Notes
    -----
    clean = skip noised + out raw gives the raw target: for EDM the unit-variance target of Karras et al.
    (2022, eq. 8), for noise prediction the noise itself.
    """
    noised = clean + sigma[:, None] * eps
    seen, level = parametrization.network_input(noised, sigma), parametrization.network_level(sigma)
    raw = network.predict(seen, level, condition)
    skip, out = (factor[:, None] for factor in parametrization.skip_and_out(sigma))
    return (network.loss_weight * (raw - (clean - skip * noised) / out) ** 2).mean(1)


def _check(prediction: str, schedule: str, sigma_data: float, beta_min: float, beta_max: float) -> None:
    for name, value, known in (("prediction", prediction, PREDICTIONS), ("schedule", schedule, SCHEDULES)):
        if value not in known:
            raise ExportError(
                f"Parametrization: unknown {name}; expected one of {', '.join(known)}, found {value!r}; "
                "name what the network was trained with."
            )
    for name, number in (("sigma_data", sigma_data), ("beta_min", beta_min), ("beta_max", beta_max)):
        if not (math.isfinite(number) and number > 0):
            raise ExportError(
                f"Parametrization: {name} is not a positive number; expected {name} > 0, found {number};"
                " correct it."
            )
    if beta_max <= beta_min:
        raise ExportError(
            "Parametrization: the linear schedule must rise; expected beta_max > beta_min, "
            f"found beta_min={beta_min}, beta_max={beta_max}; swap or correct them."
        )
