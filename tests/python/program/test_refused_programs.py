"""Every refusal of the program loader, by the text of its sentence."""

import zipfile
from pathlib import Path

import numpy as np
import openmm
import pytest
import torch
from contexts import draw
from programs import Drift, Jumping, WideStart, make_card
from refusals import make_context, refusal
from torch import Tensor

from openmm_scoredyn import ScoreDynamicsIntegrator
from openmm_scoredyn.errors import BuildError
from openmm_scoredyn.program.archive import seal
from openmm_scoredyn.program.native import check_version, scoredyn


def test_missing_file(tmp_path):
    with refusal(f"ScoreProgram: there is no file at {tmp_path}/none.pt; give the path of a score program."):
        ScoreDynamicsIntegrator(tmp_path / "none.pt")


def test_directory(tmp_path):
    with refusal("ScoreProgram: there is no file at"):
        ScoreDynamicsIntegrator(tmp_path)


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_truncated_file(make_program, fraction):
    content = Path(make_program(Drift())).read_bytes()
    with refusal("the file is not an archive of openmm-scoredyn: it does not end as one, or is truncated"):
        ScoreDynamicsIntegrator(content[: int(fraction * len(content))])


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 not a zip"])
def test_not_an_archive(content):
    with refusal("the file is not an archive of openmm-scoredyn: it does not end as one, or is truncated"):
        ScoreDynamicsIntegrator(content)


def test_archive_without_card(tmp_path):
    torch.save({"weights": torch.zeros(3)}, tmp_path / "checkpoint.pt")
    with refusal("written by another program; get the file again"):
        ScoreDynamicsIntegrator(tmp_path / "checkpoint.pt")
    with refusal("the archive has no card (scoredyn.json); expected a score program"):
        ScoreDynamicsIntegrator(seal((tmp_path / "checkpoint.pt").read_bytes()))


def test_no_model_at_all():
    with refusal("cannot read a model from a int; expected a path, bytes or a ScoreModel"):
        ScoreDynamicsIntegrator(3)


def test_future_version(make_program):
    with refusal(
        "Card: the program has format version 3.0, but this library reads version 2. Export the model again"
    ):
        ScoreDynamicsIntegrator(make_program(Drift(), format_version="3.0"))


def test_missing_method(make_program, make_system):
    path = make_program(Jumping(), card=make_card(Drift()))
    with refusal("ScoreProgram: 'Drift' has no method `denoise`, which its card promises"):
        make_context(path, make_system())


class WrongArguments(Drift):
    @torch.jit.export
    def advance(self, latent: Tensor, history: Tensor) -> Tensor:
        return history[:, -1] + latent.unflatten(1, [-1, 3])


def test_method_with_wrong_arguments(make_program, make_system):
    path = make_program(WrongArguments(), golden=make_card(Drift())["golden"])
    with refusal("the method `advance` of 'WrongArguments' takes the wrong arguments; expected 4, found 2"):
        make_context(path, make_system())


@pytest.mark.parametrize("example", [0, 1])
@pytest.mark.parametrize("name, element, text", [("positions", 4, "positions"), ("denoised", 2, "latent")])
def test_golden_example_not_reproduced(make_program, make_system, example, name, element, text):
    golden = make_card(Drift())["golden"]
    golden[example][name][element] += 0.01
    path = make_program(Drift(), golden=golden)
    with refusal(f"'Drift' does not reproduce the golden {text} of its card; expected"):
        make_context(path, make_system())
    with refusal(f"at element {element}"):
        scoredyn.Program(path)


def test_card_of_another_size_than_the_program(make_program, make_system):
    """The program adds latents of the wrong number to the positions: the golden example finds it."""
    golden = [
        example | {name: example[name][:12] for name in ("latent", "denoised")}
        for example in make_card(Drift())["golden"]
    ]
    path = make_program(Drift(), latent_size=12, golden=golden)
    with refusal("the method `advance` of 'Drift' raised an error: "):
        make_context(path, make_system())


class LoneCondition(Drift):
    @torch.jit.export
    def condition(self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor) -> Tensor:
        return history[:, -1]


def test_condition_that_is_no_list(make_program, make_system):
    path = make_program(LoneCondition(), card=make_card(Drift()))
    with refusal("the method `condition` of 'Drift' returned the wrong kind; expected a list of tensors"):
        make_context(path, make_system())


def test_golden_start_not_reproduced(make_program):
    golden = make_card(WideStart())["golden"]
    golden[1]["started"][3] += 1.0
    with refusal("does not reproduce the golden first latent of its card; expected") as caught:
        scoredyn.Program(make_program(WideStart(), golden=golden))
    assert "at element 3" in str(caught.value)


def test_no_golden_example(make_program):
    with refusal("golden is empty, but a program is checked against at least one example"):
        scoredyn.Program(make_program(Drift(), golden=[]))


@pytest.mark.parametrize("kind, expected", [("torch", "2.13.0"), ("openmm", "8.6.1")])
def test_libraries_built_for_another_version(kind, expected):
    with pytest.raises(
        BuildError,
        match=f"built for another {kind}; expected {expected}, found 1.0.cpu; install {kind}=={expected}",
    ):
        check_version(kind, expected, "1.0+cpu")
    check_version(kind, expected, expected + "+cu130")


def test_damaged_file(make_program):
    """Zeros over the serialized network, the card left whole, and sums that are right for them."""
    content = bytearray(Path(make_program(Drift())).read_bytes())
    at = content.find(b"data.pkl") + 200
    content[at : at + 100] = bytes(100)
    with refusal("the record archive/data.pkl is damaged, for its CRC is another"):
        scoredyn.Program.from_bytes(bytes(content))
    with zipfile.ZipFile(make_program(Drift())) as archive:
        records = [(name, archive.read(name)) for name in archive.namelist() if "SHA256SUMS" not in name]
    zeros = [(name, bytes(len(data)) if name.endswith("data.pkl") else data) for name, data in records]
    with refusal("cannot load 'Drift': ") as caught:
        scoredyn.Program.from_bytes(scoredyn.write_record_archive(zeros))
    assert "Exception raised from" not in str(caught.value) and "\n" not in str(caught.value)


def test_program_arrays(make_program):
    program = scoredyn.Program(make_program(Drift()))
    history, box = np.zeros((2, 1, 5, 3)), np.zeros((2, 3, 3))
    with refusal("Program: history has the wrong shape; expected (-1, 1, 5, 3) (-1: any), found (2, 5, 3)"):
        draw(program, history[:, 0], 1)
    for wrong in (np.zeros((3, 3)), np.zeros((1, 3, 3))):
        with refusal("Program: box has the wrong shape; expected (2, 3, 3)"):
            draw(program, history, 1, box=wrong)
    with refusal("Program: the model does not know the lag time; expected 1 ps, found 2 ps"):
        draw(program, history, 1, box=box, lag_time_ps=2.0)
    with refusal("Program: the model does not know the temperature; expected 300 K, found 310 K"):
        draw(program, history, 1, box=box, temperature_K=310.0)


def test_errors_are_runtime_errors_of_openmm():
    assert issubclass(scoredyn.OpenMMException, openmm.OpenMMException)
    assert issubclass(scoredyn.OpenMMException, RuntimeError)
