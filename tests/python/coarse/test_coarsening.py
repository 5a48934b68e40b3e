"""From trajectories of atoms to beads whose motion is known in closed form: boxes, time stamps, refusals."""

import json

import alkanes
import mdtraj
import numpy as np
import pytest
from openmm import app, unit

from openmm_scoredyn import data
from openmm_scoredyn.coarse import Mapping, coarsen
from openmm_scoredyn.data import frame_stream
from openmm_scoredyn.data.packed import save_packed
from openmm_scoredyn.errors import MoleculeError, OutputError, ScoreDynError, TrajectoryError
from openmm_scoredyn.molecule.structure import read_structure

GRID_NM = 1.5e-3  # of XTC and packed files together
TURN_RAD, DRIFT_NM = 0.1, np.array([0.4, -0.1, 0.05])  # from frame to frame
BOX = np.array([[2.0, 0, 0], [0, 2.2, 0], [0, 0, 2.4]])
TILTED = np.array([[2.0, 0, 0], [0.5, 2.2, 0], [-0.3, 0.4, 2.4]])


def turned(frames: int, first: np.ndarray, drift=DRIFT_NM) -> np.ndarray:
    """Positions (T, N, 3) that turn about z and drift: every centre of mass does the same."""
    time = np.arange(frames)[:, None, None]
    cosine, sine = np.cos(TURN_RAD * time), np.sin(TURN_RAD * time)
    x, y, z = np.moveaxis(first[None], -1, 0)[..., None]
    return np.concatenate([cosine * x - sine * y, sine * x + cosine * y, 0 * time + z], 2) + drift * time


def two_hexanes() -> app.Topology:
    made = app.Modeller(
        alkanes.topology("hexane"), alkanes.positions(alkanes.molecule("hexane")) * unit.nanometer
    )
    made.add(made.topology, made.positions)
    return made.topology


