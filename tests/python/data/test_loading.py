"""What comes from outside is looked at: times, sizes, values that contradict each other, geometry, twins."""

import dataclasses
import gzip
import logging
import struct

import numpy as np
import pytest
from alanine import PDB, alanine_molecule, alanine_positions, make_trajectory

from openmm_scoredyn import data
from openmm_scoredyn.data.frame_sizes import require_whole
from openmm_scoredyn.data.geometry_checks import check_geometry
from openmm_scoredyn.data.time_stamps import segments_of
from openmm_scoredyn.errors import MissingDependencyError, TrajectoryError
from openmm_scoredyn.molecule.particles import Particles

mdtraj = pytest.importorskip("mdtraj")


def moving(frames, seed=0):
    """Frames (T, 22, 3) of which no two are equal."""
    return make_trajectory(frames, seed=seed).segments[0]


def save(path, times, positions=None, **box):
    positions = moving(len(times)) if positions is None else positions
    written = mdtraj.Trajectory(
        positions, mdtraj.load_topology(str(PDB)), time=np.asarray(times, float), **box
    )
    written.save(str(path))
    return path


@pytest.mark.parametrize(
    ("times", "spacing", "lengths"),
    [
        (2.0 * np.arange(8), 2.0, [8]),
        ([0, 0.5, *np.arange(1.5, 8)], 1.0, [8]),  # an odd first interval
        ([0, 1, 2, 3, 10, 11, 12], 1.0, [4, 3]),  # a gap
        ([0, 1, 2, 3, 0, 1, 2], 1.0, [4, 3]),  # two runs joined
        ([0, 1, 2, 3, 4, 5, 7, 9], 1.0, [6]),  # another spacing
        (1e6 + 0.2 * np.arange(40), 0.2, [40]),  # times on the grid of float32
        (0.1 * np.arange(3000), 0.1, [3000]),
    ],
)
@pytest.mark.parametrize("suffix", ["xtc", "trr"])
def test_files_are_cut_where_the_spacing_breaks(tmp_path, caplog, times, spacing, lengths, suffix):
    path = save(tmp_path / f"t.{suffix}", times)
    with caplog.at_level(logging.WARNING):
        (trajectory,) = data.load(path, topology=PDB, temperature_K=300.0)
    assert trajectory.frame_spacing_ps == pytest.approx(spacing, rel=0.06 if times[0] > 1e5 else 1e-6)
    assert [len(segment) for segment in trajectory.segments] == lengths
    unbroken = lengths == [len(times)]
    assert ("cut into" in caplog.text) == (not unbroken) and trajectory.consecutive == (len(lengths) == 1)


def test_frames_that_are_there_twice_are_dropped(tmp_path, caplog):
    """A run that went on from a checkpoint repeats the last frames before it."""
    frames = moving(9)
    times = [0, 1, 2, 3, 4, 3, 4, 5, 6, 7, 8]
    positions = frames[[0, 1, 2, 3, 4, 3, 4, 5, 6, 7, 8]]
    with caplog.at_level(logging.WARNING):
        (trajectory,) = data.load(save(tmp_path / "t.trr", times, positions), topology=PDB)
    (segment,) = trajectory.segments
    np.testing.assert_allclose(segment, frames, atol=1e-6)
    assert "2 frames are there twice and were dropped" in caplog.text
    # The same time with other positions is another run.
    joined = segments_of(np.array([0.0, 1, 2, 2, 3, 4]), moving(6), "t")
    assert [list(part) for part in joined.segments] == [[0, 1, 2], [3, 4, 5]] and joined.duplicates == 0


def test_times_that_say_nothing_or_change_are_refused(tmp_path):
    with pytest.raises(
        TrajectoryError, match=r"the time stamps of .*t.xtc do not advance; expected times in ps"
    ):
        data.load(save(tmp_path / "t.xtc", np.zeros(5)), topology=PDB)
    with pytest.raises(TrajectoryError, match=r"the frame spacing of .*t.xtc changes; expected most frames"):
        data.load(save(tmp_path / "t.xtc", np.cumsum(1.0 + np.arange(12))), topology=PDB)


