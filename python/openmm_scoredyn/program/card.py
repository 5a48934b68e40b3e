"""The card: what a score program says about itself (`scoredyn.json` inside the archive)."""

from dataclasses import dataclass, field

from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.program.card_checks import check_card, check_types
from openmm_scoredyn.program.card_json import FORMAT_VERSION, read_fields, write_fields

_OF_PARTICLES = ("masses_amu", "atom_names", "residue_names", "residue_indices", "bonds")
_SINCE_1_1 = ("solvers",)
_SINCE_1_2 = ("matmul_precision",)


@dataclass(frozen=True, kw_only=True)
class Card:
    """Description of a score program; every field is checked when the card is made.

    Attributes
    ----------
    name : str
    lag_time_ps, temperature_K : float
        Physical time of one step, and the temperature of the training data.
    history_length, latent_size, noise_count : int
        H frames of condition; M rows of the latent, each of three numbers; K latents of noise per step
        (kind "transition" only).
    sigma_min, sigma_max, sigma_data : float
        Range of noise levels the network was trained for, and the spread of its clean latents.
    solver, denoising_steps : str, int
        What is recommended.
    solvers : tuple of str
        The only solvers that the program is right with; empty where any will do.
    matmul_precision : {"highest", "high", "medium"}
        How float32 matrices are multiplied in a step: in float32, with TF32 where a GPU has it, or with
        bfloat16, too, where a processor has it.
    latent_type : {"invariant", "vector"}
        Whether latents stay as they are when the molecule turns (internal coordinates) or turn with it.
    symmetric : bool
        Whether SE(3) symmetry is claimed; checked at export.
    elements, atom_names, residue_names : tuple of str, (N,)
    masses_amu : tuple of float, (N,), as in the System of the training data
    residue_indices : tuple of int, (N,), 0-based
    bonds : tuple of (int, int); bond_lengths_nm : tuple of float, mean of the training data, in the same
    order
    bond_tolerance : float
        A step must keep |r - r0| <= bond_tolerance * r0.
    chiral_centres : tuple of (centre, a, b, d)
        Ordered so that (a - centre) . ((b - centre) x (d - centre)) > 0.
    max_displacement_nm : float
        Largest distance an atom may move in one step.
    training_data, accuracy : dict
        Free, but training_data["fingerprint"] is the SHA-256 of the data where it is known, and
        accuracy["matmul_precision"] the precision that was measured; without it that is "highest".
    golden : dict
        Input, noise and output that the program must reproduce, as flat lists: for a denoiser history, box,
        latent, sigma, denoised, positions; for a transition history, box, noise, positions. Written by
        `export_program`; before that it may hold the history alone, which export then uses.
    """

    name: str
    lag_time_ps: float
    temperature_K: float
    latent_size: int
    elements: tuple[str, ...]
    masses_amu: tuple[float, ...]
    atom_names: tuple[str, ...]
    residue_names: tuple[str, ...]
    residue_indices: tuple[int, ...]
    bonds: tuple[tuple[int, ...], ...]
    bond_lengths_nm: tuple[float, ...]
    format_version: str = FORMAT_VERSION
    kind: str = "denoiser"
    history_length: int = 1
    noise_count: int = 1
    sigma_min: float = 0.01
    sigma_max: float = 80.0
    sigma_data: float = 1.0
    solver: str = "dpmpp_2m"
    denoising_steps: int = 10
    solvers: tuple[str, ...] = ()
    matmul_precision: str = "highest"
    latent_type: str = "invariant"
    symmetric: bool = False
    bond_tolerance: float = 0.25
    chiral_centres: tuple[tuple[int, ...], ...] = ()
    max_displacement_nm: float = 2.0
    periodic: bool = False
    solvent: str = "unknown"
    force_field: str = "unknown"
    training_data: dict = field(default_factory=dict)
    accuracy: dict = field(default_factory=dict)
    licence: str = "unknown"
    package_version: str = "unknown"
    torch_version: str = "unknown"
    golden: dict = field(default_factory=dict)

    def __post_init__(self):
        for name, value in check_types(self).items():
            object.__setattr__(self, name, value)
        check_card(self)

    @property
    def num_particles(self) -> int:
        """N."""
        return len(self.elements)

    @property
    def molecule(self) -> Particles:
        """The atoms the program moves, in order."""
        return Particles(types=self.elements, **{name: getattr(self, name) for name in _OF_PARTICLES})

    @property
    def precision_is_measured(self) -> bool:
        """Whether the accuracy is that of the card's own precision."""
        return (
            bool(self.accuracy) and self.accuracy.get("matmul_precision", "highest") == self.matmul_precision
        )

    @classmethod
    def for_molecule(cls, molecule: Particles, **values) -> "Card":
        """A card whose atoms and bonds are those of `molecule`; `values` are the other fields."""
        described = {name: getattr(molecule, name) for name in _OF_PARTICLES} | {"elements": molecule.types}
        return cls(**(described | values))

    def to_json(self) -> str:
        """JSON text, one field per line, NaN never written."""
        return write_fields(self)

    @classmethod
    def from_json(cls, text: str) -> "Card":
        """Inverse of `to_json`; fields that only a later minor version knows are left out.

        Raises
        ------
        CardError
            If the text is not JSON, the major version is another, or a field is missing, of another type or
            at odds with the rest.
        """
        return cls(**read_fields(cls, text, later=_SINCE_1_1 + _SINCE_1_2))
