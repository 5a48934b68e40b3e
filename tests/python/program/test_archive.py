"""Files of models: damaged, foreign or oversized ones are refused before anything of them is used."""

import hashlib
import io
import json
import os
import struct
import zipfile
import zlib

import pytest
import torch
from programs import Drift, make_card
from typer.testing import CliRunner

from openmm_scoredyn.cli import app
from openmm_scoredyn.errors import CardError, ProgramError
from openmm_scoredyn.program.archive import open_model_file, read_checkpoint, seal, write_checkpoint
from openmm_scoredyn.program.model import ScoreModel, pretrained
from openmm_scoredyn.program.native import scoredyn
from openmm_scoredyn.program.transferable import TransferableModel, is_transferable

RECORDS = [("a/data.pkl", b"one" * 50), ("a/version", b"3\n"), ("a/extra/scoredyn.json", b'{"name": "x"}')]
FOREIGN = "ScoreProgram: the file is not an archive of openmm-scoredyn: "


@pytest.fixture
def data():
    return scoredyn.write_record_archive(RECORDS)


def zipped(records, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in records:
            archive.writestr(name, content)
    return buffer.getvalue()


def test_the_archive_is_a_zip_file_with_the_sums_of_sha256sum(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.read("a/data.pkl") == RECORDS[0][1]
        sums = archive.read("a/extra/SHA256SUMS").decode()
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in RECORDS]
    assert sums == "".join(lines)
    assert open_model_file(data).card_json == '{"name": "x"}'


def test_sealing_twice_changes_nothing(data):
    assert seal(data) == data
    assert open_model_file(seal(data, {"scoredyn.json": "{}"})).card_json == "{}"


@pytest.mark.parametrize("bit", range(8))
def test_no_byte_can_change(data, bit):
    """Every byte of the file is one that the writer would write."""
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << bit
        with pytest.raises(ProgramError, match="^ScoreProgram: .*; (get the file again|rename)"):
            open_model_file(bytes(changed))


def test_a_record_that_was_changed_with_its_crc(data):
    """What CRCs cannot see: somebody who writes them again."""
    old, new = RECORDS[0][1], b"two" * 50
    crcs = [struct.pack("<I", zlib.crc32(content)) for content in (old, new)]
    assert data.count(crcs[0]) == 2
    with pytest.raises(ProgramError, match="the record a/data.pkl is another than its SHA-256 says"):
        open_model_file(data.replace(old, new).replace(*crcs))
    with pytest.raises(ProgramError, match="the record a/data.pkl is damaged, for its CRC is another"):
        open_model_file(data.replace(old, new))


def test_an_archive_without_sums():
    with pytest.raises(ProgramError, match="written by another program"):
        open_model_file(zipped(RECORDS))
    sealed = scoredyn.write_record_archive(RECORDS)
    sums = sealed.rindex(b"PK\x03\x04")
    entries = sealed[sealed.index(b"PK\x01\x02") : sealed.rindex(b"PK\x01\x02")]
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 3, 3, len(entries), sums, 0)
    with pytest.raises(ProgramError, match="has no sums of its records .extra/SHA256SUMS.; expected them"):
        open_model_file(sealed[:sums] + entries + end)


def test_compressed_and_encrypted_records(data):
    with pytest.raises(ProgramError, match="the record a/data.pkl is compressed"):
        open_model_file(zipped(RECORDS, zipfile.ZIP_DEFLATED))
    bomb = zipped([("a/extra/scoredyn.json", b" " * 100_000_000)], zipfile.ZIP_DEFLATED)
    with pytest.raises(ProgramError, match="is compressed"):
        open_model_file(bomb)
    encrypted = bytearray(data)
    directory = data.index(b"PK\x01\x02")
    encrypted[directory + 8] |= 1
    encrypted[6] |= 1
    with pytest.raises(ProgramError, match="the record a/data.pkl is encrypted"):
        open_model_file(bytes(encrypted))


@pytest.mark.parametrize(
    "name, text",
    [
        ("a/../../b", "leads out of its folder"),
        ("/etc/passwd", "leads out of its folder"),
        ("a\\b/c", "not plain ASCII"),
        ("a/b\n", "not plain ASCII"),
        ("a/\x1b[2J", "not plain ASCII"),
        ("b", "without a folder"),
        ("a/DATA.PKL", "stands twice"),
        ("a/data.pkl", "stands twice"),
        ("b/data", "is in another folder than the others"),
        ("a/extra/sha256sums", "stands twice"),
    ],
)
def test_names_of_records(name, text):
    with pytest.raises(scoredyn.OpenMMException, match=text):
        scoredyn.write_record_archive([*RECORDS, (name, b"x")])


