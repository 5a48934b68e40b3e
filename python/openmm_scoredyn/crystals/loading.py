"""A crystal denoiser from whatever names one."""

from openmm_scoredyn.crystals.model import CrystalDenoiser
from openmm_scoredyn.errors import DenoisingError
from openmm_scoredyn.program.model import ScoreModel, path_or_shipped


def load_denoiser(model) -> CrystalDenoiser:
    """A crystal denoiser from a path, bytes, the name of a shipped model, or one that is loaded already.

    Raises
    ------
    DenoisingError
        If it is a model of molecular dynamics.
    """
    if not isinstance(model, ScoreModel):
        model = ScoreModel(path_or_shipped(model) if isinstance(model, str) else model)
    if not isinstance(model, CrystalDenoiser):
        raise DenoisingError(
            f"load_denoiser: {model.card.name} is a model of molecular dynamics; expected a crystal denoiser,"
            f" found kind {model.card.kind!r}; load one, as pretrained('metals')."
        )
    return model
