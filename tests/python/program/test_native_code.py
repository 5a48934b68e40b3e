"""AOTInductor packages hold native code: what runs it, what refuses to, and what is checked of what comes
back.
"""

import gc
import os
import pickle
import subprocess
import sys
import zipfile
from copy import deepcopy
from pathlib import Path

import numpy as np
import openmm
import pytest
import torch
from programs import POSITIONS, Drift, OrnsteinUhlenbeck, make_card, save_package, sha256_of
from typer.testing import CliRunner

from openmm_scoredyn import ScoreDynamicsIntegrator, ScoreModel, trust_native_code
from openmm_scoredyn.cli import app
from openmm_scoredyn.errors import ProgramError
from openmm_scoredyn.program.archive import seal

REFUSED = r"holds native code \(an AOTInductor package\)"


@pytest.fixture
def package(compiled, tmp_path, request):
    """Path of a package that this process has never seen: the name of the test gives it a
    SHA-256 of its own.
    """
    card = make_card(OrnsteinUhlenbeck())
    return save_package(tmp_path / "ou.pt2", compiled(OrnsteinUhlenbeck()), card, note=request.node.name)


def drawn(model):
    return model.sample(POSITIONS[None], 3, seed=5)


@pytest.mark.parametrize("read", [str, lambda path: Path(path).read_bytes()], ids=["path", "bytes"])
@pytest.mark.parametrize("make", [ScoreModel, ScoreDynamicsIntegrator])
def test_a_package_is_refused_until_it_is_trusted(package, read, make):
    with pytest.raises((ProgramError, openmm.OpenMMException), match=REFUSED) as refusal:
        make(read(package))
    assert sha256_of(package) in str(refusal.value)
    assert "allow_native_code=True" in str(refusal.value)
    make(read(package), allow_native_code=True)
    make(read(package))  # the same content again, in the same process


def test_a_sha256_trusts_one_file_alone(package, make_program):
    right, wrong = sha256_of(package), "0" * 64
    with pytest.raises(
        ProgramError, match=f"another file than the one trusted; expected SHA-256 {wrong}, found {right}"
    ):
        ScoreModel(package, allow_native_code=wrong)
    with pytest.raises(ProgramError, match=REFUSED):
        ScoreModel(package)
    ScoreModel(package, allow_native_code=right.upper())
    harmless = make_program(Drift())
    with pytest.raises(ProgramError, match="another file than the one trusted"):
        ScoreModel(harmless, allow_native_code=wrong)
    ScoreModel(harmless, allow_native_code=sha256_of(harmless))


@pytest.mark.parametrize(
    "value, text", [("abc", "64 hexadecimal digits"), ("", "True, False or a SHA"), (1, "found 1")]
)
def test_other_permissions_are_refused(package, value, text):
    with pytest.raises(ProgramError, match=text):
        ScoreModel(package, allow_native_code=value)
    with pytest.raises(ProgramError, match="64 hexadecimal digits"):
        trust_native_code("abc")


@pytest.mark.parametrize("embed", [True, False])
def test_xml_cannot_trust_itself(package, embed, tmp_path):
    """Here the XML comes from a process that trusted the package; this one has not."""
    xml = tmp_path / "integrator.xml"
    code = (
        "import openmm, sys\nfrom openmm_scoredyn import ScoreDynamicsIntegrator\n"
        "integrator = ScoreDynamicsIntegrator(sys.argv[1], allow_native_code=True)\n"
        f"integrator.setEmbedModel({embed})\n"
        "open(sys.argv[2], 'w').write(openmm.XmlSerializer.serialize(integrator))\n"
    )
    subprocess.run([sys.executable, "-c", code, package, xml], check=True)
    with pytest.raises(openmm.OpenMMException, match=REFUSED):
        openmm.XmlSerializer.deserialize(xml.read_text())
    trust_native_code(sha256_of(package))
    read = ScoreDynamicsIntegrator.cast(openmm.XmlSerializer.deserialize(xml.read_text()))
    assert read.getModelSHA256() == sha256_of(package)
    assert deepcopy(read).getModelSHA256() == sha256_of(package)


def test_a_pickled_model_draws_the_same(package):
    model = ScoreModel(package, allow_native_code=True)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(drawn(again), drawn(model))


def test_what_is_refused_has_not_run(package, tmp_path):
    """The constructor of a shared library runs when it is loaded: it leaves a mark."""
    mark, source, library = tmp_path / "mark", tmp_path / "evil.cpp", tmp_path / "evil.so"
    source.write_text(
        "#include <cstdio>\n__attribute__((constructor)) void run() "
        f'{{ std::fclose(std::fopen("{mark}", "w")); }}\n'
    )
    subprocess.run(["g++", "-shared", "-fPIC", "-o", library, source], check=True)
    forged = tmp_path / "forged.pt2"
    with zipfile.ZipFile(package) as old, zipfile.ZipFile(tmp_path / "unsealed.zip", "w") as new:
        for name in old.namelist():
            new.writestr(name, library.read_bytes() if name.endswith(".so") else old.read(name))
    forged.write_bytes(seal((tmp_path / "unsealed.zip").read_bytes()))
    with pytest.raises(ProgramError, match=REFUSED):
        ScoreModel(forged)
    assert not mark.exists()
    with pytest.raises(ProgramError, match="cannot load the method `(condition|advance|denoise)`"):
        ScoreModel(forged, allow_native_code=True)
    assert mark.exists(), "that it can run is why it is refused"


