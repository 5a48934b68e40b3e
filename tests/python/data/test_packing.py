"""Packed trajectories: lossless, small, described; and what reads them."""

import hashlib
import json
import zipfile

import numpy as np
import pytest
from alanine import PDB, alanine_molecule, alanine_positions, make_trajectory

from openmm_scoredyn import data
from openmm_scoredyn.data.packed import decode, encode, save_packed, to_picometres
from openmm_scoredyn.data.store import save_archive
from openmm_scoredyn.errors import MoleculeError, TrajectoryError

METADATA = {
    "frame_spacing_ps": 1.0,
    "temperature_K": 300.0,
    "molecule": alanine_molecule().to_dict(),
    "steered": False,
    "consecutive": True,
    "force_field": "amber99sbildn.xml + tip3p.xml",
    "solvent": "tip3p",
    "integrator": "LangevinMiddleIntegrator",
    "openmm_version": "8.6.1",
    "seed": 11,
    "trajectory": 0,
}


def tumbling(frames, seed=0):
    """(T, 22, 3) nm: alanine dipeptide that drifts and turns as fast as in water, with 0.02 nm of noise on
    every atom.
    """
    generator = np.random.default_rng(seed)
    turned, centre, positions = np.eye(3), np.zeros(3), []
    for _ in range(frames):
        turned, upper = np.linalg.qr(turned + np.cross(np.eye(3), generator.normal(scale=0.15, size=3)))
        turned = turned * np.sign(np.diag(upper))
        centre = centre + generator.normal(scale=0.1, size=3)
        positions.append(alanine_positions() @ turned + centre + generator.normal(scale=0.02, size=(22, 3)))
    return np.array(positions, dtype=np.float32)


def write_md(directory, number=0, positions=None, weights=None, **changes):
    """A file as `scoredyn simulate` writes it, of one unbroken segment unless positions (S, T, 22, 3) are
    given.
    """
    directory.mkdir(exist_ok=True)
    positions = tumbling(8, seed=number)[None] if positions is None else positions
    path = directory / f"trajectory_{number:04d}.npz"
    save_archive(path, positions, METADATA | {"trajectory": number} | changes, weights)
    return path


@pytest.mark.parametrize("lengths", [[7], [2, 3, 2], [1, 6]])
def test_any_numbers_come_back(lengths):
    frames = np.random.default_rng(0).integers(-(2**15), 2**15, (sum(lengths), 4, 3)).astype(np.int16)
    frames[:2, 0] = [[-(2**15)] * 3, [2**15 - 1] * 3]
    low, high = encode(frames, lengths)
    assert low.dtype == high.dtype == np.uint8
    np.testing.assert_array_equal(decode(low, high, lengths), frames)


def test_picometres_are_centred_and_stay_as_they_are():
    positions = tumbling(50) + 5
    picometres = to_picometres(positions)
    centred = positions.astype(float) - positions.astype(float).mean(1, keepdims=True)
    assert np.abs(picometres / 1000 - centred).max() <= 0.000501
    np.testing.assert_array_equal(to_picometres(picometres.astype(np.float32) / 1000), picometres)
    # With centroids half a picometre off, too.
    off = np.round(1000 * alanine_positions() + 0.45)[None].astype(int)
    off -= np.floor(off.mean(1, keepdims=True)).astype(int)
    once = to_picometres(off / 1000)
    np.testing.assert_array_equal(to_picometres(once / 1000), once)
    with pytest.raises(TrajectoryError, match=r"an atom is .* nm from the centroid; expected at most 32 nm"):
        to_picometres(np.array([[[0.0, 0, 0], [80.0, 0, 0]]]))


def test_packed_files_are_small():
    """Tens of nanoseconds in a few megabytes: below the size of int16 compressed as it is."""
    from io import BytesIO

    def size(**arrays):
        file = BytesIO()
        np.savez_compressed(file, **arrays)
        return len(file.getvalue())

    frames = to_picometres(tumbling(2000))
    low, high = encode(frames, [2000])
    assert size(low=low, high=high) < 0.8 * size(frames=frames)
    assert size(low=low, high=high) < 0.6 * frames.nbytes


