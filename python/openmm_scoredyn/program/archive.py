"""Files of models: read and compared with the sums in them, or written with their sums; nothing of them is
run.
"""

import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from openmm import OpenMMException

from openmm_scoredyn.errors import CardError, ProgramError

SUMS_RECORD = "extra/SHA256SUMS"
# Which line of which file of the exporting machine an operator came from, and the sources of compiled code
# with the commands that compiled them: nothing that a program needs.
_DEBUG_RECORDS = (".debug_pkl", ".cpp")


@contextmanager
def core_errors() -> Iterator[None]:
    """Raise what the compiled part refuses as the errors of this package: CardError or ProgramError."""
    try:
        yield
    except OpenMMException as error:
        # the core names the part that is at fault first
        kind = CardError if str(error).startswith("Card") else ProgramError
        raise kind(str(error)) from error


def open_model_file(source: str | os.PathLike | bytes):
    """The file of a model of any kind, of which nothing is run.

    Parameters
    ----------
    source : path of a file, or its content

    Returns
    -------
    scoredyn.ModelFile
        With path, sha256, source, card_json (valid JSON), holds_native_code and require_safe.

    Raises
    ------
    ProgramError
        If it is no regular file, larger than 1 GiB, not an archive of this package, or damaged: every record
        is compared with its CRC and its SHA-256.
    CardError
        If its card is not JSON.
    """
    from openmm_scoredyn.program.native import scoredyn

    with core_errors():
        if isinstance(source, bytes):
            return scoredyn.ModelFile.from_bytes(source)
        return scoredyn.ModelFile(os.fspath(source))


def seal(data: bytes, extra_files: dict[str, str] | None = None, hidden_folders: Iterable[str] = ()) -> bytes:
    """An archive of torch as this package reads it: records stored as they are, with the SHA-256 of all of
    them, and without the debug records, which name files of the machine that wrote them.

    Parameters
    ----------
    data : bytes
        What `torch.jit.save`, `torch.save` or `torch.export` wrote in this process, or what this function
        made of that.
    extra_files : dict of str to str
        Records that are put into the folder `extra`, such as the card.
    hidden_folders : paths
        Folders that compiled code names in its messages. Slashes take the place of their names, so that
        nothing moves.

    Raises
    ------
    ProgramError
        If the archive cannot be written: larger than 4 GB, or names that stand twice.
    """
    from openmm_scoredyn.program.native import scoredyn

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        records = [(name, archive.read(name)) for name in archive.namelist()]
    folder = records[0][0].split("/")[0]
    extra = {f"{folder}/extra/{name}": text.encode() for name, text in (extra_files or {}).items()}
    replaced = {f"{folder}/{SUMS_RECORD}", *extra}
    records = [
        (name, _without(content, hidden_folders))
        for name, content in records
        if name not in replaced and not name.endswith(_DEBUG_RECORDS)
    ]
    with core_errors():
        return scoredyn.write_record_archive(records + list(extra.items()))


def _without(content: bytes, folders: Iterable[str]) -> bytes:
    for folder in map(os.fsencode, folders):
        content = content.replace(folder, b"/" * len(folder))
    return content


def trust_operator(name: str) -> None:
    """Allow TorchScript programs of this process an operator that is none of torch's.

    Only for one that computes its result of its arguments alone: without files, random numbers or state.

    Parameters
    ----------
    name : str, such as "library::operator"

    Raises
    ------
    ProgramError
        If it is no qualified name, or one of torch's own.
    """
    from openmm_scoredyn.program.native import scoredyn

    with core_errors():
        scoredyn.trust_operator(name)


def write_checkpoint(content: dict, path: str | os.PathLike) -> None:
    """Write a checkpoint with the sums of its records; whole or not at all.

    Parameters
    ----------
    content : dict of what `torch.load(weights_only=True)` takes back
    path : where the file is to appear
    """
    import torch

    from openmm_scoredyn.data.atomic import write_atomically

    buffer = io.BytesIO()
    torch.save(content, buffer)
    sealed = seal(buffer.getvalue())
    write_atomically(Path(path), lambda file: file.write(sealed))


def read_checkpoint(path: str | os.PathLike, map_location="cpu") -> dict:
    """The content of a checkpoint that `write_checkpoint` wrote.

    Raises
    ------
    ProgramError
        If it is no regular file, or damaged: every record is compared with its CRC and its SHA-256.
    """
    import torch

    from openmm_scoredyn.program.native import scoredyn

    name = f"Checkpoint {os.fspath(path)}"
    with core_errors():
        data = scoredyn.read_regular_file(os.fspath(path), 2**32 - 1, "Checkpoint")
        scoredyn.check_record_archive(data, name)
    try:
        return torch.load(io.BytesIO(data), map_location=map_location, weights_only=True)
    except Exception as error:  # torch raises many kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ProgramError(
            f"{name}: torch cannot read it; expected tensors, numbers and text alone, found {reason}; give"
            " another checkpoint."
        ) from error
