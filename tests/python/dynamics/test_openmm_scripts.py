"""The three best-known OpenMM scripts: as they are, with the integrator's line alone swapped, and with the
call that the message names.
"""

import contextlib
import io
from pathlib import Path

import numpy as np
import openmm
import pytest
from openmm import app, unit

import openmm_scoredyn as sd
from openmm_scoredyn.errors import MoleculeError, ProgramError
from openmm_scoredyn.molecule.solute import reduce_system
from openmm_scoredyn.molecule.structure import read_structure, select_atoms

EXAMPLES = Path(__file__).parents[3] / "examples"
SCRIPTS = EXAMPLES / "openmm_scripts"
INPUTS = EXAMPLES / "inputs"
MODEL = "alanine-dipeptide-tip3p"
NAMES = ("amber", "gromacs", "pdb")


@pytest.fixture(autouse=True)
def processor(monkeypatch):
    """Scripts leave the platform to OpenMM, which may find a driver that minimises nothing."""
    monkeypatch.setenv("OPENMM_DEFAULT_PLATFORM", "CPU")


def run(text, path):
    """Names of the script after it has run, and what it printed."""
    names, printed = {"__file__": str(path), "__name__": "__main__"}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(text, str(path), "exec"), names)  # noqa: S102
    return names, printed.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_before_and_after_the_swap(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before, after = (SCRIPTS / f"{name}{ending}.py" for ending in ("", "_score_dynamics"))
    # What differs is the set-up of the Simulation: integrator, Simulation, positions and minimisation.
    ours, theirs = (path.read_text().split("inputs = ")[1] for path in (before, after))
    assert theirs.split("simulation = ")[0] == ours.split("integrator = ")[0]
    ours, theirs = (text[text.index("simulation.reporters") :] for text in (ours, theirs))
    assert theirs.replace("_score_dynamics.dcd", ".dcd") == ours

    short = (
        before.read_text()
        .replace("step(100)", "step(10)")
        .replace("minimizeEnergy()", "minimizeEnergy(maxIterations=5)")
    )
    names, printed = run(short, before)
    assert names["simulation"].topology.getNumAtoms() == 604
    assert len(printed.splitlines()) == 2

    names, printed = run(after.read_text().replace("step(100)", "step(20)"), after)
    assert names["simulation"].topology.getNumAtoms() == 22
    energies = [float(line.split(",")[1]) for line in printed.splitlines()[1:]]
    # Of the solute alone, with its own force field, about 0 +- 50 kJ/mol: not that of a System without
    # forces, which is 0 itself, nor that of 200 waters.
    assert len(energies) == 2 and all(-300 < energy < 300 and abs(energy) > 1e-3 for energy in energies)


@pytest.mark.parametrize("name", NAMES)
def test_the_message_of_a_swapped_line_names_the_call_that_works(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = SCRIPTS / f"{name}.py"
    lines = [
        f'import openmm_scoredyn as sd; integrator = sd.ScoreDynamicsIntegrator("{MODEL}")'
        if line.startswith("integrator = ")
        else line
        for line in path.read_text().splitlines()
    ]
    with pytest.raises(openmm.OpenMMException) as caught:
        run("\n".join(lines), path)
    call = "openmm_scoredyn.prepare(topology, model, positions=positions, system=system, strip=True)"
    assert "describes 22 particles, but the System has 604" in str(caught.value)
    assert call in str(caught.value)
    # Word for word, with the script's own objects.
    script = path.read_text().split("integrator = ")[0]
    names, _ = run(script, path)
    holder = names[{"amber": "prmtop", "gromacs": "top", "pdb": "pdb"}[name]]
    positions = names[{"amber": "inpcrd", "gromacs": "gro", "pdb": "pdb"}[name]].positions
    objects = {
        "openmm_scoredyn": sd,
        "topology": holder.topology,
        "model": MODEL,
        "positions": positions,
        "system": names["system"],
    }
    eval(call, objects).step(2)


def energy(system, positions):
    context = openmm.Context(
        system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
    )
    context.setPositions(positions)
    return context.getState(energy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)


@pytest.mark.parametrize("name", ["alanine.prmtop", "alanine.top", "alanine.pdb"])
@pytest.mark.parametrize("turned", [False, True])
def test_the_part_of_the_solute_is_its_own_system(name, turned):
    """Against the System made of the molecule alone, in the order of the file and in the reverse."""
    forces = app.ForceField("amber99sbildn.xml", "tip3p.xml")
    found = read_structure(INPUTS / name)
    options = {"nonbondedMethod": app.PME, "nonbondedCutoff": 0.8 * unit.nanometer, "constraints": app.HBonds}
    whole = (found.create_system or (lambda **o: forces.createSystem(found.topology, **o)))(**options)
    alone = read_structure(INPUTS.parents[1] / "tests/python/support/alanine_dipeptide.prmtop")
    moved = alone.positions + np.random.default_rng(1).normal(scale=0.002, size=(22, 3))
    atoms = list(range(22))[::-1] if turned else list(range(22))
    masses = [whole.getParticleMass(atom)._value for atom in atoms]
    part = reduce_system(whole, atoms, masses)
    assert part.getNumParticles() == 22 and part.getNumConstraints() == 12
    assert not part.usesPeriodicBoundaryConditions()
    expected = energy(alone.create_system(constraints=app.HBonds, removeCMMotion=False), moved)
    assert energy(part, moved[atoms]) == pytest.approx(expected, abs=0.05)


def test_prepare_reports_the_energy_of_the_files(tmp_path):
    """Of a path alone; the same with the System given, with one of the solute, and in another order."""
    prmtop = INPUTS.parents[1] / "tests/python/support/alanine_dipeptide.prmtop"
    alone = read_structure(prmtop)
    expected = energy(alone.own_system(), alone.positions)

    def of(*arguments, **options):
        simulation = sd.prepare(*arguments, platform="Reference", seed=1, **options)
        state = simulation.context.getState(energy=True)
        return state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)

    assert of(prmtop, MODEL) == pytest.approx(expected, abs=0.01)
    assert of(prmtop, MODEL, system=alone.own_system()) == pytest.approx(expected, abs=0.01)
    wet = read_structure(INPUTS / "alanine.prmtop")
    assert of(wet, MODEL, strip=True) == pytest.approx(
        of(wet, MODEL, strip=True, system=alone.own_system()), abs=0.05
    )
    atoms = list(alone.topology.atoms())
    order = [*range(6, 16), *range(6)[::-1], *range(16, 22)]
    other = reduce_system(alone.own_system(), order, [atoms[k].element.mass._value for k in order])
    topology, positions = select_atoms(alone.topology, alone.positions, order)
    assert of(topology, MODEL, positions=positions, system=other) == pytest.approx(expected, abs=0.01)
    # Water first, the solute in that order, and a System of the solute alone.
    topology, positions = select_atoms(wet.topology, wet.positions, [*range(22, 604), *order])
    topology.setPeriodicBoxVectors(None)
    assert of(topology, MODEL, positions=positions, strip=True, system=other) == pytest.approx(
        of(wet, MODEL, strip=True, system=alone.own_system()), abs=0.01
    )


def test_what_prepare_cannot_make_of_a_system_is_one_sentence():
    found = read_structure(INPUTS / "alanine.pdb")
    forces = app.ForceField("amber99sbildn.xml", "tip3p.xml")
    system = forces.createSystem(found.topology, rigidWater=False)
    small = openmm.System()
    small.addParticle(1.0)
    with pytest.raises(
        MoleculeError, match="expected 604 particles, or 22 without what is stripped, found 1"
    ):
        sd.prepare(found, MODEL, strip=True, system=small)
    system.addForce(openmm.CustomExternalForce("x"))
    with pytest.raises(
        MoleculeError, match="the part of a CustomExternalForce that acts on the molecule is not"
    ):
        sd.prepare(found, MODEL, strip=True, system=system)
    with pytest.raises(MoleculeError, match="expected a path, a Topology, or an object .* found a int"):
        sd.prepare(3, MODEL)
    with pytest.raises(MoleculeError, match="a Topology needs positions; expected 604 of them, found none"):
        sd.prepare(app.AmberPrmtopFile(str(INPUTS / "alanine.prmtop")), MODEL)


def test_names_of_shipped_models_work_wherever_paths_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = sd.pretrained(MODEL)
    assert sd.ScoreModel(MODEL).sha256 == sd.ScoreModel(path).sha256
    assert Path(sd.ScoreDynamicsIntegrator(MODEL).getModelPath()) == path
    message = f"nor a shipped model of that name; expected a path or one of .*; did you mean {MODEL}?"
    with pytest.raises(ProgramError, match=message):
        sd.ScoreModel("alanine-dipeptide-tip3")
    with pytest.raises(openmm.OpenMMException, match=message):
        sd.ScoreDynamicsIntegrator("alanine-dipeptide-tip3")
    with pytest.raises(ProgramError, match="expected a path or one of .*; choose one of these"):
        sd.ScoreModel("zzz")
    # A file of the user's comes first.
    (tmp_path / MODEL).write_bytes(sd.pretrained("alanine-dipeptide-obc2").read_bytes())
    assert sd.ScoreModel(MODEL).card.name == "alanine-dipeptide-obc2"