def test_what_is_packed_is_read_like_what_it_was(tmp_path):
    paths = np.stack([tumbling(2, seed) for seed in range(5)])
    weights = np.random.default_rng(0).uniform(0.1, 2, (5, 2)).astype(np.float32)
    write_md(tmp_path / "water", 0)
    write_md(tmp_path / "water", 1, tumbling(12).reshape(3, 4, 22, 3), steered=True, consecutive=False)
    write_md(tmp_path / "water", 2, paths, weights, steered=True, consecutive=False, shot_torsion="psi")
    written = data.pack([tmp_path / "water"], tmp_path / "packed")
    assert [path.name for path in written] == ["water_0000.npz", "water_0001.npz", "water_0002.npz"]
    before, after = data.load(tmp_path / "water"), data.load(tmp_path / "packed")
    assert [len(trajectory.segments) for trajectory in after] == [1, 3, 5]
    for ours, theirs in zip(before, after):
        for name in (
            "molecule",
            "steered",
            "consecutive",
            "frame_spacing_ps",
            "temperature_K",
            "source_sha256",
        ):
            assert getattr(ours, name) == getattr(theirs, name), name
        assert (theirs.force_field, theirs.solvent) == (METADATA["force_field"], "tip3p")
        centred = ours.positions - ours.positions.mean(1, keepdims=True)
        np.testing.assert_allclose(theirs.positions, centred, rtol=0, atol=0.00051)
        pairs = [data.lagged_windows(trajectory, 1.0) for trajectory in (ours, theirs)]
        np.testing.assert_array_equal(*pairs)
    np.testing.assert_array_equal(after[2].weights, weights)
    assert [trajectory.shot_torsion for trajectory in after] == ["", "", "psi"]
    # A packed trajectory packed again is the same, and not counted twice beside its source.
    assert data.pack(tmp_path / "packed", tmp_path / "packed") == []
    again = data.pack(tmp_path / "packed", tmp_path / "again", name="water")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in written]


def test_stores_are_packed(tmp_path):
    from openmm_scoredyn.data.frame_store import FrameStore

    frames = np.stack([tumbling(8, seed) for seed in range(2)])
    store = FrameStore(tmp_path / "water" / "trajectory_0000.frames")
    store.begin(METADATA | {"replicas_are": "trajectories"})
    for half in np.split(frames, 2, axis=1):
        store.append({"positions": half}, b"", {})
    written = data.pack(tmp_path / "water", tmp_path / "packed")
    assert [path.name for path in written] == ["water_0000.npz", "water_0001.npz"]
    for trajectory, own in zip(data.load(tmp_path / "packed"), frames, strict=True):
        np.testing.assert_allclose(trajectory.positions, own - own.mean(1, keepdims=True), atol=0.00051)
    entries = json.loads((tmp_path / "packed" / "card.json").read_text())["files"]
    assert {entry["engine"] for entry in entries} == {"OpenMM 8.6.1"} and entries[0]["seed"] == 11


@pytest.mark.parametrize("each_frame", [False, True])
def test_packed_files_keep_the_box(tmp_path, each_frame):
    box = 3 * np.eye(3, dtype=np.float32)
    box = box * np.linspace(1, 1.1, 8, dtype=np.float32)[:, None, None] if each_frame else box
    trajectory = make_trajectory(segments=(tumbling(8),), box=box)
    save_packed(tmp_path / "t.npz", trajectory, {})
    (packed,) = data.load(tmp_path / "t.npz")
    np.testing.assert_array_equal(packed.box, box)
    save_packed(tmp_path / "none.npz", make_trajectory(segments=(tumbling(8),)), {})
    assert data.load(tmp_path / "none.npz")[0].box is None


def test_a_packed_file_is_the_one_that_its_card_lists(tmp_path):
    """A whole file, of other frames, in the place of one."""
    write_md(tmp_path / "first", 0)
    (packed,) = data.pack(tmp_path / "first", tmp_path / "packed")
    write_md(tmp_path / "first", 1)
    (other,) = data.pack([tmp_path / "first" / "trajectory_0001.npz"], tmp_path / "other")
    content = packed.read_bytes()
    packed.write_bytes(other.read_bytes())
    with pytest.raises(
        TrajectoryError, match=r"first_0000.npz is damaged, or another than its card says; exp"
    ):
        data.load(tmp_path / "packed")
    packed.write_bytes(content)
    assert data.load(tmp_path / "packed")[0].n_frames == 8
    (tmp_path / "packed" / "mine.npz").write_bytes(other.read_bytes())
    assert len(data.load(tmp_path / "packed")) == 2, "the card says nothing of it"


