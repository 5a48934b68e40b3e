"""Noise levels, parametrisations and the denoising loss."""
