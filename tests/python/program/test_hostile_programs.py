"""What a TorchScript program may not do is refused before any of it runs: files, random numbers, output,
state, loops and text without end.
"""

import os
import subprocess
import sys

import numpy as np
import openmm
import pytest
from hostile import hostile_archive, with_record
from programs import POSITIONS

from openmm_scoredyn import ScoreDynamicsIntegrator, trust_operator
from openmm_scoredyn.errors import ProgramError
from openmm_scoredyn.program.archive import core_errors, open_model_file
from openmm_scoredyn.program.model import ScoreModel

OPERATORS = {
    "aten::from_file": "latent = latent + torch.from_file('MARK', True, 15).reshape(1, 5, 3)",
    "aten::save": "torch.save(latent, 'MARK')",
    "aten::randn": "latent = latent + torch.randn(1)",
    "aten::rand_like": "latent = latent + torch.rand_like(latent)",
    "aten::bernoulli": "latent = latent + torch.bernoulli(torch.zeros(1))",
    "aten::normal_": "latent = latent + torch.zeros(1).normal_()",
    "aten::manual_seed": "torch.manual_seed(1)",
    "prim::Print": "print('hello')",
    "aten::add with out=": (
        "kept = torch.zeros_like(latent)\ntorch.add(latent, latent, out=kept)\nlatent = latent + kept"
    ),
    "aten::as_strided": "latent = torch.as_strided(latent, [1, 5, 3], [0, 0, 0])",
}
IMPURE = {
    "changes the attribute 'count'": "self.count = self.count + 1",
    "changes the attribute 'number'": "self.number += 1",
    "writes with aten::zero_ to its inputs": "history.zero_()",
    "writes with aten::copy_ to its inputs": "newest = history[:, -1]\nnewest[:, 0] = 0.0",
    "writes with aten::add_ to its inputs or weights": (
        "kept = torch.dropout(self.count, 0.5, False)\nkept.add_(1)\nlatent = latent + kept"
    ),
    "uses aten::dropout, which draws random numbers": "latent = torch.dropout(latent, 0.5, True)",
    "uses aten::warn": "warnings.warn('hello')",
}
STATE_IN_PLACE = ("self.count.add_(1)", "self.count[0] += 1")
UNBOUNDED = {
    "while": "while bool(latent.sum() == latent.sum()):\n    latent = latent * 1.0",
    "true": "number = 0\nwhile True:\n    number = number + 1",
    "long": "number = 0\nfor i in range(1000000000):\n    number += 1",
    "expanded": (
        "number = 0\nfor i in range(torch.zeros(1).expand(4611686018427387904).size(0)):\n    number += 1"
    ),
}


