"""The card of a crystal denoiser (`scoredyn.json` inside the archive)."""

import json
import os
from dataclasses import dataclass, field

from openmm_scoredyn.errors import CardError, ProgramError
from openmm_scoredyn.program.archive import open_model_file
from openmm_scoredyn.program.card_checks import check_types, check_version
from openmm_scoredyn.program.card_json import FORMAT_VERSION, read_fields, write_fields

# Not "denoiser", which is the kind of a dynamics program whose steps are made by denoising.
KIND = "crystal_denoiser"


@dataclass(frozen=True, kw_only=True)
class DenoiserCard:
    """Description of a crystal denoiser; every field is checked when the card is made.

    Attributes
    ----------
    name : str
    lattices : tuple of str, what it was trained on
    elements : tuple of str
        Species in the order of the network's numbers; empty for a model to which all atoms are alike.
    cutoff, sigma_max : float
        Reach of a neighbour, and largest noise per coordinate in training; in nearest-neighbour distances.
    iterations : int, the most that are done where none are asked for
    training_data, accuracy : dict
        Free.
    golden : dict
        Input and output that the program must reproduce, as flat lists: separations (N, K, 3), neighbours (N,
        K), present (N, K), kinds (N,), displacements (N, 3).
    """

    name: str
    lattices: tuple[str, ...]
    cutoff: float
    sigma_max: float
    elements: tuple[str, ...] = ()
    iterations: int = 8
    format_version: str = FORMAT_VERSION
    kind: str = KIND
    training_data: dict = field(default_factory=dict)
    accuracy: dict = field(default_factory=dict)
    licence: str = "unknown"
    package_version: str = "unknown"
    torch_version: str = "unknown"
    golden: dict = field(default_factory=dict)

    def __post_init__(self):
        check_version(self.format_version)
        for name, value in check_types(self).items():
            object.__setattr__(self, name, value)
        for name in ("cutoff", "sigma_max", "iterations"):
            if getattr(self, name) <= 0:
                raise CardError(
                    f"Card: {name} is not valid; expected a positive number, found {getattr(self, name)};"
                    " correct it."
                )
        if self.kind != KIND:
            raise CardError(
                f"Card: this is no crystal denoiser; expected the kind {KIND!r}, found {self.kind!r}; "
                "give a model trained by `scoredyn train-denoiser`."
            )

    def to_json(self) -> str:
        """JSON text, one field per line, NaN never written."""
        return write_fields(self)

    @classmethod
    def from_json(cls, text: str) -> "DenoiserCard":
        """Inverse of `to_json`; fields that only a later minor version knows are left out.

        Raises
        ------
        CardError
            If the text is not JSON, the major version is another, or a field is missing or wrong.
        """
        return cls(**read_fields(cls, text))


def is_crystal_denoiser(source) -> bool:
    """Whether a source (path or content of an archive) says of itself that it is a crystal denoiser."""
    if not isinstance(source, (str, os.PathLike, bytes)):
        return False
    try:
        card = json.loads(open_model_file(source).card_json)
    except (ProgramError, CardError):
        return False
    return isinstance(card, dict) and card.get("kind") == KIND
