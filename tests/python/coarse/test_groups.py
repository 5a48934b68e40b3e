"""What becomes a bead: residues, equal parts with their hydrogens, rules by name, index files, refusals."""

import alkanes
import bead_chains
import pytest
from openmm import app

from openmm_scoredyn.coarse import Mapping
from openmm_scoredyn.errors import MoleculeError

INDEX = """; a comment
[ first half ]
1 2 3
7 8 9 10 11 12 13 ; of C0, C1 and C2
[ second half ]
4 5 6 14 15 16
17 18 19 20
"""


@pytest.fixture(scope="module")
def hexane():
    """C0 to C5, then the hydrogens of C0, of C1 and so on."""
    return alkanes.topology("hexane")


def electrolyte(oxides: int = 4) -> app.Topology:
    """CH3-O-CH2-...-CH3 as a residue, the anion CF3-O as another, and Li+, twice."""
    made, of = app.Topology(), app.Element.getBySymbol
    for _ in range(2):
        chain = made.addChain()
        ether, anion, cation = (made.addResidue(name, chain) for name in ("PEO", "TFO", "LI"))
        backbone = ["C", "O", "C"] * oxides
        atoms = [made.addAtom(f"{kind}{k}", of(kind), ether) for k, kind in enumerate(backbone)]
        for k, atom in enumerate(atoms):
            if k:
                made.addBond(atoms[k - 1], atom)
            for number in range({"O": 0, "C": 2}[backbone[k]] + (k in (0, len(atoms) - 1))):
                made.addBond(atom, made.addAtom(f"H{k}{number}", of("H"), ether))
        carbon = made.addAtom("C", of("C"), anion)
        for name in ("F1", "F2", "F3", "O"):
            made.addBond(carbon, made.addAtom(name, of(name[0]), anion))
        made.addAtom("LI", of("Li"), cation)
    return made


def test_hydrogens_go_with_their_carbons(hexane):
    found = Mapping.from_topology(hexane, 2)
    assert found.particles.types == ("Cx2.Hx5", "Cx2.Hx4", "Cx2.Hx5")
    assert found.groups[0] == (0, 1, 6, 7, 8, 9, 10)
    assert found.particles.bonds == ((0, 1), (1, 2))
    assert found.particles.masses_amu[1] == pytest.approx(2 * 12.011 + 4 * 1.008, abs=1e-3)
    assert found.groups == Mapping.equal_groups(hexane, 2).groups


def test_heavy_hydrogens_leave_the_mass_of_a_bead(hexane):
    """Repartitioned within a bead, masses sum to the same."""
    heavy = Mapping.from_topology(hexane, 2, system=alkanes.system(hexane)).particles
    assert heavy.masses_amu == pytest.approx(Mapping.from_topology(hexane, 2).particles.masses_amu, abs=0.01)


def test_a_residue_is_a_bead_by_default():
    found = Mapping.from_topology(electrolyte())
    assert found.particles.types[1:3] == ("Cx1.Fx3.Ox1", "Lix1")
    assert found.particles.types[:3] == found.particles.types[3:]
    assert [len(part) for part in found.particles.parts] == [1] * 6


def test_rules_by_residue_name():
    found = Mapping.from_topology(electrolyte(), {"PEO": 3, "TFO": "residue", "LI": 1})
    ends, middle = "Cx2.Hx5.Ox1", "Cx2.Hx4.Ox1"
    assert found.particles.types[:6] == (ends, middle, middle, ends, "Cx1.Fx3.Ox1", "Lix1")
    assert found.particles.types[6:] == found.particles.types[:6]
    assert [atom.name for atom in found.topology.atoms()] == list(found.particles.types)
    assert [len(list(chain.atoms())) for chain in found.topology.chains()] == [4, 1, 1] * 2


