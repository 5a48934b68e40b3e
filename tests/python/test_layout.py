"""The shape of the package: who may import whom, what an import costs, how long a file may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "openmm_scoredyn"
SOURCES = sorted(PACKAGE.rglob("*.py"))
NATIVE_FOLDERS = ("openmm_scoredyn", "platforms", "serialization", "python/bindings")
LONGEST_FILE = 300

# Rank of each part in the import direction of docs/design.md: an import never goes to a higher rank.
# Parts of one rank do not import each other, foundations excepted.
FOUNDATIONS = ("errors", "version", "molecule", "card", "card_checks", "card_json", "sample_arguments", "native", "model", "dihedrals", "units", "divergence", "figures", "device")
RANKS = {name: 0 for name in FOUNDATIONS} | {"data": 1, "diffusion": 1, "nn": 1, "training": 2, "export": 3}
# Validation by rollouts runs the exported program, so that no second solver is written in Python;
# export and its symmetry check use the geometry of nn and the file writing of data.
EXCEPTIONS = {("openmm_scoredyn.training.rollout", "export")}

# Parts that must not meet each other at all, not even inside a function.
FORBIDDEN = {
    "integrator": ("training", "evaluation", "cli"),
    "evaluation": ("training", "export", "model", "integrator", "cli"),
    "export": ("training", "evaluation", "cli"),
    "training": ("evaluation", "cli"),
    "data": ("evaluation", "cli", "running"),
    "running": ("training", "export", "evaluation", "cli"),
}

# Needed by parts of the package only; its import must do without.
OPTIONAL = ("mdtraj", "lightning", "matplotlib", "scipy", "deeptime", "pdbfixer", "jinja2", "rich", "typer")


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path):
    """Names of this package's modules that a file imports, at its top or in functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports name the whole path"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.startswith("openmm_scoredyn.")}


def part_of(module):
    """First name below the package: openmm_scoredyn.data.pairs -> data."""
    return module.split(".")[1] if "." in module else ""


def upward_imports(module, imported):
    """The imports of a module that go against the direction."""
    own = part_of(module)
    wrong = []
    for name in imported:
        other = part_of(name)
        if own not in RANKS or other not in RANKS or own == other or (module, other) in EXCEPTIONS:
            continue
        if RANKS[other] > RANKS[own] or (RANKS[other] == RANKS[own] > 0):
            wrong.append(name)
    return wrong


def test_imports_go_one_way():
    wrong = {module_name(path): upward_imports(module_name(path), imports_of(path)) for path in SOURCES}
    assert {module: names for module, names in wrong.items() if names} == {}


def test_the_import_check_sees_a_wrong_import():
    assert upward_imports("openmm_scoredyn.data.pairs", {"openmm_scoredyn.training.config"})
    assert upward_imports("openmm_scoredyn.diffusion.loss", {"openmm_scoredyn.nn"})
    assert not upward_imports("openmm_scoredyn.training.fit", {"openmm_scoredyn.data.pairs"})


@pytest.mark.parametrize("part", FORBIDDEN)
def test_parts_that_must_not_meet(part):
    paths = [path for path in SOURCES if part_of(module_name(path)) == part]
    assert paths
    wrong = {
        (path.name, name) for path in paths for name in imports_of(path) if part_of(name) in FORBIDDEN[part]
    }
    assert wrong == set()


def test_torch_is_met_by_those_who_compute_with_it():
    """Data and evaluation read trajectories: they work without torch."""
    for path in SOURCES:
        if part_of(module_name(path)) in ("data", "evaluation", "errors", "molecule", "card"):
            assert "import torch" not in path.read_text(), path


def run_python(code, cwd):
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_needs_openmm_torch_and_numpy_alone(tmp_path):
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({OPTIONAL}))  # importing one of them raises\n"
        "import openmm_scoredyn\n"
        "assert 'torch' not in sys.modules, 'the import must be cheap'\n"
        "for name in openmm_scoredyn.__all__: getattr(openmm_scoredyn, name)\n"
        "import openmm_scoredyn.native\n"
    )
    run_python(code, tmp_path)


def test_the_package_is_not_the_folder_of_the_cpp_core():
    """From the repository root, Python could take openmm_scoredyn/ for an empty namespace package."""
    file = run_python("import openmm_scoredyn; print(openmm_scoredyn.__file__)", ROOT).strip()
    assert Path(file).name == "__init__.py"
    assert Path(file).parent.name == "openmm_scoredyn"


def test_the_library_does_not_print():
    for path in SOURCES:
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert not any(isinstance(call.func, ast.Name) and call.func.id == "print" for call in calls), path


def public_definitions(body, prefix):
    """(name, node) of public functions, classes and methods; properties stand in the Attributes of their class."""
    for node in body:
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)) or node.name.startswith("_"):
            continue
        if any(getattr(decorator, "id", "") == "property" for decorator in node.decorator_list):
            continue
        yield f"{prefix}.{node.name}", node
        if isinstance(node, ast.ClassDef):
            yield from public_definitions(node.body, f"{prefix}.{node.name}")


def test_public_names_have_docstrings():
    missing = []
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        named = [(module_name(path), tree), *public_definitions(tree.body, module_name(path))]
        missing += [name for name, node in named if not ast.get_docstring(node)]
    assert missing == []


def test_no_file_is_long():
    native = [
        path
        for folder in NATIVE_FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".h", ".cpp")
    ]
    assert native
    long = {
        path.name: n
        for path in [*SOURCES, *native]
        if (n := len(path.read_text().splitlines())) > LONGEST_FILE
    }
    assert long == {}