def test_what_contradicts_the_file_is_refused(tmp_path):
    path = save(tmp_path / "t.xtc", 2.0 * np.arange(5))
    assert data.load(path, topology=PDB, frame_spacing_ps=2.0)[0].frame_spacing_ps == 2.0
    with pytest.raises(
        TrajectoryError, match=r"the frame spacing given contradicts .*t.xtc; expected 2 ps, .*found 1 ps"
    ):
        data.load(path, topology=PDB, frame_spacing_ps=1.0)
    metadata = {"frame_spacing_ps": 2.0, "temperature_K": 310.0, "molecule": alanine_molecule().to_dict()}
    metadata |= {"steered": False, "consecutive": True}
    data.save_archive(tmp_path / "t.npz", moving(4)[None], metadata)
    with pytest.raises(TrajectoryError, match=r"frame spacing given contradicts .*t.npz; expected 2 ps"):
        data.load(tmp_path / "t.npz", frame_spacing_ps=1.0)
    with pytest.raises(TrajectoryError, match=r"temperature given contradicts .*t.npz; expected 310 K"):
        data.load(tmp_path / "t.npz", temperature_K=300.0)


@pytest.mark.parametrize("suffix", ["xtc", "trr", "dcd"])
def test_a_file_that_is_cut_is_refused(tmp_path, suffix):
    """mdtraj reads what is whole of it, without a word."""
    path = save(tmp_path / f"t.{suffix}", np.arange(6.0))
    spacing = 1.0 if suffix == "dcd" else None
    assert data.load(path, topology=PDB, frame_spacing_ps=spacing)[0].n_frames == 6
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    with pytest.raises(TrajectoryError, match=rf"frame 5 of .*t.{suffix} is cut; expected \d+ bytes"):
        data.load(path, topology=PDB, frame_spacing_ps=spacing)
    frame = (len(content) - 276) // 6 if suffix == "dcd" else 0
    if frame:
        path.write_bytes(content[:-frame])
        with pytest.raises(
            TrajectoryError, match="does not hold the frames that its head counts; expected 6"
        ):
            data.load(path, topology=PDB, frame_spacing_ps=spacing)
    path.write_bytes(content[:60])
    with pytest.raises(TrajectoryError, match="cut"):
        data.load(path, topology=PDB, frame_spacing_ps=spacing)


def trr(frames, number: str, box: bool, velocities: bool) -> bytes:
    """Frames (T, N, 3) as GROMACS writes them; `number` is "f" or "d"."""
    size, atoms = struct.calcsize(number), frames.shape[1]
    array = 3 * atoms * size
    content = b""
    for step, frame in enumerate(frames):
        sizes = (0, 0, 9 * size if box else 0, 0, 0, 0, 0, array, array if velocities else 0, 0)
        content += struct.pack(">iii12s", 1993, 13, 12, b"GMX_trn_file")
        content += struct.pack(">13i", *sizes, atoms, step, 0) + struct.pack(f">2{number}", step, 0)
        for part in [3 * np.eye(3)] * box + [frame] * (1 + velocities):
            content += part.astype(f">f{size}").tobytes()
    return content