def test_an_index_file(hexane, tmp_path):
    path = tmp_path / "halves.ndx"
    path.write_text(INDEX)
    found = Mapping.from_topology(hexane, path)
    assert found.particles.types == ("Cx3.Hx7", "Cx3.Hx7")
    assert found.groups[1] == (3, 4, 5, *range(13, 20))
    assert Mapping.from_topology(hexane, str(path)).groups == found.groups


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("13 ;", "13 14 ;", r"particle 14 \(HEX1:H30\) is in two beads, 'first half' and 'second half'"),
        ("17 18", "17", r"particle 18 \(HEX1:H50\) is in no bead of .*all 20 particles, found 19"),
        ("20\n", "20 21\n", "'second half' of .* names particle 21; expected 1 to 20"),
        ("[ first half ]", "first half", "line 2 of .* is no part of an index file; .* found 'first half'"),
        ("17 18", "17 x", "line 7 of .* is no part of an index file; .* found '17 x 19 20'"),
        ("[ second half ]", "[ empty ]\n[ second half ]", "holds the empty group 'empty'"),
        (INDEX, "", "holds no group"),
        ("1 2 3\n", "1 2 4\n", "in two beads"),
    ],
)
def test_index_files_that_are_wrong(hexane, tmp_path, old, new, message):
    assert old in INDEX
    path = tmp_path / "wrong.ndx"
    path.write_text(INDEX.replace(old, new))
    with pytest.raises(MoleculeError, match=message):
        Mapping.from_topology(hexane, path)


def test_beads_that_fall_apart_are_refused(hexane, tmp_path):
    path = tmp_path / "crossed.ndx"
    path.write_text("[ a ]\n1 3 2\n7 8 9 10 11 12 13\n[ b ]\n4 5 6 14 15 16 17 18 19 20\n")
    assert len(Mapping.from_topology(hexane, path)) == 2
    path.write_text("[ a ]\n1 3\n7 8 9 12 13\n[ b ]\n2 10 11 4 5 6 14 15 16 17 18 19 20\n")
    with pytest.raises(MoleculeError, match="no bonds within bead 0 connect .* HEX1:C0 and HEX1:C2"):
        Mapping.from_topology(hexane, path)
    side = bead_chains.fine_topology(["B1", "S1", "S1", "B1"], [(0, 1), (1, 2), (0, 3)])
    masses = {"B1": 1.0, "S1": 1.0}
    assert len(Mapping.equal_groups(side, 2, masses_amu=masses)) == 2
    with pytest.raises(MoleculeError, match="no bonds within bead 1 connect"):
        Mapping.from_topology(side, 2, masses_amu=masses)


def test_missing_bonds_are_named():
    made = app.Topology()
    residue = made.addResidue("HOH", made.addChain())
    for name in ("O", "H1", "H2"):
        made.addAtom(name, app.Element.getBySymbol(name[0]), residue)
    with pytest.raises(MoleculeError, match="no bonds within bead 0 .*complete the bonds"):
        Mapping.from_topology(made)


@pytest.mark.parametrize(
    "by, message",
    [
        ({"PEO": 3, "TFSI": "residue"}, "no residue is called TFSI; expected LI, PEO, TFO"),
        ({"PEO": 3, "LI": 1}, "residues TFO are in no bead; .* found LI, PEO"),
        ({"PEO": 3, "LI": 1, "TFO": "whole"}, "rule of residue TFO is not known; .* found 'whole'"),
        ({"PEO": 5, "LI": 1, "TFO": "residue"}, "of 12 particles other than hydrogens, from PEO1:C0 on"),
        ({"PEO": 0, "LI": 1, "TFO": "residue"}, "expected at least 1 particle a bead, found 0"),
        ("chain", "expected 'residue', a number of particles, .* found 'chain'"),
        (True, "expected 'residue', a number of particles, .* found True"),
        ("not_there.ndx", "cannot read not_there.ndx"),
    ],
)
def test_unknown_ways_and_names(by, message):
    with pytest.raises(MoleculeError, match=message):
        Mapping.from_topology(electrolyte(), by)