def test_a_folder_grows_and_its_card_says_what_is_in_it(tmp_path):
    write_md(tmp_path / "first", 0)
    write_md(tmp_path / "second", 0, tumbling(9, seed=7)[None], steered=True, seed=222)
    data.pack(tmp_path / "first", tmp_path / "packed")
    old = (tmp_path / "packed" / "first_0000.npz").read_bytes()
    write_md(tmp_path / "first", 1)
    new = data.pack([tmp_path / "first", tmp_path / "second"], tmp_path / "packed")
    assert [path.name for path in new] == ["first_0001.npz", "second_0000.npz"]
    assert (tmp_path / "packed" / "first_0000.npz").read_bytes() == old
    card = json.loads((tmp_path / "packed" / "card.json").read_text())
    assert [entry["file"] for entry in card["files"]] == [
        "first_0000.npz",
        "first_0001.npz",
        "second_0000.npz",
    ]
    readme = (tmp_path / "packed" / "README.md").read_text()
    for entry in card["files"]:
        content = (tmp_path / "packed" / entry["file"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(content).hexdigest() and entry["bytes"] == len(content)
        assert entry["engine"] == "OpenMM 8.6.1" and entry["sha256"] in readme
    assert card["totals"]["unsteered"] == {
        "trajectories": 2,
        "segments": 2,
        "ns": pytest.approx(0.014),
        "bytes": sum(entry["bytes"] for entry in card["files"][:2]),
    }
    assert card["totals"]["steered"]["ns"] == pytest.approx(0.008)
    assert "| steered | 1 | 0.008 | 222 | OpenMM 8.6.1 | amber99sbildn.xml + tip3p.xml | tip3p |" in readme


def test_a_trajectory_of_another_program(tmp_path):
    mdtraj = pytest.importorskip("mdtraj")
    from openmm import unit
    from openmm.app import PDBFile

    from openmm_scoredyn.reference.physics import Physics
    from openmm_scoredyn.reference.system import build_reference_system

    positions = tumbling(6)
    # Cut by the boundaries of its box, as GROMACS leaves it.
    wrapped = positions - 3.0 * np.floor(positions / 3.0)
    topology = mdtraj.load_topology(str(PDB))
    mdtraj.Trajectory(
        wrapped,
        topology,
        time=np.arange(6.0),
        unitcell_lengths=np.full((6, 3), 3.0),
        unitcell_angles=np.full((6, 3), 90.0),
    ).save(str(tmp_path / "run.xtc"))
    described = {"topology": PDB, "temperature_K": 300.0}
    with pytest.raises(TrajectoryError, match=r"run.xtc does not say what made it; expected the engine"):
        data.pack(tmp_path / "run.xtc", tmp_path / "packed", **described)
    record = {"engine": "GROMACS 2022.5", "solvent": "tip3p", "hydrogen_mass_amu": 3, "seed": 4}
    with pytest.raises(TrajectoryError, match=r"run.xtc does not say its temperature"):
        data.pack(tmp_path / "run.xtc", tmp_path / "packed", record=record, topology=PDB)
    assert not (tmp_path / "packed").exists()
    data.pack(tmp_path / "run.xtc", tmp_path / "packed", name="gromacs", record=record, **described)
    (packed,) = data.load(tmp_path / "packed")
    np.testing.assert_allclose(packed.positions, positions - positions.mean(1, keepdims=True), atol=0.003)
    assert (packed.solvent, packed.temperature_K, packed.steered) == ("tip3p", 300.0, False)
    system = build_reference_system(PDBFile(str(PDB)).topology, Physics())
    masses = [system.getParticleMass(atom).value_in_unit(unit.dalton) for atom in range(22)]
    np.testing.assert_allclose(packed.molecule.masses_amu, masses, atol=0.01)
    data.pack(tmp_path / "run.xtc", tmp_path / "with", record=record, system=system, **described)
    (packed,) = data.load(tmp_path / "with")
    assert packed.molecule.masses_amu == tuple(masses)
    assert len(packed.molecule.force_field.constraints) == 12
    (entry,) = json.loads((tmp_path / "packed" / "card.json").read_text())["files"]
    assert (entry["file"], entry["engine"], entry["seed"]) == ("gromacs_0000.npz", "GROMACS 2022.5", 4)


def test_unsteered_segments_go_on_where_the_one_before_ended(tmp_path):
    frames = np.round(1000 * tumbling(5 * 4)).astype(np.int16).reshape(5, 4, 22, 3)
    steered = np.array([False, True, True, False, False])
    np.savez(tmp_path / "old.npz", positions_pm=frames, steered=steered, lag_time_ps=np.float32(1))
    free, pulled = data.load(tmp_path / "old.npz", topology=PDB, temperature_K=300.0)
    flat = frames.reshape(-1, 22, 3)

    def numbers(trajectory):
        """Which frames of the file each pair is of."""
        where = [
            next(k for k, frame in enumerate(flat) if np.array_equal(frame, picometres))
            for picometres in np.round(1000 * trajectory.positions).astype(np.int16)
        ]
        return [(where[a], where[b]) for a, b in data.lagged_windows(trajectory, 1.0)]

    # 3 -> 4 and 7 -> 8 are jumps to where a segment was steered; 11 -> 12 and 15 -> 16 are steps of the
    # dynamics.
    expected = [(k, k + 1) for k in range(19) if k not in (3, 7)]
    assert sorted(numbers(free) + numbers(pulled)) == expected
    assert (7, 8) not in numbers(pulled) and (11, 12) in numbers(pulled) and (15, 16) in numbers(free)


def test_mistakes_are_named_and_leave_the_folder_alone(tmp_path):
    write_md(tmp_path / "water", 0)
    with pytest.raises(TrajectoryError, match=r"pack: unknown speed; expected one of engine, force_field"):
        data.pack(tmp_path / "water", tmp_path / "packed", record={"speed": 1})
    data.pack(tmp_path / "water", tmp_path / "packed")
    before = {path.name: path.read_bytes() for path in (tmp_path / "packed").iterdir()}
    molecule = alanine_molecule().to_dict() | {"residue_names": ["GLY"] * 22}
    write_md(tmp_path / "glycine", 0, positions=tumbling(8, 5)[None], molecule=molecule)
    with pytest.raises(MoleculeError, match=r"a folder holds trajectories of one molecule; atom 0"):
        data.pack(tmp_path / "glycine", tmp_path / "packed")
    assert {path.name: path.read_bytes() for path in (tmp_path / "packed").iterdir()} == before
    (tmp_path / "packed" / "card.json").write_text('{"format_version": "2.0", "files": []}')
    with pytest.raises(
        TrajectoryError, match=r"the card .*card.json cannot be read \(ValueError\('format 2.0'\)\)"
    ):
        data.pack(tmp_path / "water", tmp_path / "packed")


def test_damaged_and_later_files_are_refused(tmp_path):
    trajectory = make_trajectory(4)
    path = tmp_path / "packed.npz"
    save_packed(path, trajectory, {})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(TrajectoryError, match="is not a readable npz file"):
        data.load(path)
    path.write_bytes(content)
    arrays = dict(np.load(path))
    described = json.loads(str(arrays["metadata"]))
    np.savez(path, **arrays | {"metadata": np.array(json.dumps(described | {"packed_format": "2.0"}))})
    with pytest.raises(
        TrajectoryError, match=r"is of packed format 2.0; expected 1.0; update openmm-scoredyn"
    ):
        data.load(path)
    np.savez(path, **arrays | {"low": arrays["low"][:2]})
    with pytest.raises(TrajectoryError, match="the packed file .* cannot be read"):
        data.load(path)
    assert zipfile.is_zipfile(path)


def test_command(tmp_path):
    from typer.testing import CliRunner

    from openmm_scoredyn.cli import app

    write_md(tmp_path / "water", 0)
    arguments = ["pack", str(tmp_path / "water"), "--out", str(tmp_path / "packed")]
    result = CliRunner().invoke(app, [*arguments, "--record", "copies=64"])
    assert result.exit_code == 0, result.output
    assert "1 trajectories packed" in result.output and "0.007 ns unsteered" in result.output
    (entry,) = json.loads((tmp_path / "packed" / "card.json").read_text())["files"]
    assert entry["copies"] == 64 and entry["seed"] == 11
    assert CliRunner().invoke(app, [*arguments, "--record", "copies"]).exit_code == 2
