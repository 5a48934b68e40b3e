"""The card of a crystal denoiser (`scoredyn.json` inside the archive)."""

import json
import math
from dataclasses import asdict, dataclass, field, fields

from openmm_scoredyn.errors import CardError

CARD_FILE = "scoredyn.json"
FORMAT_VERSION = "2.0"
KIND = "crystal_denoiser"
_POSITIVE = ("cutoff", "sigma_max", "iterations")


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
    golden : tuple of dict
        Inputs and outputs that the program must reproduce, see `golden`.

    Raises
    ------
    CardError
        If a field has the wrong type or is out of range.
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
    golden: tuple[dict, ...] = ()

    def __post_init__(self):
        if self.kind != KIND:
            raise CardError(
                f"Card: this is no crystal denoiser; expected the kind {KIND!r}, found {self.kind!r}; "
                "give a model trained by `scoredyn train-denoiser`."
            )
        if str(self.format_version).split(".")[0] != FORMAT_VERSION.split(".")[0]:
            raise CardError(
                f"Card: the model has another format version; expected {FORMAT_VERSION}, found"
                f" {self.format_version!r:.20}; install the openmm-scoredyn that wrote it, or train it again."
            )
        for entry in fields(self):
            object.__setattr__(
                self, entry.name, _typed(entry.name, str(entry.type), getattr(self, entry.name))
            )
        for name in _POSITIVE:
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise CardError(
                    f"Card: {name} is not valid; expected a positive number, found {value}; correct it."
                )

    def to_json(self) -> str:
        """JSON text, one field per line, NaN never written."""
        lines = [
            f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in asdict(self).items()
        ]
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> "DenoiserCard":
        """Inverse of `to_json`; fields that only a later minor version knows are left out.

        Raises
        ------
        CardError
            If the text is not JSON, the major version is another, or a field is missing or wrong.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CardError(
                f"Card: it is not JSON; expected an object, found an error ({error}); get the file again."
            ) from None
        if not isinstance(values, dict):
            raise CardError(
                f"Card: it is no JSON object; expected one, found {type(values).__name__}; get the file"
                " again."
            )
        if values.get("kind") != KIND:
            raise CardError(
                f"Card: {values.get('name')!r:.80} is no crystal denoiser; expected the kind {KIND!r}, found"
                f" {values.get('kind', 'a model of molecular dynamics')!r:.40}; give a model trained by"
                " `scoredyn train-denoiser`, as pretrained('metals')."
            )
        missing = [entry.name for entry in fields(cls) if entry.name not in values]
        if missing:
            raise CardError(
                f"Card: fields are missing; expected all of format {FORMAT_VERSION}, found none of"
                f" {', '.join(missing)}; train the model again."
            )
        return cls(**{entry.name: values[entry.name] for entry in fields(cls)})


def is_denoiser(text: str) -> bool:
    """Whether the JSON text of a card says that it is one of a crystal denoiser."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(values, dict) and values.get("kind") == KIND


def _typed(name: str, declared: str, value):
    """The value in the type that the class declares: lists made tuples, ints where ints fit floats."""
    if "tuple" in declared:
        item_kind: type = dict if "dict" in declared else str
        if isinstance(value, (list, tuple)) and all(isinstance(item, item_kind) for item in value):
            return tuple(value)
        raise _wrong_type(name, f"a list of {'objects' if item_kind is dict else 'texts'}", value)
    kinds: dict[str, tuple[type, str]] = {
        "str": (str, "text"),
        "int": (int, "an integer"),
        "float": (float, "a number"),
        "dict": (dict, "an object"),
    }
    kind, expected = next(entry for word, entry in kinds.items() if word in declared)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _wrong_type(name, expected, value)
    return value


def _wrong_type(name: str, expected: str, value) -> CardError:
    return CardError(
        f"Card: {name} has the wrong type; expected {expected}, found {value!r:.60}; correct it."
    )
