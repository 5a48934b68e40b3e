"""The card: what a score program says about itself (`scoredyn.json` inside the archive)."""

import json
from dataclasses import asdict, dataclass, field, fields, replace

from openmm_scoredyn.errors import CardError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.program.guard_rules import GuardRules

CARD_FILE = "scoredyn.json"
FORMAT_VERSION = "2.0"
LATENT_TYPES = ("invariant", "vector")
_OF_PARTICLES = ("types", "masses_amu", "bonds", "atom_names", "residue_names", "residue_indices")


def _listed(values: tuple[float, ...], is_range: bool) -> str:
    *others, last = (f"{value:g}" for value in values)
    if not others:
        return last
    return f"{others[0]} to {last}" if is_range else f"{', '.join(others)} or {last}"


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a program can do, and how it is asked.

    Attributes
    ----------
    lag_times_ps : tuple of float, ascending
        Physical times of one step that the model knows; the two ends of a range if `lag_time_range`.
    recommended_lag_time_ps : float or None
        The one of these that steps have unless another is asked for; None for the shortest.
    temperatures_K : tuple of float, ascending
        The same for temperatures.
    history_length, latent_size : int
        H frames of condition; D numbers of the latent.
    periodic, has_start : bool
        Whether the box matters; whether the program has a method `start`.
    sigma_min, sigma_max, sigma_data : float
        Range of noise levels the network was trained for, and the spread of its clean latents.
    solver, denoising_steps : str, int
        What is recommended; 0 steps for a model that does its step by `start` alone.
    solvers : tuple of str
        The only solvers that the program is right with; empty where any will do.
    matmul_precision : {"highest", "high", "medium"}
        How float32 matrices are multiplied in a step: in float32, with TF32 where a GPU has it, or with
        bfloat16, too, where a processor has it.
    latent_type : {"invariant", "vector"}
        Whether latents stay as they are when the particles turn (internal coordinates) or turn with them.
    symmetric : bool
        Whether SE(3) symmetry is claimed; checked at export.

    Raises
    ------
    CardError
        If `latent_type` or `symmetric` is another; the other fields are checked as part of a card.
    """

    lag_times_ps: tuple[float, ...]
    temperatures_K: tuple[float, ...]
    latent_size: int
    lag_time_range: bool = False
    temperature_range: bool = False
    history_length: int = 1
    periodic: bool = False
    has_start: bool = False
    sigma_min: float = 0.01
    sigma_max: float = 80.0
    sigma_data: float = 1.0
    solver: str = "trig_2m"
    solvers: tuple[str, ...] = ()
    denoising_steps: int = 10
    matmul_precision: str = "highest"
    latent_type: str = "invariant"
    symmetric: bool = False
    recommended_lag_time_ps: float | None = None

    @property
    def lag_times_text(self) -> str:
        """Such as "1, 2 or 5 ps", or "1 to 1000 ps (100 unless asked)" for a range."""
        known = f"{_listed(self.lag_times_ps, self.lag_time_range)} ps"
        default = self.recommended_lag_time_ps
        return known if default is None else f"{known} ({default:g} unless asked)"

    def to_dict(self) -> dict:
        """Its fields; the lag time that is recommended only where there is one."""
        values = asdict(self)
        if self.recommended_lag_time_ps is None:
            del values["recommended_lag_time_ps"]
        return values

    @property
    def temperatures_text(self) -> str:
        """Likewise, in K."""
        return f"{_listed(self.temperatures_K, self.temperature_range)} K"

    def __post_init__(self):
        # the two fields that the core has no use for
        if self.latent_type not in LATENT_TYPES:
            raise CardError(
                f"Card: latent_type is not valid; expected one of {', '.join(LATENT_TYPES)}, found"
                f" {self.latent_type!r}; correct it."
            )
        if not isinstance(self.symmetric, bool):
            raise CardError(
                f"Card: symmetric is not valid; expected True or False, found {self.symmetric!r}; correct it."
            )


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a program comes from and what it is worth.

    Attributes
    ----------
    solvent, force_field, licence, package_version, torch_version : str
    training_data, accuracy : dict
        Free, but training_data["fingerprint"] is the SHA-256 of the data where it is known, and
        accuracy["matmul_precision"] the precision that was measured; without it that is "highest".
    network : dict
        Name and configuration of a registered network, and its parametrisation, from which the program can
        be exported again; empty for a module of somebody's own.
    """

    solvent: str = "unknown"
    force_field: str = "unknown"
    licence: str = "unknown"
    package_version: str = "unknown"
    torch_version: str = "unknown"
    training_data: dict = field(default_factory=dict)
    accuracy: dict = field(default_factory=dict)
    network: dict = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Card:
    """Description of a score program. It is checked when it is made, by the core.

    Attributes
    ----------
    name : str
    capabilities : Capabilities
    particles : Particles
    guard : GuardRules
    provenance : Provenance
    golden : tuple of dict
        Examples that the program must reproduce, as flat lists: history, box, lag_time_ps, temperature_K;
        noise and started with `start`; latent, sigma and denoised with denoising steps; positions. Written
        by `export_program`.

    Raises
    ------
    CardError
        If a field is of another type, out of range or at odds with the rest.
    """

    name: str
    capabilities: Capabilities
    particles: Particles
    guard: GuardRules
    provenance: Provenance = field(default_factory=Provenance)
    golden: tuple[dict, ...] = ()
    format_version: str = FORMAT_VERSION

    def __post_init__(self):
        _check(self.to_json(), complete=False)

    @property
    def num_particles(self) -> int:
        """N."""
        return len(self.particles)

    @property
    def lag_time_ps(self) -> float:
        """The lag time unless another is asked for: the recommended one, else the shortest."""
        can = self.capabilities
        return can.lag_times_ps[0] if can.recommended_lag_time_ps is None else can.recommended_lag_time_ps

    @property
    def temperature_K(self) -> float:
        """The temperature unless another is asked for, the lowest."""
        return self.capabilities.temperatures_K[0]

    @property
    def precision_is_measured(self) -> bool:
        """Whether the accuracy is that of the card's own precision."""
        measured = self.provenance.accuracy.get("matmul_precision", "highest")
        return bool(self.provenance.accuracy) and measured == self.capabilities.matmul_precision

    @classmethod
    def of(cls, particles: Particles, *, name: str, **values) -> "Card":
        """A card of particles; `values` are fields of capabilities, guard or provenance, or golden."""
        parts: dict[str, dict] = {part: {} for part in _PARTS}
        for key, value in values.items():
            part = _part_of(key)
            parts.setdefault(part, {})[key] = value
        golden = parts.pop("", {})
        made = {part: kind(**parts[part]) for part, kind in _PARTS.items()}
        return cls(name=name, particles=replace(particles, force_field=None), **made, **golden)

    def with_values(self, **values) -> "Card":
        """A copy with other values, of fields of any part."""
        parts: dict[str, dict] = {}
        for key, value in values.items():
            parts.setdefault(_part_of(key), {})[key] = value
        own = parts.pop("", {})
        return replace(
            self, **{part: replace(getattr(self, part), **new) for part, new in parts.items()}, **own
        )

    def to_json(self) -> str:
        """JSON text, one field per line, NaN never written."""
        parts = {
            "format_version": self.format_version,
            "name": self.name,
            "capabilities": self.capabilities.to_dict(),
            "particles": describe_particles(self.particles, self.guard),
            "provenance": asdict(self.provenance),
            "golden": list(self.golden),
        }
        return (
            "{\n" + ",\n".join(f"{json.dumps(key)}: {_text(value)}" for key, value in parts.items()) + "\n}\n"
        )

    @classmethod
    def from_json(cls, text: str) -> "Card":
        """Inverse of `to_json`; fields that only a later minor version knows are left out.

        Raises
        ------
        CardError
            If the text is not JSON, the major version is another, or a field is missing, of another type or
            at odds with the rest.
        """
        _check(text, complete=False)
        values = json.loads(text)
        particles = dict(values["particles"])
        guard = GuardRules.from_dict(particles.pop("guard"))
        return cls(
            name=values["name"],
            capabilities=_read(Capabilities, values["capabilities"]),
            particles=_read_particles(particles),
            guard=guard,
            provenance=_read(Provenance, values["provenance"]),
            golden=tuple(values["golden"]),
            format_version=values["format_version"],
        )


