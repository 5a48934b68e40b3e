"""Files of frames: what is kept on the way from the file that is read to the one that is written, and what is
refused.
"""

import gzip
import io

import ase.io
import mdtraj
import numpy as np
import pytest
from ase.build import bulk

from openmm_scoredyn import errors
from openmm_scoredyn.crystals.snapshots import Snapshot, read_snapshots, write_snapshot

# Two frames of a LAMMPS dump, ids not in order, box not at the origin; lists of rows.
ATOMS = [
    [4, 2, 1.5, 2.0, 3.0, -0.25],
    [1, 1, 9.25, 4.0, 5.0, 0.5],
    [2, 1, 2.0, 8.0, 6.5, 1.0],
    [7, 3, 3.0, 3.5, 4.0, 2.0],
]


def dump(
    steps=(100, 200),
    atoms=ATOMS,
    columns="id type x y z vx",
    bounds=("1 11", "2 12", "3 13"),
    flags="pp pp ff",
):
    """The text of a dump."""
    lines = []
    for step in steps:
        lines += ["ITEM: TIMESTEP", str(step), "ITEM: NUMBER OF ATOMS", str(len(atoms))]
        lines += [f"ITEM: BOX BOUNDS {flags}", *bounds, f"ITEM: ATOMS {columns}"]
        lines += [" ".join(map(str, row)) for row in atoms]
    return "\n".join(lines) + "\n"


def read(path, text):
    path.write_text(text)
    return list(read_snapshots(path))


def test_frames_are_read_as_they_were_written(tmp_path):
    generator = np.random.default_rng(2)
    cell = np.array([[9.0, 0, 0], [1.0, 8.0, 0], [0.5, 0.5, 7.0]])
    columns = {
        "id": np.array([4, 1, 2, 7]),
        "velocities": generator.normal(size=(4, 3)),
        "fixed": np.array([True, False, True, True]),
        "label": np.array(["a", "b", "c", "d"]),
    }
    info = {"Timestep": 12, "Origin": "1 2 3", "strength": -3.25, "note": "two words"}
    periodic, elements = np.array([True, True, False]), ("Cu", "Cu", "Al", "Cu")
    frame = Snapshot(generator.random((4, 3)) * 7, cell, periodic, elements, columns, info)
    file = io.BytesIO()
    for _ in range(2):
        write_snapshot(file, frame, ["fcc", "hcp", "other", "bcc"])
    (tmp_path / "two.extxyz").write_bytes(file.getvalue())
    found = list(read_snapshots(tmp_path / "two.extxyz"))
    assert len(found) == 2
    assert found[1].positions == pytest.approx(frame.positions, abs=1e-5)
    assert found[1].cell == pytest.approx(cell)
    assert found[1].periodic.tolist() == [True, True, False]
    assert found[1].elements == frame.elements
    assert found[1].columns["id"].tolist() == [4, 1, 2, 7]
    assert found[1].columns["velocities"] == pytest.approx(columns["velocities"], rel=1e-8)
    assert found[1].columns["fixed"].tolist() == [True, False, True, True]
    assert found[1].columns["label"].tolist() == ["a", "b", "c", "d"]
    assert found[1].columns["structure"].tolist() == ["fcc", "hcp", "other", "bcc"]
    assert found[1].info["Origin"] == "1 2 3" and found[1].info["strength"] == -3.25
    assert found[1].info["Timestep"] == 12 and found[1].info["note"] == "two words"


def test_a_dump_keeps_all_it_says(tmp_path):
    first, second = read(tmp_path / "a.dump", dump())
    assert (first.info["Timestep"], second.info["Timestep"]) == (100, 200)
    assert first.info["Origin"] == "1 2 3"
    assert first.elements == ("X",) * 4
    assert first.columns["id"].tolist() == [1, 2, 4, 7]
    assert first.columns["type"].tolist() == [1, 1, 2, 3]
    assert first.columns["vx"].tolist() == [0.5, 1.0, -0.25, 2.0]
    assert set(first.columns) == {"id", "type", "vx"}
    assert first.positions[2].tolist() == [1.5, 2.0, 3.0]
    assert first.cell == pytest.approx(np.eye(3) * 10)
    assert first.periodic.tolist() == [True, True, False]


