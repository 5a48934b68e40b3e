"""The file of a transferable model, `.scoredyn`: a description and weights, nothing in it is code."""

import hashlib
import io
import json
import zipfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from openmm_scoredyn.data.atomic import write_atomically
from openmm_scoredyn.errors import CardError, ProgramError
from openmm_scoredyn.program.card import Capabilities, Provenance
from openmm_scoredyn.program.guard_statistics import GuardStatistics

SUFFIX = ".scoredyn"
FORMAT_VERSION = "1.0"
CARD, WEIGHTS, DIGESTS = "card.json", "weights.safetensors", "sha256.json"
LARGEST = {CARD: 2**24, WEIGHTS: 2**31, DIGESTS: 2**12}  # bytes, of each part


def is_transferable(path) -> bool:
    """Whether a path is of a transferable model, by its ending."""
    return Path(path).suffix == SUFFIX


@dataclass(frozen=True, kw_only=True)
class TransferCard:
    """Description of a transferable model.

    Attributes
    ----------
    name : str
    capabilities : dict
        Fields of `Capabilities` but the latent size, which binding finds.
    guard : GuardStatistics
    provenance : Provenance
        `network` names the registered network, its configuration and parametrisation.
    molecules : tuple of dict
        Of each molecule in training: name, particles, frames.
    """

    name: str
    capabilities: dict
    guard: GuardStatistics
    provenance: Provenance
    molecules: tuple[dict, ...]
    format_version: str = FORMAT_VERSION

    def capabilities_of(self, latent_size: int) -> Capabilities:
        """What a program bound to particles with that latent can do."""
        known: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in self.capabilities.items()
        }
        return Capabilities(latent_size=latent_size, **known)

    def to_json(self) -> str:
        """JSON text."""
        return json.dumps(asdict(self), indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "TransferCard":
        """Inverse of `to_json`.

        Raises
        ------
        CardError
            If it is not JSON, of another version, or a field is missing.
        """
        try:
            values = json.loads(text)
            version = str(values["format_version"])
            if version.split(".")[0] != FORMAT_VERSION.split(".")[0]:
                raise CardError(
                    f"TransferCard: format {version} is not known; expected {FORMAT_VERSION}; update"
                    " openmm-scoredyn."
                )
            guard = values["guard"]
            card = cls(
                name=str(values["name"]),
                capabilities=dict(values["capabilities"]),
                guard=GuardStatistics(**{field.name: guard[field.name] for field in fields(GuardStatistics)}),
                provenance=Provenance(**values["provenance"]),
                molecules=tuple(values["molecules"]),
                format_version=version,
            )
            card.capabilities_of(1)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CardError(
                f"TransferCard: the description cannot be read ({type(error).__name__}: {error}); expected"
                " what `scoredyn export` writes; export the model again."
            ) from None
        return card


@dataclass(frozen=True)
class TransferableModel:
    """A model of many molecules: bind it to one to get a score program.

    Attributes
    ----------
    card : TransferCard
    weights : dict of tensors
    sha256 : str, of the file; empty for one that was not read from a file
    """

    card: TransferCard
    weights: dict
    sha256: str = ""

    def __repr__(self) -> str:
        names = ", ".join(molecule["name"] for molecule in self.card.molecules)
        return f"TransferableModel({self.card.name!r}, trained on {names})"

    def digest(self) -> str:
        """SHA-256 of the card and the weights, of a model that may not have been read from a file."""
        parts = self._parts()
        return hashlib.sha256(b"".join(parts[name] for name in sorted(parts))).hexdigest()

    def _parts(self) -> dict[str, bytes]:
        from safetensors.torch import save

        return {CARD: self.card.to_json().encode(), WEIGHTS: save(self.weights)}

    def save(self, path) -> None:
        """Write the file, whole or not at all."""
        parts = self._parts()
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}
        parts[DIGESTS] = json.dumps(digests).encode()
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for name, content in parts.items():
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
        write_atomically(path, lambda file: file.write(buffer.getvalue()))

    @classmethod
    def load(cls, path) -> "TransferableModel":
        """Read a file; every part is checked against its digest before it is looked at.

        Raises
        ------
        ProgramError
            If the file is missing, is no transferable model, or damaged.
        CardError
            As `TransferCard.from_json`.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        path = Path(path)
        if not path.is_file():
            raise ProgramError(
                f"TransferableModel: {path} is no file; expected a {SUFFIX} file; check the path."
            )
        parts, sha256 = _read_parts(path)
        try:
            weights = load(parts[WEIGHTS])
        except (SafetensorError, ValueError) as error:
            raise _damaged(path, str(error)) from None
        return cls(TransferCard.from_json(parts[CARD].decode(errors="replace")), weights, sha256)


def _read_parts(path: Path) -> tuple[dict[str, bytes], str]:
    """The parts of a file, checked, and the digest of the whole."""
    content = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            found = {entry.filename: entry for entry in archive.infolist()}
            if found.keys() != LARGEST.keys() or len(archive.infolist()) != len(LARGEST):
                raise _damaged(path, f"it holds {', '.join(sorted(found)) or 'nothing'}")
            for name, entry in found.items():
                if entry.file_size > LARGEST[name] or entry.compress_type != zipfile.ZIP_STORED:
                    raise _damaged(path, f"{name} is too large or compressed")
            parts = {name: archive.read(name) for name in found}
        digests = json.loads(parts[DIGESTS])
        wrong = [n for n in (CARD, WEIGHTS) if digests[n] != hashlib.sha256(parts[n]).hexdigest()]
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError, OSError, RuntimeError, EOFError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from None
    if wrong:
        raise _damaged(path, f"{wrong[0]} is not what was written")
    return parts, hashlib.sha256(content).hexdigest()


def _damaged(path: Path, why: str) -> ProgramError:
    return ProgramError(
        f"TransferableModel: {path} is damaged or no transferable model; expected {', '.join(LARGEST)} as"
        f" `scoredyn export` writes them, found that {why}; get the file again."
    )
