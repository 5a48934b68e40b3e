"""Cards as JSON text (`scoredyn.json` inside the archive), the same for every kind of program."""

import json
from dataclasses import asdict, fields

from openmm_scoredyn.errors import CardError
from openmm_scoredyn.program.card_checks import check_version

CARD_FILE = "scoredyn.json"
FORMAT_VERSION = "1.2"


def write_fields(card) -> str:
    """JSON text of a dataclass, one field per line, NaN never written."""
    lines = [
        f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in asdict(card).items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read_fields(kind: type, text: str, later: tuple[str, ...] = ()) -> dict:
    """Values of the fields of a dataclass `kind` from JSON text; fields that it does not know are left out.

    Parameters
    ----------
    later : fields that the first minor version did not have; they may be missing

    Raises
    ------
    CardError
        If the text is not JSON, the major version is another, or a field is missing.
    """
    values = _read_object(text)
    check_version(values.get("format_version"))
    for entry in fields(kind):
        if entry.name not in values and entry.name not in later:
            raise CardError(
                f"Card: the field {entry.name} is missing; expected every field of format {FORMAT_VERSION}, "
                f"found {len(values)} fields without it; export the program again."
            )
    return {entry.name: values[entry.name] for entry in fields(kind) if entry.name in values}


def _read_object(text: str) -> dict:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise CardError(
            f"Card: {CARD_FILE} is not JSON; expected an object, found an error ({error}); export the program"
            " again."
        ) from None
    if not isinstance(values, dict):
        raise CardError(
            f"Card: {CARD_FILE} does not hold an object; expected one, found {type(values).__name__}; export"
            " again."
        )
    return values