def test_elements_of_a_dump_are_those_it_names(tmp_path):
    named = [[*row[:2], name, *row[2:]] for row, name in zip(ATOMS, ("Cu", "Al", "Cu", "Al"))]
    (frame,) = read(tmp_path / "a.lammpstrj", dump([0], named, "id type element x y z vx"))
    assert frame.elements == ("Al", "Cu", "Cu", "Al")


def test_other_coordinates_and_boxes_of_a_dump(tmp_path):
    """Scaled positions in a skewed box, whose bounds are written around it; a general box; compression."""
    scaled = [[i, 0.1 * i, 0.2, 0.3] for i in (1, 2, 3)]
    bounds = ("0 12 1.0", "0 8.5 1.0", "0 7 0.5")  # a = (10,0,0), b = (1,8,0), c = (1,0.5,7)
    (skewed,) = read(tmp_path / "a.dump", dump([0], scaled, "id xs ys zs", bounds, "xy xz yz pp pp pp"))
    cell = np.array([[10.0, 0, 0], [1, 8, 0], [1, 0.5, 7]])
    assert skewed.cell == pytest.approx(cell)
    assert skewed.positions[1] == pytest.approx(np.array([0.2, 0.2, 0.3]) @ cell)
    general = ("10 0 0 0", "1 8 0 0", "1 0.5 7 0")
    text = dump([0], scaled, "id xs ys zs", general, "abc origin pp pp pp")
    (tmp_path / "b.dump.gz").write_bytes(gzip.compress(text.encode()))
    (other,) = read_snapshots(tmp_path / "b.dump.gz")
    assert other.positions == pytest.approx(skewed.positions)
    unwrapped = [[1, 25.0, 1, 1], [2, 2, 2, 2]]
    (frame,) = read(tmp_path / "c.dump", dump([0], unwrapped, "id xu yu zu"))
    assert frame.positions[0].tolist() == [25, 1, 1]


CUT = {
    "expected 4 atoms of 6 columns, as its header says, found 3": lambda text: text[: text.rindex("7 3")],
    "expected 4 atoms of 6 columns, as its header says, found 0": lambda text: text.replace(
        "4 2 1.5", "4 2", 1
    ),
    "expected atoms, found the end": lambda text: text + "ITEM: TIMESTEP\n300\n",
    "frame 1 .* expected a section, found the line .5 1 1": lambda text: text.replace(
        "ITEM: TIMESTEP\n200", "5 1 1 1 1 1\nITEM: TIMESTEP\n200"
    ),
    "expected every id once": lambda text: text.replace("\n7 3", "\n1 3"),
    "expected positions as numbers": lambda text: text.replace("9.25", "abc"),
    "expected TIMESTEP, NUMBER OF ATOMS and BOX BOUNDS": lambda text: text.replace(
        "NUMBER OF ATOMS", "NUMBER"
    ),
}


@pytest.mark.parametrize("sentence", CUT)
def test_a_cut_or_damaged_dump_is_refused(tmp_path, sentence):
    with pytest.raises(errors.TrajectoryError, match=sentence):
        read(tmp_path / "a.dump", CUT[sentence](dump()))


