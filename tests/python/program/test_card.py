"""The card: round trip, and every way in which one is refused."""

import json
from dataclasses import fields

import pytest
from tiny_models import MOLECULE, tiny_card

from openmm_scoredyn.errors import CardError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.program.card import Capabilities, Card, Provenance
from openmm_scoredyn.program.guard_rules import GuardRules
from openmm_scoredyn.program.native import scoredyn

OTHER = Particles(
    types=("C", "H", "F", "Cl", "I"),
    masses_amu=(12.0, 1.0, 19.0, 35.0, 127.0),
    atom_names=("A", "B", "D", "E", "F"),
    residue_names=("X", "X", "X", "Y", "Y"),
    residue_indices=(0, 0, 0, 1, 1),
    bonds=((1, 0), (0, 2)),
)
EXAMPLE = {
    "history": [0.5] * 30,
    "box": [1.0] * 9,
    "lag_time_ps": 10.0,
    "temperature_K": 310.5,
    "noise": [0.25] * 7,
    "started": [0.5] * 7,
    "latent": [0.75] * 7,
    "sigma": 0.7,
    "denoised": [1.5] * 7,
    "positions": [0.125] * 15,
}
# Every field at a value other than that of the tiny card.
CAPABILITIES = {
    "lag_times_ps": (10.0, 20.0),
    "lag_time_range": True,
    "recommended_lag_time_ps": 15.0,
    "temperatures_K": (300.5, 310.5),
    "temperature_range": True,
    "history_length": 2,
    "latent_size": 7,
    "periodic": True,
    "has_start": True,
    "sigma_min": 0.5,
    "sigma_max": 7.0,
    "sigma_data": 0.25,
    "solver": "heun",
    "solvers": ("heun", "trig_2m"),
    "matmul_precision": "high",
    "denoising_steps": 3,
    "latent_type": "invariant",
    "symmetric": True,
}
GUARD = {
    "bond_lengths_nm": (0.11, 0.14),
    "bond_tolerance": 0.2,
    "angles": ((1, 0, 2),),
    "angle_limits_deg": ((80.0, 130.5),),
    "stereocentres": ((0, 2, 1, 3),),
    "double_bonds": ((1, 0, 2, 3), (1, 0, 2, 4)),
    "double_bonds_cis": (True, False),
    "contact_classes": (0, 1, 0, 1, 2),
    "contacts": ((0, 1, 0.15), (2, 2, 0.2)),
    "max_displacement_nm": 0.7,
}
PROVENANCE = {
    "solvent": "TIP3P",
    "force_field": "amber",
    "training_data": {"fingerprint": "ab", "nested": {"pairs": 3}},
    "accuracy": {"jsd": [0.1, 0.01]},
    "licence": "MIT",
    "package_version": "9.8",
    "torch_version": "1.2",
    "network": {"name": "equivariant", "config": {"width": 8}},
}
PARTS = {Capabilities: CAPABILITIES, GuardRules: GUARD, Provenance: PROVENANCE}


def test_every_field_survives_the_round_trip():
    default = tiny_card()
    for kind, values in PARTS.items():
        assert set(values) == {field.name for field in fields(kind)}
        part = next(part for part in vars(default).values() if isinstance(part, kind))
        assert all(getattr(part, name) != value for name, value in values.items()), "a field at its default"
    given = CAPABILITIES | GUARD | PROVENANCE | {"golden": (EXAMPLE, EXAMPLE | {"sigma": 3.0})}
    card = Card.of(OTHER, name="other", format_version="2.7", **given)
    read = Card.from_json(card.to_json())
    assert read == card
    assert (read.name, read.format_version, read.golden) == ("other", "2.7", given["golden"])
    assert read.particles == OTHER
    parts = {Capabilities: read.capabilities, GuardRules: read.guard, Provenance: read.provenance}
    assert {kind: vars(part) for kind, part in parts.items()} == PARTS


