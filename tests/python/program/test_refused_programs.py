"""Every refusal of the program loader, by the text of its sentence."""

import zipfile
from pathlib import Path

import numpy as np
import openmm
import pytest
import torch
from programs import Drift, Jumping, make_card
from refusals import make_context, refusal

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
        "Card: the program has format version 2.0, but this library reads version 1. Install the release"
    ):
        ScoreDynamicsIntegrator(make_program(Drift(), format_version="2.0"))


def test_missing_method(make_program, make_system):
    card = make_card(Drift())
    path = make_program(Jumping(), **card)
    with refusal("ScoreProgram: 'Drift' has no method `denoise`, which its card promises"):
        make_context(path, make_system())


class WrongArguments(Drift):
    @torch.jit.export
    def advance(self, latent: torch.Tensor, history: torch.Tensor) -> torch.Tensor:
        return history[:, -1] + latent


def test_method_with_wrong_arguments(make_program, make_system):
    path = make_program(WrongArguments(), golden=make_card(Drift())["golden"])
    with refusal("the method `advance` of 'WrongArguments' takes the wrong arguments; expected 3, found 2"):
        make_context(path, make_system())


@pytest.mark.parametrize("name, element, text", [("positions", 4, "positions"), ("denoised", 2, "latent")])
def test_golden_triple_not_reproduced(make_program, make_system, name, element, text):
    golden = make_card(Drift())["golden"]
    golden[name][element] += 0.01
    path = make_program(Drift(), golden=golden)
    with refusal(f"'Drift' does not reproduce the golden {text} of its card; expected"):
        make_context(path, make_system())
    with refusal(f"at element {element}"):
        scoredyn.Program(path)


def test_card_of_another_size_than_the_program(make_program, make_system):
    """The program adds latents of the wrong number to the positions: the golden triple finds it."""
    golden = make_card(Drift())["golden"]
    path = make_program(
        Drift(), latent_size=4, golden=golden | {k: golden[k][:12] for k in ("latent", "denoised")}
    )
    with refusal("the method `advance` of 'Drift' raised an error: "):
        make_context(path, make_system())


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
    box = np.zeros((3, 3))
    with refusal("Program: history has the wrong shape; expected [-1, 1, 5, 3] (-1: any), found [2, 5, 3]"):
        program.denoise(np.zeros((2, 5, 3)), 1.0, np.zeros((2, 5, 3)), box)
    with refusal("Program: latent has the wrong shape; expected [2, 5, 3]"):
        program.advance(np.zeros((1, 5, 3)), np.zeros((2, 1, 5, 3)), box)
    with refusal("Program: box has the wrong shape; expected [3, 3]"):
        program.sample(np.zeros((2, 1, 5, 3)), np.zeros(9), 1, 1, 1, 0, 0, "heun", 5)


def test_errors_are_runtime_errors_of_openmm():
    assert issubclass(scoredyn.OpenMMException, openmm.OpenMMException)
    assert issubclass(scoredyn.OpenMMException, RuntimeError)