def test_a_dump_that_lost_its_end_is_refused_at_any_line(tmp_path):
    """Cut after any line but the last of a frame."""
    lines = dump().splitlines(keepends=True)
    whole = {0, len(lines) // 2, len(lines)}
    for count in set(range(len(lines) + 1)) - whole:
        with pytest.raises(errors.TrajectoryError, match="cut or damaged"):
            read(tmp_path / "a.dump", "".join(lines[:count]))
    assert len(read(tmp_path / "a.dump", "".join(lines[: len(lines) // 2]))) == 1


def write_others(folder):
    """A trajectory of three frames in other formats, by suffix."""
    import ase.io
    import mdtraj
    from ase.build import bulk

    atoms = bulk("Cu", cubic=True).repeat(2)
    ase.io.write(folder / "one.pdb", atoms)
    positions = np.repeat(atoms.positions[None] / 10, 3, 0)
    sides = {"unitcell_lengths": np.full((3, 3), 0.722), "unitcell_angles": np.full((3, 3), 90.0)}
    trajectory = mdtraj.Trajectory(positions, mdtraj.load(folder / "one.pdb").topology, **sides)
    for suffix in ("dcd", "xtc", "trr", "gro", "pdb"):
        trajectory.save(str(folder / f"whole.{suffix}"))
    ase.io.write(folder / "whole.extxyz", [atoms] * 3)
    ase.io.write(folder / "whole.traj", [atoms] * 3)


def test_cut_files_of_other_formats_are_refused(tmp_path):
    write_others(tmp_path)
    for path in sorted(tmp_path.glob("whole.*")):
        frames = list(read_snapshots(path, tmp_path / "one.pdb"))
        assert [len(frame.positions) for frame in frames] == [32] * 3, path
        content = path.read_bytes()
        cut = tmp_path / f"cut{path.suffix}"
        for part in (0.9, 0.6):
            data = content[: int(part * len(content))]
            if path.suffix in (".extxyz", ".gro", ".pdb"):
                data = data[: data.rindex(b"\n") + 1]
            cut.write_bytes(data)
            with pytest.raises(errors.TrajectoryError, match="cut|damaged|cannot read"):
                list(read_snapshots(cut, tmp_path / "one.pdb"))


@pytest.mark.parametrize("name", ["hot.extxyz", "hot.xyz", "hot.pdb", "XDATCAR", "hot.dump"])
def test_a_text_file_that_is_cut_is_refused(tmp_path, name):
    """Within its last number, and within its last frame."""
    path = tmp_path / name
    if name == "hot.dump":
        path.write_text(dump())
    else:
        crystal = bulk("Cu", cubic=True)
        ase.io.write(path, [crystal] * 3, format={"XDATCAR": "vasp-xdatcar", "hot.xyz": "xyz"}.get(name))
    content = path.read_bytes()
    whole = content[: content.rindex(b"ENDMDL") + 7] if name == "hot.pdb" else content
    path.write_bytes(whole)
    frames = list(read_snapshots(path))
    assert len(frames) > 1
    lines = whole.splitlines(keepends=True)
    cuts = [b"".join(lines[:-1]), b"".join(lines[:-2])] + [whole[:-2]] * (name != "hot.pdb")
    for part in cuts:
        path.write_bytes(part)
        with pytest.raises(errors.TrajectoryError, match=rf"{name} is cut"):
            list(read_snapshots(path))


def test_binary_trajectories_that_are_cut_are_refused(tmp_path):
    crystal = bulk("Cu", cubic=True)
    ase.io.write(tmp_path / "hot.pdb", crystal)
    loaded = mdtraj.load(tmp_path / "hot.pdb")
    loaded = mdtraj.join([loaded] * 3)
    loaded.time = np.arange(3)
    for name in ("hot.dcd", "hot.xtc", "hot.trr", "hot.mdcrd"):
        loaded.save(tmp_path / name)
        path, content = tmp_path / name, (tmp_path / name).read_bytes()
        assert len(list(read_snapshots(path, tmp_path / "hot.pdb"))) == 3
        path.write_bytes(content[:-10])
        with pytest.raises(errors.TrajectoryError, match=rf"{name} is cut"):
            list(read_snapshots(path, tmp_path / "hot.pdb"))
