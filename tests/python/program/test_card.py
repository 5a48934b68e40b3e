"""The card: round trip, and every way in which one is refused."""

import json
from dataclasses import fields, replace

import pytest
from tiny_models import MOLECULE, tiny_card

from openmm_scoredyn.errors import CardError
from openmm_scoredyn.program.card import Card

EVERY_FIELD = {
    "format_version": "1.7",
    "kind": "transition",
    "name": "other",
    "lag_time_ps": 10.0,
    "temperature_K": 310.5,
    "history_length": 2,
    "latent_size": 3,
    "noise_count": 4,
    "sigma_min": 0.5,
    "sigma_max": 7.0,
    "sigma_data": 0.25,
    "solver": "heun",
    "solvers": ("heun", "trig_2m"),
    "matmul_precision": "high",
    "denoising_steps": 3,
    "latent_type": "invariant",
    "symmetric": True,
    "elements": ("C", "H", "F", "Cl", "I"),
    "masses_amu": (12.0, 1.0, 19.0, 35.0, 127.0),
    "atom_names": ("A", "B", "D", "E", "F"),
    "residue_names": ("X", "X", "X", "Y", "Y"),
    "residue_indices": (0, 0, 0, 1, 1),
    "bonds": ((1, 0), (0, 2)),
    "bond_lengths_nm": (0.11, 0.14),
    "bond_tolerance": 0.2,
    "chiral_centres": ((0, 2, 1, 3),),
    "max_displacement_nm": 0.7,
    "periodic": True,
    "solvent": "TIP3P",
    "force_field": "amber",
    "training_data": {"fingerprint": "ab", "nested": {"pairs": 3}},
    "accuracy": {"jsd": [0.1, 0.01]},
    "licence": "MIT",
    "package_version": "9.8",
    "torch_version": "1.2",
    "golden": {
        "history": [0.5] * 30,
        "box": [1.0] * 9,
        "noise": [0.25] * 36,
        "positions": [0.125] * 15,
    },
}


def test_every_field_survives_the_round_trip():
    assert set(EVERY_FIELD) == {field.name for field in fields(Card)}
    default = tiny_card()
    assert all(getattr(default, name) != value for name, value in EVERY_FIELD.items()), (
        "a field at its default"
    )
    card = Card(**EVERY_FIELD)
    assert Card.from_json(card.to_json()) == card
    assert {field.name: getattr(card, field.name) for field in fields(Card)} == EVERY_FIELD


def test_molecule_is_the_one_the_card_was_made_for():
    assert tiny_card().molecule == MOLECULE
    assert tiny_card().num_particles == 5


def test_integers_serve_as_numbers_and_lists_as_tuples():
    card = replace(tiny_card(), lag_time_ps=10, bonds=[[0, 1]], bond_lengths_nm=[0.1])
    assert isinstance(card.lag_time_ps, float)
    assert card.bonds == ((0, 1),)


def test_fields_of_a_later_minor_version_are_left_out():
    values = json.loads(tiny_card().to_json()) | {"format_version": "1.9", "colour": "red"}
    assert Card.from_json(json.dumps(values)) == tiny_card(format_version="1.9")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format_version": "2.0"}, "another format version; expected 1.x, found 2.0; install the version"),
        ({"format_version": 1}, "format_version has the wrong type; expected text, found 1"),
        ({"kind": "magic"}, "kind is not valid; expected one of denoiser, transition, found 'magic'"),
        ({"solvers": ("euler",)}, "solvers is not valid; expected some of trig_2m"),
        ({"solvers": ("heun",)}, "solver is not valid; expected one of heun, found"),
        ({"solver": "euler"}, "solver is not valid; expected one of trig_2m, dpmpp_2m"),
        (
            {"matmul_precision": "tf32"},
            "matmul_precision is not valid; expected one of highest, high, medium, found 'tf32'",
        ),
        ({"latent_type": "scalar"}, "latent_type is not valid"),
        ({"name": " "}, "name is not valid"),
        ({"lag_time_ps": 0.0}, "lag_time_ps is not valid; expected a positive number, found 0.0"),
        ({"lag_time_ps": "1"}, "lag_time_ps has the wrong type; expected a number, found '1'"),
        ({"lag_time_ps": True}, "lag_time_ps has the wrong type"),
        ({"temperature_K": float("nan")}, "temperature_K is not finite"),
        ({"denoising_steps": 0}, "denoising_steps is not valid"),
        ({"denoising_steps": 2.5}, "denoising_steps has the wrong type; expected an integer"),
        ({"sigma_max": 0.01}, "sigma_max is not valid; expected more than sigma_min=0.02, found 0.01"),
        ({"periodic": 0}, "periodic has the wrong type; expected bool"),
        ({"masses_amu": (1.0,) * 4}, "masses_amu is not valid; expected 5 entries, one per atom, found 4"),
        (
            {"masses_amu": (1.0, 1.0, 1.0, 1.0, -1.0)},
            "masses_amu is not valid; expected masses of at least 0",
        ),
        ({"elements": "CHFBr"}, "elements has the wrong type; expected a list"),
        (
            {"bonds": ((0, 5), (0, 1), (0, 2), (0, 3))},
            r"bonds is not valid; .* below 5 in each entry, found \[0, 5\]",
        ),
        ({"bonds": (0, 1)}, "bonds has the wrong type; expected a list of lists"),
        ({"bond_lengths_nm": (0.1,)}, "bond_lengths_nm is not valid; expected 4, one per bond, found 1"),
        (
            {"bond_lengths_nm": (0.1, 0.1, 0.1, 0.0)},
            "bond_lengths_nm is not valid; expected positive lengths",
        ),
        (
            {"chiral_centres": ((0, 1, 2, 2),)},
            "chiral_centres is not valid; expected 4 different atom indices",
        ),
        ({"golden": {"history": [0.0]}}, "golden history is not valid; expected 15 numbers, flat, found 1"),
        ({"golden": {"noise": []}}, "golden is not valid; expected only history, box, latent"),
        ({"golden": {"sigma": float("inf")}}, "golden sigma is not valid; expected finite numbers"),
        ({"golden": {"box": [[0.0] * 3] * 3}}, "golden box is not valid"),
    ],
)
def test_a_card_at_odds_with_itself_is_refused(change, sentence):
    with pytest.raises(CardError, match=sentence):
        replace(tiny_card(), **change)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is not JSON; expected an object"),
        ("[]", "does not hold an object; expected one, found list"),
        ("{}", "another format version; expected 1.x, found None"),
        ('{"format_version": "1.0"}', "the field name is missing"),
    ],
)
def test_text_that_is_no_card_is_refused(text, sentence):
    with pytest.raises(CardError, match=sentence):
        Card.from_json(text)


LATER = {"solvers": ((), "1.0"), "matmul_precision": ("highest", "1.1")}


@pytest.mark.parametrize("name", [field.name for field in fields(Card) if field.name not in LATER])
def test_no_field_may_be_missing(name):
    values = json.loads(tiny_card().to_json())
    del values[name]
    with pytest.raises(
        CardError, match="another format version" if name == "format_version" else f"field {name} is"
    ):
        Card.from_json(json.dumps(values))


@pytest.mark.parametrize("name", LATER)
def test_a_card_of_an_earlier_version_lacks_later_fields(name):
    values = json.loads(tiny_card().to_json())
    del values[name]
    default, version = LATER[name]
    assert getattr(Card.from_json(json.dumps(values | {"format_version": version})), name) == default
