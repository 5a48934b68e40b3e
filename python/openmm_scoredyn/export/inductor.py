"""AOTInductor packages: one compiled model per method of a program, in one `.pt2` file with the card."""

import copy
import io
import os
import shutil
import warnings
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from openmm_scoredyn.errors import ExportError
from openmm_scoredyn.export.probe import Probe
from openmm_scoredyn.export.scripting import own_line
from openmm_scoredyn.export.wrapper import ScoreProgram
from openmm_scoredyn.program.archive import core_errors, seal
from openmm_scoredyn.program.native import scoredyn

# One thread in the generated code, whatever the exporting process uses, because the number is compiled in.
# Matrix products follow the threads of the process that runs the program.
# Tables of source lines name the folders of this machine and are nothing that a program needs.
_OPTIONS = {"aot_inductor.package": True, "aot_inductor.enable_line_tables": False, "cpp.threads": 1}
_MAX_BATCH = 2**24


class CompiledMethods:
    """The methods of a program, compiled to native code for this CPU or GPU; the files lie in torch's cache.

    Parameters
    ----------
    program : ScoreProgram, eager
    probe : Probe
        Example inputs. Their batch size stands for any.
    device : str, "cpu" or "cuda"
        What to compile for; it must be there.

    Raises
    ------
    ExportError
        If there is no C++ compiler, or a method cannot be traced or compiled.
    ProgramError
        If the temporary folder is mounted noexec.
    """

    def __init__(self, program: ScoreProgram, probe: Probe, device: str = "cpu"):
        _require_compiler()
        with core_errors():
            scoredyn.require_loadable_native_code()
        program = copy.deepcopy(program).to(device)
        examples = {name: _on(device, inputs) for name, inputs in _examples(program, probe).items()}
        # All are traced first: most mistakes show there, in a tenth of the time that compiling takes.
        traced = {
            name: _attempt(_trace, name, _Method(program, name), inputs) for name, inputs in examples.items()
        }
        self.files = {name: _attempt(_build, name, traced[name], inputs) for name, inputs in examples.items()}

    def to_bytes(self, extra_files: dict[str, str]) -> bytes:
        """The package with the sums of its records, and with extra files in its folder `extra/`."""
        from torch.export.pt2_archive._package import package_pt2

        buffer = io.BytesIO()
        package_pt2(buffer, aoti_files=self.files)
        return seal(buffer.getvalue(), extra_files, hidden_folders=self._folders())

    def _folders(self) -> list[str]:
        """Where torch and the sources were, which messages of the compiled code name."""
        compiled = {str(Path(file).parent) for files in self.files.values() for file in files}
        return [str(Path(torch.__file__).parents[1]), *sorted(compiled)]


class LoadedPackage:
    """The methods of a package made here, callable from Python as those of the eager program are, on the
    host.
    """

    def __init__(self, data: bytes, device: str = "cpu"):
        from torch.export.pt2_archive._package import load_pt2

        for name, model in load_pt2(io.BytesIO(data)).aoti_runners.items():
            setattr(self, name, partial(_call_on, device, model))


def _call_on(device: str, model, *arguments):
    return _on("cpu", model(*_on(device, arguments)))


def _on(device: str, values):
    """Tensors, and tensors in lists, on a device."""
    if isinstance(values, Tensor):
        return values.to(device)
    return type(values)(_on(device, value) for value in values)


class _Method(nn.Module):
    """One method as a module of its own, which is what torch.export takes."""

    def __init__(self, program: nn.Module, name: str):
        super().__init__()
        self.program = program
        self.name = name

    def forward(self, *arguments):
        return getattr(self.program, self.name)(*arguments)


def _examples(program: ScoreProgram, probe: Probe) -> dict[str, tuple]:
    """Example arguments of every method."""
    with torch.no_grad():
        condition = program.condition(probe.history, probe.box, probe.lag_time_ps, probe.temperature_K)
    examples: dict[str, tuple] = {
        "condition": (probe.history, probe.box, probe.lag_time_ps, probe.temperature_K),
        "start": (probe.noise, condition),
        "denoise": (probe.noised, probe.sigma, condition),
        "advance": (probe.clean, condition, probe.history, probe.box),
    }
    return {name: inputs for name, inputs in examples.items() if hasattr(program, name)}


def _trace(method: _Method, arguments: tuple):
    batch = torch.export.Dim("batch", min=1, max=_MAX_BATCH)
    shapes = tuple(
        [{0: batch} for _ in argument] if isinstance(argument, list) else {0: batch} for argument in arguments
    )
    return torch.export.export(method, arguments, dynamic_shapes=(shapes,))


def _build(traced, arguments: tuple) -> list:
    files = torch._inductor.aot_compile(traced.module(), arguments, options=dict(_OPTIONS))
    return cast(list, files)  # files to be packaged, as the options ask


def _attempt(step, name: str, *arguments):
    """What a step of torch's compiler gives, or one sentence about the user's module."""
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch about itself
            return step(*arguments)
    except Exception as error:  # tracer and compiler raise dozens of classes of their own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ExportError(
            f"export_program: the method {name} does not compile; {reason.rstrip('.')}{own_line(error)};"
            " rewrite it without branches on values and without fixed batch sizes, or export it with"
            " format='torchscript'."
        ) from error


def _require_compiler() -> None:
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise ExportError(
            f"export_program: the format 'aoti' needs a C++ compiler; expected {compiler}, found none of that"
            " name; install g++, name another one in CXX, or use format='torchscript'."
        )