@pytest.mark.parametrize(
    "number, box, velocities", [("f", True, False), ("d", True, True), ("f", False, True)]
)
def test_frames_of_trr_files_are_told_by_their_heads(tmp_path, number, box, velocities):
    """In both precisions, with and without a box and velocities; cut anywhere but between frames."""
    path, content = tmp_path / "t.trr", trr(moving(5), number, box, velocities)
    path.write_bytes(content)
    require_whole(path)
    if box:  # mdtraj makes up the box of a file without one
        np.testing.assert_allclose(data.load(path, topology=PDB)[0].positions, moving(5), atol=1e-6)
    one = len(content) // 5
    for missing in (1, one // 2, one - 1):
        path.write_bytes(content[:-missing])
        with pytest.raises(TrajectoryError, match=r"frame 4 of .*t.trr is cut; expected \d+ bytes"):
            require_whole(path)
    path.write_bytes(content[: 3 * one] + b"\0\0" + content[3 * one :])
    with pytest.raises(
        TrajectoryError, match=rf"damaged at frame 3, byte {3 * one}; expected the head of a TRR"
    ):
        require_whole(path)
    path.write_bytes(content[: 3 * one])
    require_whole(path)  # nothing says that there were more


def arc(frames, box: bool) -> str:
    """Frames (T, N, 3), nm, as Tinker writes them; no library does."""
    text = ""
    for frame in 10 * frames:
        text += f"{len(frame):6d}  alanine dipeptide\n" + "    30.0 30.0 30.0 90.0 90.0 90.0\n" * box
        rows = (f"{i + 1:6d}  C {x:12.6f}{y:12.6f}{z:12.6f}     1\n" for i, (x, y, z) in enumerate(frame))
        text += "".join(rows)
    return text


def written_as_text(path, box: bool):
    """Six frames."""
    cell = {"unitcell_lengths": np.full((6, 3), 3.0), "unitcell_angles": np.full((6, 3), 90.0)}
    if path.suffix == ".arc":
        path.write_text(arc(moving(6), box))
        return path
    save(path, np.arange(6.0), **(cell if box else {}))
    if path.suffix == ".gz":
        path.write_bytes(gzip.decompress(path.read_bytes()))
    return path


@pytest.mark.parametrize("box", [False, True])
@pytest.mark.parametrize("name", ["t.mdcrd", "t.xyz", "t.gro", "t.lammpstrj", "t.arc", "t.pdb", "t.xyz.gz"])
def test_a_text_file_that_is_cut_is_refused(tmp_path, name, box):
    """Anywhere but between two frames, and within its last number."""
    if name == "t.lammpstrj" and not box:
        pytest.skip("mdtraj writes a dump with a box only")
    path = tmp_path / name
    packed = path.suffix == ".gz"
    content = written_as_text(path, box).read_bytes()

    def load(part):
        path.write_bytes(gzip.compress(part) if packed else part)
        return data.load(path, topology=PDB, frame_spacing_ps=1.0)[0]

    np.testing.assert_allclose(load(content).positions, moving(6), atol=1e-3)
    lines = content.splitlines(keepends=True)
    last = 1 + max(n for n, line in enumerate(lines) if name != "t.pdb" or line.startswith(b"ENDMDL"))
    for missing in (1, 3, 6):
        with pytest.raises(
            TrajectoryError, match=rf"{name} is cut; expected all lines of frame 5, each ended"
        ):
            load(b"".join(lines[: last - missing]))
    if name != "t.pdb":  # whose models say where they end
        for lost in (1, 2):
            with pytest.raises(
                TrajectoryError, match=rf"{name} is cut; .*the end of the file in line {last}"
            ):
                load(content[:-lost])


@pytest.mark.parametrize("name", ["t.mdcrd", "t.xyz", "t.gro", "t.lammpstrj", "t.arc"])
def test_a_text_file_that_lacks_a_line_is_refused(tmp_path, name):
    path = tmp_path / name
    lines = written_as_text(path, box=True).read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-15] + lines[-14:]))
    with pytest.raises(
        TrajectoryError, match=rf"{name} is (damaged before|cut; .*end of the file in) line \d+"
    ):
        data.load(path, topology=PDB, frame_spacing_ps=1.0)