def test_a_card_without_a_recommended_lag_time_does_not_name_one_and_has_the_shortest():
    card = tiny_card(lag_times_ps=(1.0, 2.0))
    assert "recommended" not in card.to_json() and card.lag_time_ps == 1.0
    assert card.with_values(recommended_lag_time_ps=2.0).lag_time_ps == 2.0


def test_particles_are_those_the_card_was_made_for():
    assert tiny_card().particles == MOLECULE
    assert tiny_card().num_particles == 5


def test_fields_of_a_later_minor_version_are_left_out():
    values = json.loads(tiny_card().to_json()) | {"format_version": "2.9", "colour": "red"}
    values["capabilities"]["speed"] = 3
    values["provenance"]["author"] = "somebody"
    assert Card.from_json(json.dumps(values)) == tiny_card(format_version="2.9")


def test_a_rule_that_nobody_enforces_is_refused():
    values = json.loads(tiny_card().to_json())
    values["particles"]["guard"]["max_speed"] = 3.0
    with pytest.raises(CardError, match="guard has a rule 'max_speed' that this library does not know"):
        Card.from_json(json.dumps(values))


def test_values_are_replaced_in_the_part_that_has_them():
    card = tiny_card()
    changed = card.with_values(name="b", lag_times_ps=(2.0,), bond_tolerance=0.1, licence="MIT")
    assert (changed.name, changed.lag_time_ps) == ("b", 2.0)
    assert (changed.guard.bond_tolerance, changed.provenance.licence) == (0.1, "MIT")
    back = {"name": "tiny", "lag_times_ps": (1.0,), "bond_tolerance": 0.9, "licence": "unknown"}
    assert changed.with_values(**back) == card
    with pytest.raises(CardError, match="no part has a field 'lag_time_ps'"):
        card.with_values(lag_time_ps=1.0)
    with pytest.raises(CardError, match="no part has a field 'colour'"):
        Card.of(MOLECULE, name="c", colour="red")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format_version": "1.2"}, "format version 1.2, but this library reads version 2. Export the model"),
        ({"format_version": "3.0"}, "format version 3.0, but this library reads version 2"),
        ({"format_version": 2}, "expected a string"),
        ({"solvers": ("euler",)}, "euler"),
        ({"solvers": ("heun",)}, "is right with heun only, found dpmpp_2m"),
        ({"solver": "euler"}, "euler"),
        ({"matmul_precision": "tf32"}, "tf32"),
        ({"latent_type": "scalar"}, "latent_type is not valid; expected one of invariant, vector"),
        ({"symmetric": 1}, "symmetric is not valid; expected True or False, found 1"),
        ({"name": " "}, "name is blank, but a model has one"),
        ({"lag_times_ps": (0.0,)}, "lag_times_ps must be positive, found 0"),
        ({"lag_times_ps": ("1",)}, "number"),
        ({"lag_times_ps": (True,)}, "number"),
        ({"lag_times_ps": ()}, "lag_times_ps is empty, but a model knows at least one value"),
        ({"lag_times_ps": (2.0, 1.0)}, "lag_times_ps must ascend, found 1 after 2"),
        ({"lag_time_range": True}, "lag_times_ps has 1 entries, expected 2, the ends of the range"),
        (
            {"recommended_lag_time_ps": 2.0},
            "recommended_lag_time_ps is 2, which lag_times_ps does not hold",
        ),
        ({"temperatures_K": (float("nan"),)}, "a number is not finite"),
        ({"temperatures_K": (300.0, 300.0)}, "temperatures_K must ascend, found 300 after 300"),
        ({"denoising_steps": 0}, "denoising_steps is 0, but a model without denoising steps begins by"),
        ({"denoising_steps": -1}, "denoising_steps must be at least 0, found -1"),
        ({"denoising_steps": 2.5}, "denoising_steps: expected a whole number, found a number"),
        ({"sigma_max": 0.01}, "sigma_min must be below sigma_max, found 0.02 and 0.01"),
        ({"periodic": 0}, "periodic: expected true or false, found a number"),
        ({"bond_lengths_nm": (0.1,)}, "bond_lengths_nm has 1 entries, expected 4"),
        (
            {"bond_lengths_nm": (0.1, 0.1, 0.1, 0.0)},
            "bond_lengths_nm holds 0, but these numbers are positive",
        ),
        ({"stereocentres": ((0, 1, 2, 2),)}, "stereocentres names atom 2 twice"),
        ({"stereocentres": ((0, 1, 2),)}, "stereocentres has an entry of 3 atoms, expected 4"),
        ({"angles": ((1, 0, 2),)}, "angle_limits_deg has 0 entries, expected 1"),
        (
            {"angles": ((1, 0, 2),), "angle_limits_deg": ((130.0, 80.0),)},
            "angle_limits_deg must ascend between 0 and 180, found 130 and 80",
        ),
        ({"double_bonds": ((1, 0, 2, 9),)}, "double_bonds names atom 9, but the model has 5"),
        ({"double_bonds_cis": (True,)}, "double_bonds_cis has 1 entries, expected 0"),
        ({"contacts": ((0, 0, 0.1),)}, "contact_classes has 0 entries, expected 5"),
        (
            {"contact_classes": (0,) * 5, "contacts": ((0, 0, 0.0),)},
            "min_distance_nm must be positive, found 0",
        ),
        ({"max_displacement_nm": 0.0}, "max_displacement_nm must be positive, found 0"),
        ({"accuracy": {"jsd": float("inf")}}, "a number is not finite"),
    ],
)
def test_a_card_at_odds_with_itself_is_refused(change, sentence):
    with pytest.raises(CardError, match=sentence):
        tiny_card(**change)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"history": [0.0]}, "history has 1 entries, expected 30"),
        ({"noise": []}, "noise has 0 entries, expected 7"),
        ({"box": [[0.0] * 3] * 3}, "number"),
        ({"lag_time_ps": 30.0}, "golden has a lag_time_ps of 30, which lag_times_ps does not hold"),
        ({"temperature_K": 290.0}, "golden has a temperature_K of 290, which temperatures_K does not hold"),
        ({"sigma": -1.0}, "sigma must be positive"),
        ({"sigma": float("inf")}, "not finite"),
    ],
)
def test_a_golden_example_that_does_not_fit_is_refused(change, sentence):
    given = CAPABILITIES | GUARD | {"golden": (EXAMPLE, EXAMPLE | change)}
    with pytest.raises(CardError, match=sentence):
        check_complete(Card.of(OTHER, name="other", **given).to_json())