def test_bytes_before_between_and_behind(data):
    with pytest.raises(ProgramError, match=FOREIGN):
        open_model_file(b"#!/bin/sh\n" + data)
    for place in (data.index(b"PK\x01\x02"), len(data)):
        with pytest.raises(ProgramError, match=FOREIGN):
            open_model_file(data[:place] + b"hidden" + data[place:])


def test_special_files(tmp_path, monkeypatch):
    """Nobody waits for the writer of a pipe, and no device is read."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", "/dev/urandom", tmp_path):
        with pytest.raises(ProgramError, match="there is no file at"):
            ScoreModel(path)
    with open(tmp_path / "sparse.pt", "wb") as file:
        file.truncate(20 * 2**30)
    with pytest.raises(ProgramError, match="is too large; expected up to 1073741824 bytes, found 21"):
        ScoreModel(tmp_path / "sparse.pt")


@pytest.mark.parametrize(
    "card, text",
    [
        (b'{"name": "\xff"}', "a byte that is not UTF-8 at byte 10"),
        (b'{"name": "\xed\xa0\x80"}', "not UTF-8"),
        (b'{"name": "\xc0\x80"}', "not UTF-8"),
        (b'{"name": "\xf4\x90\x80\x80"}', "not UTF-8"),
        (b'{"name": "\xe2\x82', "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"name": NaN}', "expected a value"),
        (b"[1, 2]", "Card"),
        (b'"text"', "Card"),
        (b" " * (2**24 + 1), "the text is too long; expected up to 16777216 bytes"),
    ],
)
def test_cards_that_are_no_cards(card, text, make_program):
    with zipfile.ZipFile(make_program(Drift())) as archive:
        records = [(name, archive.read(name)) for name in archive.namelist() if "SHA256SUMS" not in name]
    changed = [(name, card if name.endswith("scoredyn.json") else content) for name, content in records]
    with pytest.raises(CardError, match=text):
        ScoreModel(scoredyn.write_record_archive(changed))


def test_text_that_is_utf8_is_read(make_program):
    for name in ("Ångström 水 🧊", "\u0800\ud7ff\ue000\U0010ffff"):
        model = ScoreModel(make_program(Drift(), **make_card(Drift(), name=name)))
        assert model.card.name == name


def test_checkpoints_are_compared_with_their_sums(tmp_path):
    path = tmp_path / "run.ckpt"
    write_checkpoint({"weights": torch.arange(5.0)}, path)
    assert torch.equal(read_checkpoint(path)["weights"], torch.arange(5.0))
    data = bytearray(path.read_bytes())
    data[data.index(torch.arange(5.0).numpy().tobytes()) + 7] ^= 1
    path.write_bytes(data)
    with pytest.raises(ProgramError, match="Checkpoint .*run.ckpt: .* archive/data/0 is damaged"):
        read_checkpoint(path)
    torch.save({"weights": torch.zeros(2)}, path)
    with pytest.raises(ProgramError, match="Checkpoint .*written by another program"):
        read_checkpoint(path)


def test_info_runs_nothing(make_program, monkeypatch):
    """The card is shown of a program that --verify refuses."""
    golden = make_card(Drift())["golden"]
    wrong = json.loads(json.dumps(golden).replace("0.0", "0.5", 1))
    path = make_program(Drift(), golden=wrong)
    shown = CliRunner().invoke(app, ["info", path])
    assert shown.exit_code == 0 and "the program was not run (--verify)" in " ".join(shown.output.split())
    assert CliRunner().invoke(app, ["info", path, "--verify"]).exit_code != 0


def test_what_a_card_says_is_no_command_to_the_terminal(make_program):
    escapes = {"[/x]": "[bold]\x1b]0;title\x07 \x1b[2J \u202e", "line\nbreak": {"deep": ["\x9b31m"]}}
    path = make_program(Drift(), training_data=escapes)
    shown = CliRunner().invoke(app, ["info", path])
    assert shown.exit_code == 0 and shown.exception is None
    assert not any(c in shown.output for c in "\x1b\x07\x9b\u202e")
    assert "[/x]: [bold]\\x1b]0;title\\x07" in shown.output and "line\\nbreak.deep" in shown.output


@pytest.mark.parametrize(
    "rows", [3, "text", [1], [{"group": "x"}], {"a": 1}, [{"group": 1, "reference": None}]]
)
def test_accuracies_of_another_shape_are_shown_leaf_by_leaf(rows, make_program):
    path = make_program(Drift(), accuracy={"rows": rows, "candidate": 3})
    shown = CliRunner().invoke(app, ["info", path])
    assert shown.exit_code == 0 and shown.exception is None and "rows" in shown.output


def test_shipped_models_have_their_sums():
    for name in pretrained():
        load = TransferableModel.load if is_transferable(pretrained(name)) else open_model_file
        load(pretrained(name))
