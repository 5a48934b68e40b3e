"""The denoising loss, in the units of the network's own output."""

from torch import Tensor

from openmm_scoredyn.diffusion.parametrization import Parametrization


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
