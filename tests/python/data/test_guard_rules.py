"""Rules of the guard from molecular dynamics: they refuse what is impossible, and nothing that MD does."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from alanine import alanine_molecule, make_trajectory

from openmm_scoredyn import data
from openmm_scoredyn.data.guard_rules import learn_guard_rules
from openmm_scoredyn.errors import TrajectoryError
from openmm_scoredyn.molecule.force_field import ForceField
from openmm_scoredyn.molecule.geometry import bonds_apart, minimum_image, planar_torsions
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.program.guard_counts import count_refused_frames
from openmm_scoredyn.program.guard_rules import GuardRules

EXAMPLES = Path(__file__).parents[3] / "examples" / "data" / "alanine-dipeptide-tip3p"
CAUSES = ("bond", "angle", "stereochemistry", "double_bond", "contact")


@pytest.fixture(scope="module")
def training():
    return data.load([EXAMPLES / "training" / f"{name}_0000.npz" for name in ("free_0", "free_1")])


@pytest.fixture(scope="module")
def rules(training):
    return learn_guard_rules(training)


def atom(name):
    """Index of RESIDUE:ATOM."""
    molecule = alanine_molecule()
    return [f"{r}:{a}" for r, a in zip(molecule.residue_names, molecule.atom_names)].index(name)


def particles(elements, bonds):
    number = len(elements)
    names = tuple(f"{element}{index}" for index, element in enumerate(elements))
    return Particles(tuple(elements), (12.0,) * number, names, ("MOL",) * number, (0,) * number, tuple(bonds))


def test_what_is_learnt_of_a_peptide(rules):
    assert len(rules["bond_lengths_nm"]) == 21 and len(rules["angles"]) == 36
    assert [centre for centre, *_ in rules["stereocentres"]] == [atom("ALA:CA")]
    omega = [("ACE:CH3", "ACE:C", "ALA:N", "ALA:CA"), ("ALA:CA", "ALA:C", "NME:N", "NME:C")]
    cis = dict(zip(map(tuple, rules["double_bonds"]), rules["double_bonds_cis"], strict=True))
    assert all(cis[tuple(map(atom, names))] is False for names in omega)
    assert cis[tuple(map(atom, ("ACE:O", "ACE:C", "ALA:N", "ALA:CA")))] is True
    # Both peptide bonds, each seen from two neighbours on either side, and neither phi nor psi.
    assert {tuple(sorted(torsion[1:3])) for torsion in cis} == {
        tuple(sorted(map(atom, pair))) for pair in (("ACE:C", "ALA:N"), ("ALA:C", "NME:N"))
    }
    classes = rules["contact_classes"]
    assert classes[atom("ALA:H")] != classes[atom("ALA:HA")], "a polar hydrogen comes closer to oxygen"
    closest = {tuple(rule["classes"]): rule["min_distance_nm"] for rule in rules["contacts"]}
    to_oxygen = [
        closest[tuple(sorted((classes[atom("ACE:O")], classes[atom(name)])))] for name in ("NME:H", "NME:H1")
    ]
    assert 0.12 < to_oxygen[0] < to_oxygen[1] < 0.25


def test_held_out_dynamics_pass(rules):
    held_out = data.load([EXAMPLES / "reference" / f"free_{number}_0000.npz" for number in range(3)])
    assert count_refused_frames(GuardRules.from_dict(rules), held_out) == {"frames": 15_000} | dict.fromkeys(
        CAUSES, 0
    )


def one_point(frame):
    frame[atom("ACE:H2")] = frame[atom("ACE:H1")]


def oxygen_on_nitrogen(frame):
    frame[atom("ACE:O")] = frame[atom("ALA:N")] + [0.012, 0, 0]


def turned(frame):
    """omega of the first peptide bond by 180 degrees: everything beyond it about the axis C-N."""
    first, second = frame[atom("ACE:C")].copy(), frame[atom("ALA:N")].copy()
    axis = (second - first) / np.linalg.norm(second - first)
    for index in range(atom("ALA:N"), 22):
        arm = frame[index] - second
        frame[index] = second + 2 * axis * (arm @ axis) - arm


def mirrored(frame):
    frame[:, 0] *= -1


def stretched(frame):
    frame *= 1.3


def overlapping(frame):
    """The methyl of NME on that of ACE."""
    shift = frame[atom("ACE:CH3")] + [0.069, 0, 0] - frame[atom("NME:C")]
    for name in ("NME:N", "NME:H", "NME:C", "NME:H1", "NME:H2", "NME:H3"):
        frame[atom(name)] += shift


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (one_point, "angle"),
        (oxygen_on_nitrogen, "angle"),
        (turned, "double_bond"),
        (mirrored, "stereochemistry"),
        (stretched, "bond"),
        (overlapping, "contact"),
    ],
)
def test_impossible_frames_are_refused(rules, training, change, cause):
    frames = training[0].segments[0][:40:2].astype(np.float64)
    for frame in frames:
        change(frame)
    changed = dataclasses.replace(training[0], segments=(frames,))
    counts = count_refused_frames(GuardRules.from_dict(rules), [changed])
    assert counts[cause] == 20


def test_angle_limits_follow_from_the_vibration():
    """Three particles whose angle is normal with a deviation of 4 degrees: six of them on either side."""
    angle = np.radians(110 + 4 * np.random.default_rng(0).normal(size=4000))
    frames = np.zeros((4000, 3, 3))
    frames[:, 0, 0] = 0.15
    frames[:, 2, 0], frames[:, 2, 1] = 0.15 * np.cos(angle), 0.15 * np.sin(angle)
    three = make_trajectory(segments=(frames,), molecule=particles("COC", [(0, 1), (1, 2)]))
    ((low, high),) = learn_guard_rules([three])["angle_limits_deg"]
    # The error of a standard deviation from n frames is one part in (2 n)^1/2.
    assert low == pytest.approx(86, abs=4 * 24 / np.sqrt(8000)) and high == pytest.approx(134, abs=1.1)


def test_contacts_reach_across_the_box():
    apart = np.random.default_rng(0).uniform(0.3, 0.6, 50)
    frames = np.zeros((50, 2, 3))
    frames[:, 0, 0], frames[:, 1, 0] = 0.1, 2.1 - apart
    pair = make_trajectory(segments=(frames,), molecule=particles("OO", []), box=2 * np.eye(3))
    (rule,) = learn_guard_rules([pair])["contacts"]
    assert rule["min_distance_nm"] == pytest.approx(0.9 * apart.min(), rel=1e-5)


@pytest.mark.parametrize("epsilon, expected", [(0.2, 0.35), (0.0, 0.6)])
def test_contacts_that_were_not_seen_are_allowed_up_to_the_wall(epsilon, expected):
    """Particles with diameters of 0.3 and 0.4 nm that have come no nearer than 0.6 nm; without a depth there
    is no wall.
    """
    frames = np.zeros((50, 2, 3))
    frames[:, 1, 0] = np.linspace(0.6, 0.9, 50)
    field = ForceField((0.0, 0.0), (0.3, 0.4), (0.1, epsilon), (), (), (), ())
    pair = dataclasses.replace(particles("OO", []), force_field=field)
    (rule,) = learn_guard_rules([make_trajectory(segments=(frames,), molecule=pair)])["contacts"]
    assert rule["min_distance_nm"] == pytest.approx(0.9 * expected, rel=1e-5)


def test_nearest_images_of_a_triclinic_box():
    box = np.array([[3.0, 0, 0], [1.0, 2.8, 0], [-1.0, 1.2, 2.5]])
    generator = np.random.default_rng(1)
    short = generator.uniform(-0.5, 0.5, (1, 20, 3))
    shifted = short + generator.integers(-2, 3, (1, 20, 3)) @ box
    np.testing.assert_allclose(minimum_image(shifted, box[None]), short, atol=1e-12)


def test_rings_and_single_bonds_are_no_double_bonds():
    ring = [(i, (i + 1) % 6) for i in range(6)]
    benzene = particles("CCCCCCHHHHHH", [*ring, *((i, i + 6) for i in range(6))])
    assert planar_torsions(benzene) == []
    ethane = particles("CCHHHHHH", [(0, 1), *((0, i) for i in (2, 3, 4)), *((1, i) for i in (5, 6, 7))])
    assert planar_torsions(ethane) == []
    ethene = particles("CCHHHH", [(0, 1), (0, 2), (0, 3), (1, 4), (1, 5)])
    assert planar_torsions(ethene) == [(2, 0, 1, 4), (2, 0, 1, 5), (3, 0, 1, 4), (3, 0, 1, 5)]


def test_bonds_apart_count_the_shortest_way():
    ring = particles("CCCCCCC", [*((i, (i + 1) % 6) for i in range(6)), (0, 6)])
    apart = bonds_apart(ring, 3)
    assert list(apart[6]) == [1, 2, 3, 4, 3, 2, 0]
    assert bonds_apart(particles("CC", []), 3)[0, 1] == 4


def test_a_torsion_that_turns_is_no_double_bond():
    """Planar in every frame, and half of the time on the other side."""
    frames = np.zeros((20, 6, 3))
    frames[:] = [[0, 0, 0], [0.13, 0, 0], [-0.06, 0.1, 0], [-0.06, -0.1, 0], [0.19, 0.1, 0], [0.19, -0.1, 0]]
    ethene = particles("CCHHHH", [(0, 1), (0, 2), (0, 3), (1, 4), (1, 5)])
    held = make_trajectory(segments=(frames,), molecule=ethene)
    assert learn_guard_rules([held])["double_bonds_cis"] == [True, False, False, True]
    frames[10:, 4:] = frames[10:, [5, 4]]
    assert learn_guard_rules([make_trajectory(segments=(frames,), molecule=ethene)])["double_bonds"] == []


def test_a_centre_that_inverts_is_no_stereocentre(rules, training):
    mirrored = tuple(segment * np.float32([-1, 1, 1]) for segment in training[1].segments)
    assert rules["stereocentres"]
    both = [training[0], dataclasses.replace(training[1], segments=mirrored)]
    assert learn_guard_rules(both)["stereocentres"] == []
    # The other enantiomer alone has the centre, with two of its neighbours exchanged.
    ((centre, a, b, c),) = rules["stereocentres"]
    assert learn_guard_rules(both[1:])["stereocentres"] == [[centre, b, a, c]]


def test_nothing_to_learn_from():
    with pytest.raises(TrajectoryError, match="no trajectories to learn rules from"):
        learn_guard_rules([])
