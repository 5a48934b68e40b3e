"""`--config run.toml`: options of a command from a file."""

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from openmm_scoredyn.errors import SamplingError


def _read(context: typer.Context, path: Path | None) -> Path | None:
    """Take what the file says as the defaults of the command, so that what is typed goes before it.

    Raises
    ------
    SamplingError
        If the file cannot be read, names no option of the command, or gives a value that none takes.
    """
    if path is None:
        return None
    command = context.info_name
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # of decoding and of TOML, too
        raise SamplingError(
            f"{command}: cannot read {path} ({error}); expected a TOML file of options; correct it."
        ) from None
    known = _options(context)
    values = {}
    for key, value in content.items():
        name = key.replace("_", "-")
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.5)
            advice = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(sorted(known))}."
            raise SamplingError(
                f"{command}: {path} names no option; expected one of `scoredyn {command} --help` without its"
                f" dashes, found {key!r}; {advice}"
            )
        values[known[name].name] = _value(known[name], value, f"{command}: {key} in {path}")
    context.default_map = {**(context.default_map or {}), **values}
    return path


def _options(context: typer.Context) -> dict[str, Any]:
    """The options and arguments of a command by the names that a file gives them."""
    found = {}
    for parameter in context.command.params:
        names = [name[2:] for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("--")]
        name = names[0] if names else str(parameter.name).replace("_", "-")
        if name not in ("config", "help"):
            found[name] = parameter
    return found


def _value(parameter, value: Any, where: str) -> Any:
    """What the parser makes the same of as of a typed value: flags as they are, all others as text."""
    flag = getattr(parameter, "is_flag", False)
    several = getattr(parameter, "multiple", False) or parameter.nargs != 1
    parts = value if isinstance(value, list) and several else [value]
    fits = bool if flag else (str, int, float)
    if not all(isinstance(part, fits) and (flag or not isinstance(part, bool)) for part in parts):
        expected = (
            "true or false" if flag else "text or a number" + (", or a list of them" if several else "")
        )
        raise SamplingError(
            f"{where} has no value of that kind; expected {expected}, found {value!r}; correct it."
        )
    if flag:
        return value
    return [str(part) for part in parts] if several else str(value)


ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        callback=_read,
        is_eager=True,
        metavar="FILE",
        help="TOML file of options, such as updates = 20000; what is typed goes before it.",
    ),
]