_PARTS = {"capabilities": Capabilities, "guard": GuardRules, "provenance": Provenance}


def describe_particles(particles: Particles, guard: GuardRules) -> dict:
    """The part of a card about particles, ready for JSON."""
    return {name: getattr(particles, name) for name in _OF_PARTICLES} | {"guard": guard.to_dict()}


def _part_of(key: str) -> str:
    for part, kind in _PARTS.items():
        if key in {entry.name for entry in fields(kind)}:
            return part
    if key in {"name", "particles", "golden", "format_version"}:
        return ""
    raise CardError(f"Card: no part has a field {key!r}; expected one of its fields; correct the name.")


def _text(value) -> str:
    """JSON of one part of a card."""
    try:
        if not isinstance(value, dict):
            return json.dumps(value, allow_nan=False)
        lines = [f"  {json.dumps(key)}: {json.dumps(entry, allow_nan=False)}" for key, entry in value.items()]
    except ValueError:
        raise CardError(
            "Card: a number is not finite; expected finite numbers, found NaN or infinity; correct it."
        ) from None
    return "{\n" + ",\n".join(lines) + "\n}"


def _read(kind: type, values: dict):
    """A part of a card; lists become tuples."""
    known = {entry.name for entry in fields(kind)}
    return kind(
        **{
            key: tuple(value) if isinstance(value, list) else value
            for key, value in values.items()
            if key in known
        }
    )


def _read_particles(values: dict) -> Particles:
    missing = [name for name in _OF_PARTICLES if name not in values]
    if missing:
        raise CardError(
            f"Card: the field {missing[0]} of the particles is missing; expected {', '.join(_OF_PARTICLES)},"
            " found none of that name; export the program again."
        )
    return Particles.from_dict({name: values[name] for name in _OF_PARTICLES} | {"force_field": None})


def _check(text: str, complete: bool) -> None:
    # imported late: what only describes molecules does without the compiled plugin
    from openmm_scoredyn.program.native import scoredyn

    try:
        scoredyn.check_card(text, complete)
    except scoredyn.OpenMMException as error:
        raise CardError(str(error)) from error
