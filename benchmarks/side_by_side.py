"""MD of copies side by side against OpenMM's Reference platform, on one core, in one run.

    python benchmarks/side_by_side.py [--sequence IS] [--rounds 7] [--json FILE]

ACE-ALA-NME (AMBER99SB-ILDN, OBC2 as `GBSAOBCForce`) in implicit solvent and in vacuum, and a dipeptide with
charged ends (that of examples/peptides: ff14SB, OBC2); 4 fs, hydrogens of 3 amu, X-H bonds constrained. The
candidates take turns, round after round, after one to warm up; medians with quartiles of the picoseconds of
all copies a second of processor time, and the ratio of medians.
"""

import argparse
from pathlib import Path

from lags import alanine_dipeptide, peptide
from turns import keep, quartiles, take_turns

from openmm_scoredyn.reference.engine import ReferenceEngine
from openmm_scoredyn.reference.lanes import copies_at_once
from openmm_scoredyn.reference.lanes_engine import LanesEngine
from openmm_scoredyn.reference.physics import Physics

OPENMM, SIDE_BY_SIDE = "OpenMM, Reference", "side by side"
MD_PS = 20


def molecules(sequence: str) -> dict:
    """By name: topology, positions, physics and System, None where the force field of `physics` makes it."""
    _, topology, positions = alanine_dipeptide()
    system, chain, places = peptide(sequence)
    own = Physics(solvent="implicit (OBC2)", temperature_K=310.0, own_system=True)
    return {
        "ACE-ALA-NME, OBC2": (topology, positions, Physics(), None),
        "ACE-ALA-NME, vacuum": (topology, positions, Physics.in_solvent("vacuum"), None),
        f"{sequence}, OBC2": (chain, places, own, system),
    }


def candidates(sequence: str) -> dict:
    """What takes turns, by molecule and engine: the work, and how many picoseconds it is."""
    found, copies = {}, copies_at_once()
    for name, (topology, positions, physics, own) in molecules(sequence).items():
        steps = round(MD_PS * 1000 / physics.timestep_fs)
        label = f"{name}, {topology.getNumAtoms()} atoms"
        many = LanesEngine(topology, positions, physics, 1, copies, own=own)
        alone = ReferenceEngine(topology, positions, physics, 1, own=own)  # adds its steering to `own`
        for engine in (alone, many):
            engine.start(1.0)
        found[label, OPENMM] = (lambda e=alone, n=steps: e.step(n), MD_PS)
        found[label, SIDE_BY_SIDE] = (lambda e=many, n=steps: e.step(n), copies * MD_PS)
    return found


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--sequence", default="IS", help="of the dipeptide, one letter a residue")
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--json", type=Path, help="seconds per ps, after every round")
    options = arguments.parse_args()
    times = take_turns(
        candidates(options.sequence),
        options.rounds,
        after_round=lambda times: keep(options.json, {"; ".join(key): row for key, row in times.items()}),
    )
    print(f"{'':34}{'':20}{'ps/s':>8}  {'quartiles':>17}{'ratio':>8}")
    for (label, engine), values in times.items():
        low, middle, high = quartiles(values)
        base = quartiles(times[label, OPENMM])[1]
        print(
            f"{label:34}{engine:20}{1 / middle:8,.0f}  {1 / high:8,.0f} {1 / low:8,.0f}{base / middle:7.1f}x"
        )
    print(f"{copies_at_once()} copies")


if __name__ == "__main__":
    main()
