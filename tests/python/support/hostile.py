"""Score programs that do what no program may, written as their author would: a module whose `advance` has
some lines more, scripted by torch, in an archive whose card and sums are right.
"""

import io
import itertools
import json
import linecache
import warnings
import zipfile

import torch
from programs import Drift, make_card

from openmm_scoredyn.program.archive import seal

_HEAD = """
import warnings
import torch
from torch import Tensor, nn
from programs import Drift

{before}

class Hostile(Drift):
    def __init__(self):
        super().__init__()
        self.register_buffer('count', torch.zeros(1))
        self.number = 0
{setup}
"""
_METHOD = """
    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        latent = latent.unflatten(1, [-1, 3])
{body}
        return history[:, -1] + latent
"""
_counter = itertools.count()


def hostile_archive(body: str, methods: str = "", setup: str = "", before: str = "") -> bytes:
    """The archive of a program whose `advance` has the lines of `body` before its last.

    `methods` are further ones, `setup` lines of `__init__`, `before` classes and functions.
    """
    text = _HEAD.format(before=before, setup=_indented(setup, 8)) + _indented(methods, 4)
    text += _METHOD.format(body=_indented(body, 8))
    name = f"<hostile{next(_counter)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)  # where torch looks for the source
    names = {"__name__": "hostile"}
    exec(compile(text, name, "exec"), names)  # noqa: S102
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        buffer = io.BytesIO()
        torch.jit.save(torch.jit.script(names["Hostile"]().eval()), buffer)
    return seal(buffer.getvalue(), {"scoredyn.json": json.dumps(make_card(Drift()))})


def with_record(data: bytes, ending: str, change) -> bytes:
    """An archive in which the first record whose name ends so is `change` of its content, with right sums."""
    from openmm_scoredyn.program.native import scoredyn

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        records = [(name, archive.read(name)) for name in archive.namelist() if "SHA256SUMS" not in name]
    index = next(i for i, (name, _) in enumerate(records) if name.endswith(ending))
    records[index] = (records[index][0], change(records[index][1]))
    return scoredyn.write_record_archive(records)


def _indented(lines: str, spaces: int) -> str:
    return "\n".join(" " * spaces + line for line in (lines or "pass" * (spaces == 8)).split("\n"))