def test_a_complete_card_has_a_golden_example():
    check_complete(Card.of(OTHER, name="other", **CAPABILITIES, **GUARD, golden=(EXAMPLE,)).to_json())
    with pytest.raises(CardError, match="golden is empty, but a program is checked against at least one"):
        check_complete(tiny_card(golden=()).to_json())


def check_complete(text: str) -> None:
    """As the core checks the card of a program."""
    try:
        scoredyn.check_card(text, True)
    except scoredyn.OpenMMException as error:
        raise CardError(str(error)) from error


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "Card: "),
        ("[]", "Card: "),
        ("{}", "format_version"),
        ('{"format_version": "2.0"}', "name"),
    ],
)
def test_text_that_is_no_card_is_refused(text, sentence):
    with pytest.raises(CardError, match=sentence):
        Card.from_json(text)


_TEXT = json.loads(tiny_card().to_json())
WHERE = [(name,) for name in _TEXT] + [
    *(("capabilities", name) for name in _TEXT["capabilities"] if name not in ("latent_type", "symmetric")),
    *(("particles", name) for name in _TEXT["particles"]),
    *(("particles", "guard", name) for name in _TEXT["particles"]["guard"]),
]


@pytest.mark.parametrize("where", WHERE, ids=".".join)
def test_no_field_may_be_missing(where):
    values = json.loads(tiny_card().to_json())
    part = values
    for name in where[:-1]:
        part = part[name]
    del part[where[-1]]
    with pytest.raises(CardError, match=where[-1]):
        Card.from_json(json.dumps(values))