def test_a_netcdf_file_that_is_cut_is_refused(tmp_path):
    """Before mdtraj reads it with netCDF4, where that is installed: it makes up what is missing."""
    path = save(tmp_path / "t.nc", np.arange(6.0))
    assert data.load(path, topology=PDB)[0].n_frames == 6
    content = path.read_bytes()
    for length in (len(content) - 10, len(content) // 2, 60):
        path.write_bytes(content[:length])
        with pytest.raises(TrajectoryError, match=r"t.nc is cut; expected the variables that its head lists"):
            data.load(path, topology=PDB)


def test_boxes_are_kept_where_the_system_is_periodic(tmp_path):
    lengths = np.linspace(3.0, 3.4, 5)[:, None] * [1, 1, 1]
    path = save(
        tmp_path / "t.xtc", np.arange(5.0), unitcell_lengths=lengths, unitcell_angles=np.full((5, 3), 90.0)
    )
    assert data.load(path, topology=PDB)[0].box is None
    box = data.load(path, topology=PDB, periodic=True)[0].box
    np.testing.assert_allclose(box, lengths[:, :, None] * np.eye(3), atol=1e-4)
    with pytest.raises(TrajectoryError, match="has no box; expected one for a periodic system"):
        data.load(save(tmp_path / "u.xtc", np.arange(5.0)), topology=PDB, periodic=True)


def test_topologies_without_bonds_and_readers_without_their_package(tmp_path, monkeypatch):
    path = save(tmp_path / "t.xtc", np.arange(5.0))
    bare = mdtraj.load_topology(str(PDB))
    bare._bonds = []
    assert data.load(path, topology=bare)[0].molecule.bonds == ()

    def no_tables(*arguments, **options):
        raise ImportError("The code at ... requires the pytables package", name="tables")

    monkeypatch.setattr(mdtraj, "load", no_tables)
    (tmp_path / "t.h5").write_bytes(b"")
    with pytest.raises(
        MissingDependencyError, match=r".h5 files need a package .*\(tables\); install it, or"
    ):
        data.load(tmp_path / "t.h5", topology=PDB)


def alike(**fields):
    """Three files with the structure and 0.002 nm of noise, the last one changed."""
    generator = np.random.default_rng(5)
    noise = 0.002 * generator.normal(size=(3, 50, 22, 3))
    return [
        make_trajectory(segments=(alanine_positions() + own,), source=f"{number}.xtc", **fields)
        for number, own in enumerate(noise)
    ]


def in_angstrom(frames):
    frames *= 10


def mirrored(frames):
    frames[..., 0] *= -1


def exploded(frames):
    frames[31, 8] += 0.3


def collapsed(frames):
    """The carbonyl oxygen of one frame nearly on its carbon."""
    frames[17, 5] = frames[17, 4] + [0.01, 0, 0]


def other_order(frames):
    frames[:, [4, 9]] = frames[:, [9, 4]]


def hydrogens_exchanged(frames):
    frames[:, [0, 2]] = frames[:, [2, 0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (in_angstrom, r"of 2.xtc is 1.54 nm long .*they look like Angstrom, not nm"),
        (mirrored, r"ALA:CA of 2.xtc has the other handedness in frame 0; .*mirror image of the others"),
        (exploded, r"of 2.xtc is 0.\d+ nm long in frame 31; .*the dynamics blew up"),
        (collapsed, r"of 2.xtc is 0.01 nm long in frame 17; .*or particles lie on each other there"),
        (other_order, r"of 2.xtc is .* in most frames; .*the atoms are in another order"),
        (hydrogens_exchanged, r"ACE:CH3 of 2.xtc .*its hydrogens are in another order"),
    ],
)
def test_geometry_of_training_data(change, message):
    files = alike()
    check_geometry(files)
    frames = files[2].segments[0].copy()
    change(frames)
    files[2] = dataclasses.replace(files[2], segments=(frames,))
    with pytest.raises(TrajectoryError, match=message):
        check_geometry(files)


def test_geometry_of_what_no_element_describes():
    """Beads have no covalent radii: each file is held against the others."""
    names = ("A", "B", "C")
    beads = Particles(("Xx",) * 3, (30.0,) * 3, names, ("BDS",) * 3, (0,) * 3, ((0, 1), (1, 2)))
    frames = np.tile([[0.0, 0, 0], [0.4, 0, 0], [0.4, 0.4, 0]], (20, 1, 1))
    files = [make_trajectory(segments=(frames,), molecule=beads, source=f"{n}.xtc") for n in range(3)]
    check_geometry(files)
    files[1] = dataclasses.replace(files[1], segments=(10 * frames,))
    with pytest.raises(TrajectoryError, match=r"of 1.xtc is 4 nm long .*the other files differ from it"):
        check_geometry(files)


def test_a_trajectory_stands_for_a_topology(tmp_path):
    """Its particles, with their masses, are those of the file; a selection takes some of them."""
    path = save(tmp_path / "t.dcd", np.arange(5.0))
    heavier = dataclasses.replace(alanine_molecule(), masses_amu=(3.0,) * 22)
    metadata = {"frame_spacing_ps": 2.0, "temperature_K": 310.0, "molecule": heavier.to_dict()}
    metadata |= {"steered": False, "consecutive": True}
    data.save_archive(tmp_path / "like.npz", moving(4)[None], metadata)
    (whole,) = data.load(path, topology=tmp_path / "like.npz", frame_spacing_ps=1.0)
    assert whole.molecule == heavier and whole.box is None
    (part,) = data.load(path, topology=tmp_path / "like.npz", frame_spacing_ps=1.0, selection="element C")
    carbons = [index for index, kind in enumerate(heavier.types) if kind == "C"]
    assert part.molecule == heavier.subset(carbons)
    np.testing.assert_array_equal(part.positions, whole.positions[:, carbons])
