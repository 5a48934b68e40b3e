"""The shape of the package: who may import whom, what an import costs, how long a file may be."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "openmm_scoredyn"
SOURCES = sorted(PACKAGE.rglob("*.py"))
NATIVE_FOLDERS = ("openmm_scoredyn", "platforms", "serialization", "python/bindings", "python/lanes")
LONGEST_FILE = 500

# Rank of every part (docs/architecture.md): an import goes to a part of a lower rank, or stays inside its
# own.
RANKS = {
    "errors": 0,
    "version": 0,
    "units": 1,
    "divergence": 1,
    "figures": 1,
    "workers": 1,
    "molecule": 1,
    "diffusion": 1,
    "data": 2,
    "coarse": 3,
    "program": 3,
    "reference": 3,
    "networks": 4,
    "export": 5,
    "dynamics": 6,
    "training": 6,
    "crystals": 6,
    "observables": 5,
    "comparison": 6,
    "each": 6,
    "fitting": 7,
    "cli": 8,
}

# Needed by parts of the package only; its import must do without.
OPTIONAL = (
    "mdtraj",
    "lightning",
    "matplotlib",
    "scipy",
    "deeptime",
    "pdbfixer",
    "rdkit",
    "PeptideBuilder",
    "jinja2",
    "rich",
    "typer",
    "dask",
    "distributed",
    "dask_jobqueue",
    "westpa",
    "openmmtools",
)


# The crystal denoiser is a product of its own: of the rest it may import the ground and the archive alone.
GROUND_OF_CRYSTALS = ("crystals", "errors", "version", "figures")
MODULES_OF_CRYSTALS = ("data.atomic", "data.frame_sizes", "data.lock", "program.archive", "program.precision")


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
    """First name below the package: openmm_scoredyn.data.windows -> data."""
    return module.split(".")[1] if "." in module else ""


def upward_imports(module, imported):
    """The imports of a module that do not go down."""
    own = part_of(module)
    return [
        name
        for name in imported
        if (other := part_of(name)) in RANKS and other != own and RANKS[other] >= RANKS[own]
    ]


def test_every_part_has_a_rank():
    assert {part_of(module_name(path)) for path in SOURCES} - {""} == set(RANKS)


def test_imports_go_down():
    wrong = {
        module_name(path): upward_imports(module_name(path), imports_of(path))
        for path in SOURCES
        if part_of(module_name(path))
    }
    assert {module: names for module, names in wrong.items() if names} == {}


def test_crystals_import_the_archive_and_nothing_else():
    allowed = tuple(f"openmm_scoredyn.{name}" for name in (*GROUND_OF_CRYSTALS, *MODULES_OF_CRYSTALS))
    modules = {module_name(path): imports_of(path) for path in SOURCES}
    wrong = {
        module: [name for name in imported if not f"{name}.".startswith(tuple(f"{a}." for a in allowed))]
        for module, imported in modules.items()
        if part_of(module) == "crystals"
    }
    wrong["archive"] = [
        name for name in modules["openmm_scoredyn.program.archive"] if part_of(name) == "crystals"
    ]
    assert {module: names for module, names in wrong.items() if names} == {}


def test_the_import_check_sees_a_wrong_import():
    assert upward_imports("openmm_scoredyn.data.windows", {"openmm_scoredyn.training.config"})
    assert upward_imports("openmm_scoredyn.diffusion.noise_levels", {"openmm_scoredyn.networks.displacement"})
    assert not upward_imports("openmm_scoredyn.training.fit", {"openmm_scoredyn.data.windows"})


def test_the_comparison_needs_neither_programs_nor_training():
    for path in SOURCES:
        if part_of(module_name(path)) in ("observables", "comparison"):
            others = {part_of(name) for name in imports_of(path)}
            assert not others & {"program", "networks", "export", "dynamics", "training", "reference"}, path


def test_torch_is_met_by_those_who_compute_with_it():
    """Data and comparison read trajectories: they work without torch."""
    for path in SOURCES:
        if part_of(module_name(path)) in ("data", "observables", "comparison", "errors", "molecule"):
            assert "import torch" not in path.read_text(), path


def test_the_comparison_knows_no_molecule():
    """What is special to peptides stands with the observable."""
    for path in SOURCES:
        if part_of(module_name(path)) == "comparison":
            assert not re.search(r"\b(phi|psi|basins?|alpha_\w|ramachandran)\b", path.read_text().lower()), (
                path
            )


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
        "import openmm_scoredyn.program.native\n"
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
    """(name, node) of public functions, classes and methods; properties stand in the Attributes of their
    class.
    """
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