class Files:
    """hexane.pdb, two.pdb and trajectories in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.hexane = alkanes.topology("hexane")
        self.start = alkanes.positions(alkanes.molecule("hexane")).astype(float)
        self.beads = Mapping.from_topology(self.hexane, 2)
        for name, made, copies in (("hexane", self.hexane, 1), ("two", two_hexanes(), 2)):
            with open(folder / f"{name}.pdb", "w") as file:
                app.PDBFile.writeFile(made, np.tile(self.start, (copies, 1)) * unit.nanometer, file)

    def write(self, name: str, positions, box=None, times=None, topology="hexane"):
        times = np.arange(len(positions)) * 0.5 if times is None else times
        made = mdtraj.Trajectory(positions, mdtraj.load_topology(str(self.folder / f"{topology}.pdb")), times)
        if box is not None:
            made.unitcell_vectors = np.repeat(box[None], len(positions), axis=0)
        made.save(str(self.folder / name))
        return self.folder / name

    def coarsen(self, source, by=2, topology="hexane", out="beads.npz", **more):
        more = {"temperature_K": 300.0, "topology": self.folder / f"{topology}.pdb"} | more
        mapping, _ = coarsen(source, self.folder / out, by, **more)
        (found,) = data.load(self.folder / out)
        return mapping, found


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


def wrapped(positions, box):
    """Every atom by itself in the box."""
    fractions = positions @ np.linalg.inv(box)
    return (fractions - np.floor(fractions)) @ box


@pytest.mark.parametrize("box", [None, BOX, TILTED], ids=["no box", "box", "tilted"])
def test_a_molecule_drifts_and_turns_as_it_does(files, box):
    """Atoms are wrapped one by one; whole again, the centre goes on across the boundary."""
    positions = turned(12, files.start)
    source = files.write("md.xtc", positions if box is None else wrapped(positions, box), box)
    mapping, found = files.coarsen(source)
    expected = turned(12, files.beads.positions(files.start))
    moved = found.positions - found.positions[:1]
    assert moved == pytest.approx(expected - expected[:1], abs=GRID_NM)
    assert np.abs(moved[-1]).max() > 4
    assert (found.frame_spacing_ps, found.temperature_K, found.box) == (0.5, 300.0, None)
    assert found.molecule == mapping.particles == files.beads.particles
    assert found.consecutive and not found.steered


@pytest.mark.parametrize("box", [BOX, TILTED], ids=["box", "tilted"])
def test_the_box_of_several_molecules_is_kept(files, box):
    positions = np.concatenate([turned(8, files.start), turned(8, files.start + 0.9, -DRIFT_NM)], axis=1)
    source = files.write("two.xtc", wrapped(positions, box), box, topology="two")
    mapping, found = files.coarsen(source, topology="two")
    assert found.box == pytest.approx(box, abs=1e-4)
    apart = (found.positions - mapping.positions(positions)) @ np.linalg.inv(box)
    assert apart == pytest.approx(np.round(apart), abs=2 * GRID_NM)
    assert np.ptp(np.round(apart), axis=0).any()
    for part in mapping.particles.parts:
        masses = np.array(mapping.particles.masses_amu)[part]
        centre = np.einsum("n,tnx->tx", masses / masses.sum(), found.positions[:, part])
        fraction = centre @ np.linalg.inv(box)
        assert ((fraction > -GRID_NM) & (fraction < 1 + GRID_NM)).all()
    start = app.PDBxFile(str(files.folder / "beads.cif"))
    assert start.topology.getPeriodicBoxVectors()[0][0] / unit.nanometer == pytest.approx(2.0, abs=1e-4)


def test_pieces_make_what_the_whole_makes(files, monkeypatch):
    source = files.write("md.xtc", wrapped(turned(12, files.start), BOX), BOX)
    files.coarsen(source, out="whole.npz")
    monkeypatch.setattr(frame_stream, "_PIECE_FRAMES", 5)
    files.coarsen(source, out="pieces.npz")
    assert (files.folder / "pieces.npz").read_bytes() == (files.folder / "whole.npz").read_bytes()


def test_time_stamps_cut_and_frames_there_twice_are_dropped(files, monkeypatch):
    """A restart wrote frames 4 and 5 again, and a gap lies before the last three."""
    monkeypatch.setattr(frame_stream, "_PIECE_FRAMES", 5)
    order = np.array([0, 1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 9])
    times = order * 0.5 + 3.0 * (order > 6)
    positions = turned(10, files.start)
    _, found = files.coarsen(files.write("md.xtc", positions[order], times=times))
    assert [len(segment) for segment in found.segments] == [7, 3]
    expected = files.beads.positions(positions)
    assert found.positions == pytest.approx(expected, abs=GRID_NM)
    assert not found.consecutive
    other = positions[order]
    other[6:8] += 0.3  # at the same times, elsewhere: none is there twice
    _, found = files.coarsen(files.write("other.xtc", other, times=times))
    assert [len(segment) for segment in found.segments] == [6, 3, 3]


def test_what_lies_beside_a_run_is_read(files):
    source = files.write("md.dcd", turned(4, files.start))
    with pytest.raises(TrajectoryError, match="do not hold a reliable frame spacing"):
        coarsen(
            source, files.folder / "beads.npz", 2, topology=files.folder / "hexane.pdb", temperature_K=300.0
        )
    (files.folder / "hexane.pdb").rename(files.folder / "md.topology.pdb")
    identity = {"save_every": 2, "step_ps": 1.5, "temperature_K": 310.0}
    np.savez(files.folder / "state.npz", state=json.dumps({"identity": identity}))
    (files.folder / "state.npz").rename(files.folder / "md.restart")
    coarsen(source, files.folder / "beads.npz", 2)
    (found,) = data.load(files.folder / "beads.npz")
    assert (found.frame_spacing_ps, found.temperature_K) == (3.0, 310.0)
    with pytest.raises(TrajectoryError, match="expected 310 K, as the file says, found 300 K"):
        coarsen(source, files.folder / "other.npz", 2, temperature_K=300.0)


def test_a_selection_leaves_water_out(files):
    made = app.Modeller(files.hexane, files.start * unit.nanometer)
    water = app.Topology()
    residue = water.addResidue("HOH", water.addChain())
    oxygen, *hydrogens = (water.addAtom(n, app.Element.getBySymbol(n[0]), residue) for n in ("O", "H1", "H2"))
    for hydrogen in hydrogens:
        water.addBond(oxygen, hydrogen)
    made.add(water, np.array([[1, 1, 1], [1.1, 1, 1], [1, 1.1, 1]]) * unit.nanometer)
    with open(files.folder / "wet.pdb", "w") as file:
        app.PDBFile.writeFile(made.topology, made.positions, file)
    positions = turned(4, np.concatenate([files.start, np.array(made.positions[-3:] / unit.nanometer)]))
    source = files.write("wet.xtc", wrapped(positions, BOX), BOX, topology="wet")
    _, found = files.coarsen(source, topology="wet", selection="not water")
    assert found.molecule.types == files.beads.particles.types and found.box is None
    _, wet = files.coarsen(source, {"HEX": 2, "HOH": "residue"}, topology="wet", out="wet.npz")
    assert wet.molecule.types[-1] == "Hx2.Ox1" and wet.box is not None


def test_the_structure_is_the_first_frame_with_names_and_bonds(files):
    _, found = files.coarsen(files.write("md.xtc", turned(4, files.start)))
    start = read_structure(files.folder / "beads.cif")
    assert [atom.name for atom in start.topology.atoms()] == list(found.molecule.types)
    assert start.topology.getNumBonds() == 2
    assert start.positions == pytest.approx(found.positions[0], abs=GRID_NM)


def test_frames_of_scoredyn_are_mapped(files):
    described = {"frame_spacing_ps": 2.0, "temperature_K": 290.0, "steered": False, "consecutive": False}
    described["molecule"] = files.beads.fine.to_dict()
    positions = turned(6, files.start).reshape(2, 3, -1, 3)
    data.save_archive(files.folder / "md.npz", positions, described)
    coarsen(files.folder / "md.npz", files.folder / "beads.npz", 2)
    (found,) = data.load(files.folder / "beads.npz")
    assert found.positions == pytest.approx(files.beads.positions(positions).reshape(6, 3, 3), abs=GRID_NM)
    assert (len(found.segments), found.frame_spacing_ps, found.temperature_K) == (2, 2.0, 290.0)


def test_packed_frames_stay_where_they_are_where_asked(files):
    fine = files.coarsen(files.write("md.xtc", turned(4, files.start)))[1]
    for keep in (True, False):
        save_packed(files.folder / "again.npz", fine, {}, keep_centroids=keep)
        (again,) = data.load(files.folder / "again.npz")
        far = np.abs(again.positions.mean(axis=1)).max()
        assert far == pytest.approx(np.abs(fine.positions.mean(axis=1)).max() if keep else 0, abs=1e-3)


def test_packing_moves_no_bead_however_often(files):
    files.coarsen(files.write("md.xtc", turned(4, files.start) + 1.23456))
    source = files.folder / "beads.npz"
    (before,) = data.load(source)
    assert np.abs(before.positions.mean(axis=1)).min() > 0.5
    for number in range(3):
        (source,) = data.pack(source, files.folder / str(number), record={"engine": "GROMACS 2022.5"})
        (packed,) = data.load(source)
        assert packed.positions == pytest.approx(before.positions, abs=1e-6)


def cut(files, source):
    source.write_bytes(source.read_bytes()[:-20])
    return {}


def cross_the_boundary(files, source):
    positions = turned(4, files.start)
    files.write(source.name, wrapped(positions, BOX))
    return {}


def angstrom(files, source):
    files.write(source.name, 10 * turned(4, files.start))
    return {}


def explode(files, source):
    positions = turned(4, files.start)
    positions[2, 7:9] += 0.2  # two hydrogens
    files.write(source.name, positions)
    return {}


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"temperature_K": None}, TrajectoryError, "does not say its temperature"),
        ({"topology": None}, TrajectoryError, "cannot read .*md.xtc"),
        ({"by": 4}, MoleculeError, "cannot be cut into equal groups of 4"),
        ({"by": {"HEX": 2, "LI": "residue"}}, MoleculeError, "no residue is called LI"),
        ({"frame_spacing_ps": 1.0}, TrajectoryError, "expected 0.5 ps, as the file says, found 1 ps"),
        ({"selection": "resname XYZ"}, TrajectoryError, "is of none of the 20 atoms"),
        ({"out": "beads.xtc"}, OutputError, "expected a name NAME.npz"),
        ({"out": "nowhere/beads.npz"}, OutputError, "does not exist"),
        ({"topology": "beads.cif"}, OutputError, "beads.cif is read and would be written over"),
        ({"source": "missing.xtc"}, TrajectoryError, "cannot read .*missing.xtc"),
        (cut, TrajectoryError, "frame 3 of .* is cut"),
        (cross_the_boundary, MoleculeError, "expected whole molecules, found one across a periodic boundary"),
        (angstrom, TrajectoryError, "they look like Angstrom, not nm"),
        (explode, TrajectoryError, "nm long in frame 2"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(files, change, error, message):
    source = files.write("md.xtc", turned(4, files.start))
    change = change(files, source) if callable(change) else change
    given = {"by": 2, "topology": "hexane.pdb", "temperature_K": 300.0, "out": "beads.npz"} | change
    source, out = files.folder / given.pop("source", "md.xtc"), files.folder / given.pop("out")
    given["topology"] = given["topology"] and files.folder / given["topology"]
    before = sorted(files.folder.iterdir())
    with pytest.raises(error, match=message) as refused:
        coarsen(source, out, given.pop("by"), **given)
    assert isinstance(refused.value, ScoreDynError) and "\n" not in str(refused.value)
    assert sorted(files.folder.iterdir()) == before