@pytest.fixture
def mark(tmp_path, monkeypatch):
    """A file that no program may make; programs name it relative to the working directory."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "MARK"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("operator", OPERATORS)
def test_operators_outside_the_list(operator, mark):
    with pytest.raises(ProgramError, match=f"'Drift' uses the operator {operator} in `advance`; expected"):
        ScoreModel(hostile_archive(OPERATORS[operator]))


def test_methods_that_nothing_calls_are_read_too(mark):
    unused = "@torch.jit.export\ndef unused(self, x: Tensor):\n    return torch.from_file('MARK', True, 10)"
    with pytest.raises(ProgramError, match="uses the operator aten::from_file in `unused`"):
        ScoreModel(hostile_archive("pass", methods=unused))


def test_functions_and_classes_are_read_too(mark):
    function = "def write(x: Tensor):\n    return torch.from_file('MARK', True, 15)"
    with pytest.raises(ProgramError, match="uses the operator aten::from_file in `write`"):
        ScoreModel(hostile_archive("latent = latent + write(latent).reshape(1, 5, 3)", before=function))
    cls = (
        "class Writer(nn.Module):\n    def forward(self, x: Tensor) -> Tensor:\n"
        "        torch.save(x, 'MARK')\n        return x"
    )
    with pytest.raises(ProgramError, match="uses the operator aten::save in `forward`"):
        ScoreModel(
            hostile_archive("latent = self.writer(latent)", setup="self.writer = Writer()", before=cls)
        )


def test_code_that_torch_could_not_follow_on_its_stack(mark):
    deep = with_record(hostile_archive("pass"), ".py", lambda code: code + b"(" * 100_000 + b")" * 100_000)
    with pytest.raises(
        ProgramError, match="has code in code/.* that is nested too deeply; expected up to 200"
    ):
        ScoreModel(deep)


def test_views_that_a_branch_turns_into_an_input(mark):
    """What is carried by a loop is an input from the second round on."""
    body = (
        "kept = torch.zeros_like(latent)\nfor i in range(3):\n    kept[:, 0] += 0.0\n"
        "    if latent.size(1) == 7:\n        kept = latent\nlatent = latent + 0.0 * kept"
    )
    with pytest.raises(ProgramError, match="writes with aten::.* to its inputs"):
        ScoreModel(hostile_archive(body))


def test_hooks(mark):
    hook = "def hook(self, given: tuple[Tensor], found: Tensor) -> Tensor:\n    return found * 2"
    inner = f"{hook}\nclass Inner(nn.Module):\n    def forward(self, x: Tensor) -> Tensor:\n        return x"
    setup = "self.inner = Inner()\nself.inner.register_forward_hook(hook)"
    with pytest.raises(ProgramError, match="has a hook of `forward`; expected methods alone"):
        ScoreModel(hostile_archive("latent = self.inner(latent)", setup=setup, before=inner))


def test_methods_that_loading_would_run(mark):
    """torch runs __setstate__ before anybody could look at the module."""
    methods = (
        "@torch.jit.export\ndef __getstate__(self):\n    return (self.number, self.training)\n"
        "@torch.jit.export\ndef __setstate__(self, state: tuple[int, bool]):\n"
        "    self.number = state[0]\n    self.training = state[1]\n    self.count = torch.zeros(1)\n"
        "    self.velocity = torch.zeros(3)\n    torch.save(torch.zeros(1), 'MARK')"
    )
    data = hostile_archive("pass", methods=methods)
    with pytest.raises(ProgramError, match="has a method __setstate__ in code/.*, which would run while"):
        ScoreModel(data)


@pytest.mark.parametrize("cut", [b"__torch__.torch.classes.a\nB\n", b"__torch__.torch\nclasses.a.B\n"])
def test_compiled_classes(mark, cut):
    data = hostile_archive("pass")
    named = with_record(data, "data.pkl", lambda pickle: b"\x80\x02c" + cut + pickle[2:])
    with pytest.raises(ProgramError, match="names a compiled class in data.pkl; expected tensors"):
        ScoreModel(named)


@pytest.mark.parametrize("text", IMPURE)
def test_impure_methods(text, mark):
    with pytest.raises(ProgramError, match=f"the method `advance` of 'Drift' {text}"):
        ScoreModel(hostile_archive(IMPURE[text]))


@pytest.mark.parametrize("body", STATE_IN_PLACE)
def test_state_changed_in_place(body, mark):
    with pytest.raises(ProgramError, match="the method `advance` of 'Drift' changes the attribute 'count'"):
        ScoreModel(hostile_archive(body))


@pytest.mark.parametrize("kind", UNBOUNDED)
def test_loops_that_nothing_bounds(kind, mark):
    with pytest.raises(ProgramError, match="has a loop that nothing bounds; expected loops over lists"):
        ScoreModel(hostile_archive(UNBOUNDED[kind] + "\nlatent = latent * 1.0"))


def test_too_many_operations(mark):
    nested = "number = 0\nfor i in range(2000):\n    for j in range(2000):\n        number += 1"
    with pytest.raises(ProgramError, match="takes more than a million operations"):
        ScoreModel(hostile_archive(nested))
    calls = "def f0(x: Tensor):\n    return x + 1\n" + "".join(
        f"def f{i + 1}(x: Tensor):\n    return f{i}(x) + f{i}(x)\n" for i in range(30)
    )
    with pytest.raises(ProgramError, match="has more than a million operators in `f"):
        ScoreModel(hostile_archive("latent = f30(latent)", before=calls))


def test_text_that_doubles(mark):
    doubling = "text = 'ab'\nfor i in range(40):\n    text = text + text\nif len(text) == 3:\n    latent += 1"
    with pytest.raises(
        ProgramError, match="makes text with aten::add in `advance`; expected text in the mess"
    ):
        ScoreModel(hostile_archive(doubling))


def test_what_networks_need_is_allowed():
    """Writing to new tensors, loops over the atoms and messages of errors, as graph networks have them."""
    body = (
        "made = torch.zeros_like(latent)\nmade[:, 0] = 0.0\nmade += 0.0\n"
        "made.index_add_(1, torch.tensor([0]), 0.0 * latent[:, :1])\nparts = [made]\n"
        "for i in range(latent.size(1)):\n    parts.append(made * float(i))\n"
        "for part in parts:\n    latent = latent + 0.0 * part\n"
        "if latent.dim() != 3:\n    raise ValueError('expected 3 dimensions, found {}'.format(latent.dim()))"
    )
    model = ScoreModel(hostile_archive(body))
    assert np.array_equal(model.sample(POSITIONS[None], 1, seed=1)[0], POSITIONS[None])


def test_xml_that_embeds_a_program_is_no_way_around(mark, make_system, make_program):
    import base64
    import hashlib
    from pathlib import Path

    from programs import Drift

    good = Path(make_program(Drift())).read_bytes()
    Path(mark.parent / "program0.pt").unlink()
    bad = hostile_archive(OPERATORS["aten::save"])
    xml = openmm.XmlSerializer.serialize(ScoreDynamicsIntegrator(good))
    for old, new in (
        (base64.b64encode(good), base64.b64encode(bad)),
        (hashlib.sha256(good).hexdigest().encode(), hashlib.sha256(bad).hexdigest().encode()),
    ):
        assert old.decode() in xml
        xml = xml.replace(old.decode(), new.decode())
    integrator = openmm.XmlSerializer.deserialize(xml)
    with pytest.raises(openmm.OpenMMException, match="uses the operator aten::save"):
        openmm.Context(make_system(), integrator, openmm.Platform.getPlatformByName("Reference"))


def test_programs_that_python_runs_are_checked_the_same(mark):
    """As crystal denoisers are, before torch.jit.load."""
    file = open_model_file(hostile_archive(OPERATORS["aten::save"]))
    with pytest.raises(ProgramError, match="uses the operator aten::save"), core_errors():
        file.require_safe(["advance"], "'Drift'")
    safe = open_model_file(hostile_archive("pass"))
    with pytest.raises(ProgramError, match="has no method `forward`"), core_errors():
        safe.require_safe(["forward"], "'Drift'")


def test_operators_of_other_libraries_need_trust(mark):
    """In a process of its own: what is trusted stays trusted."""
    code = (
        "import torch, openmm_scoredyn as sd\n"
        "library = torch.library.Library('scoredyn_user', 'DEF')\n"
        "library.define('twice(Tensor x) -> Tensor')\n"
        "library.impl('twice', lambda x: x * 2, 'CompositeExplicitAutograd')\n"
        "from hostile import hostile_archive\n"
        "data = hostile_archive('latent = torch.ops.scoredyn_user.twice(latent)')\n"
        "try:\n    sd.ScoreModel(data)\nexcept sd.errors.ProgramError as error:\n    print(error)\n"
        "sd.trust_operator('scoredyn_user::twice')\nsd.ScoreModel(data)\nprint('loaded')"
    )
    paths = os.pathsep.join([os.path.dirname(sys.modules["hostile"].__file__), *sys.path])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "uses the operator scoredyn_user::twice" in done.stdout and done.stdout.endswith("loaded\n")
    for name in ("aten::save", "nothing", "::x"):
        with pytest.raises(ProgramError, match="cannot be trusted; expected an operator of another library"):
            trust_operator(name)