def test_nothing_stays_in_the_temporary_folder(package, tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    model = ScoreModel(package, allow_native_code=True)
    assert all(name.startswith("aotinductor") for name in os.listdir(folder)), (
        "torch keeps the loaded libraries"
    )
    assert all((folder / name).stat().st_mode & 0o077 == 0 for name in os.listdir(folder))
    del model
    gc.collect()
    assert os.listdir(folder) == []
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    with pytest.raises(ProgramError, match="cannot make a temporary folder .*set TMPDIR to another place"):
        ScoreModel(package)


NOEXEC = """
mount -t tmpfs -o noexec tmpfs "$1" && TMPDIR="$1" exec "$2" -c '
import sys
import openmm_scoredyn as sd
from openmm_scoredyn.errors import ProgramError
from openmm_scoredyn.export.inductor import CompiledMethods
def load():
    sd.ScoreModel(sys.argv[1], allow_native_code=True)
for attempt in (load, lambda: CompiledMethods(None, None)):
    try:
        attempt()
    except ProgramError as error:
        print(error)
' "$3"
"""


def test_a_temporary_folder_without_execution_is_told(package, tmp_path):
    """Mounted in a namespace of its own, so that nobody else sees it."""
    folder = tmp_path / "noexec"
    folder.mkdir()
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", NOEXEC, "sh"]
    command += [folder, sys.executable, package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("this user may not mount")
    expected = (
        f"ScoreProgram: native code cannot be loaded from the temporary folder {folder}, for it is mounted"
        " noexec; expected a file system that allows it; set TMPDIR to a folder on another one.\n"
    )
    assert done.stdout == 2 * expected, done.stderr


def test_loading_leaves_denormal_numbers_alone(package):
    """Libraries linked with -ffast-math would round them to zero in the whole process."""
    drawn(ScoreModel(package, allow_native_code=True))
    assert np.float64(1e-310) * np.float64(0.5) == 5e-311


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() != "AVX512", reason="needs a CPU with AVX-512")
def test_code_for_a_wider_cpu_is_refused(package):
    code = "import sys, openmm_scoredyn as sd\nsd.ScoreModel(sys.argv[1], allow_native_code=True)"
    narrow = os.environ | {"ATEN_CPU_CAPABILITY": "avx2"}
    done = subprocess.run(
        [sys.executable, "-c", code, package], env=narrow, capture_output=True, text=True, check=False
    )
    assert (
        "was compiled for another CPU; expected AVX512, found AVX2; export the model again on this machine"
        in done.stderr
    )


class Misshapen(OrnsteinUhlenbeck):
    """A latent too short."""

    def denoise(self, latent, sigma, condition):
        return latent[:, :-1] * 2


def test_what_comes_back_is_checked(compiled, tmp_path):
    whole, card = compiled(OrnsteinUhlenbeck()), make_card(OrnsteinUhlenbeck())
    wrong = save_package(tmp_path / "wrong.pt2", whole | {"denoise": compiled(Misshapen())["denoise"]}, card)
    text = r"method `denoise` of .* returned the wrong shape; expected \(1, 15\), found \(1, 14\)"
    with pytest.raises(ProgramError, match=text):
        ScoreModel(wrong, allow_native_code=True)
    incomplete = save_package(
        tmp_path / "incomplete.pt2", {name: whole[name] for name in ("condition", "denoise")}, card
    )
    with pytest.raises(ProgramError, match="has no method `advance`, which its card promises"):
        ScoreModel(incomplete, allow_native_code=True)


def test_a_card_that_is_not_reproduced_is_refused(compiled, tmp_path):
    card = make_card(OrnsteinUhlenbeck())
    card["golden"][1]["denoised"][2] += 0.01
    path = save_package(tmp_path / "wrong.pt2", compiled(OrnsteinUhlenbeck()), card)
    with pytest.raises(
        ProgramError, match="does not reproduce the golden latent of its card; .* at element 2"
    ):
        ScoreModel(path, allow_native_code=True)


def test_the_command_line_needs_the_option(package):
    refused = CliRunner().invoke(app, ["info", package, "--verify"])
    assert isinstance(refused.exception, ProgramError) and "holds native code" in str(refused.exception)
    assert CliRunner().invoke(app, ["info", package]).exit_code == 0, "the card runs nothing"
    shown = CliRunner().invoke(app, ["info", package, "--verify", "--allow-native-code"])
    assert shown.exit_code == 0 and "Golden triple reproduced" in shown.output
