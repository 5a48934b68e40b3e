"""Statistics of positions: mirror images, rotors that hop, molecules that tumble by the book."""

import numpy as np
import pytest
from alanine import alanine_molecule, alanine_positions, make_trajectory

from openmm_scoredyn.comparison import DihedralSeries, compare, phi_psi
from openmm_scoredyn.comparison.blocks import cut
from openmm_scoredyn.comparison.geometry_model import GeometryModel
from openmm_scoredyn.comparison.motions import ends, internal_motions, methyl_rotors
from openmm_scoredyn.comparison.tumbling import ROTATION, TRANSLATION, tumbling


def blocks_of(trajectory):
    return cut([phi_psi(trajectory.positions, trajectory.molecule)])


def turned(points: np.ndarray, axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Points (T, K, 3) rotated about unit axes (T, 3) through the origin by angles (T,), Rodrigues."""
    cosine, sine = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    along = axis[:, None] * np.einsum("tkx,tx->tk", points, axis)[..., None]
    return cosine * points + sine * np.cross(axis[:, None], points) + (1 - cosine) * along


def test_a_mirror_image_is_told_apart_by_impropers_and_handedness():
    intact = make_trajectory(300, seed=1)
    mirrored = make_trajectory(segments=(intact.positions * np.array([-1, 1, 1], dtype=np.float32),))
    model = GeometryModel.fit([intact])
    ours, theirs = (model.evaluate([side], blocks_of(side)) for side in (intact, mirrored))
    assert ours["frames with an inverted centre"].value == 0
    assert theirs["frames with an inverted centre"].value == 1
    impropers = [name for name in ours if name.startswith("improper") and name.endswith("mean")]
    assert len(impropers) == 5, "four planar centres and the chiral one"
    for name, estimate in ours.items():
        sign = -1 if name in impropers else 1
        if not name.startswith("frames"):
            assert theirs[name].value == pytest.approx(sign * estimate.value, rel=1e-4, abs=1e-4), name
    chiral = next(name for name in impropers if name.endswith("CA, mean"))
    assert abs(ours[chiral].value) > 25


def test_impropers_of_a_planar_centre():
    """A centre lifted out of its plane: the improper is the angle of elevation, known from the triangle's
    height.
    """
    from openmm_scoredyn.comparison.geometry import improper_angles

    corners = np.array([[0.0, 1.0, 0.0], [-np.sqrt(3) / 2, -0.5, 0.0], [np.sqrt(3) / 2, -0.5, 0.0]])
    frames = np.array([np.vstack([corners, [[0.0, 0.0, height]]]) for height in (0.0, 0.1, -0.1)])
    found = improper_angles(frames, np.array([[0, 1, 2, 3]]))[:, 0]
    exact = np.degrees(np.arctan2(0.1, 0.5))
    np.testing.assert_allclose(np.abs(found), [0.0, exact, exact], atol=1e-9)
    assert found[1] == pytest.approx(-found[2])


def test_the_methyls_and_the_ends_of_alanine_dipeptide():
    molecule = alanine_molecule()
    names = {molecule.residue_names[a] + molecule.atom_names[a] for a in ends(molecule)}
    assert names == {"ACECH3", "NMEC"}
    assert len(methyl_rotors(molecule)) == 3


def test_a_constrained_bond_in_whole_picometres_does_not_vibrate():
    """Rounding of both ends gives a bond a spread of 0.4 pm, with a tiny error; a bond that vibrates by 1 pm
    is found out.
    """
    still = np.repeat(alanine_positions()[None], 3000, axis=0)
    still = still + np.random.default_rng(7).random((3000, 1, 3))
    rounded = make_trajectory(segments=(np.round(still, 3),))
    exact = make_trajectory(segments=(still,))
    model = GeometryModel.fit([exact])
    found, known = (model.evaluate([side], blocks_of(side)) for side in (rounded, exact))
    name = next(name for name in found if name.startswith("bond") and name.endswith("spread"))
    assert found[name].value == pytest.approx(0.001 / np.sqrt(6), rel=0.1)
    assert found[name].value - known[name].value < 2 * found[name].error
    shaken = make_trajectory(
        segments=(still + 0.001 / np.sqrt(2) * np.random.default_rng(8).normal(size=still.shape),)
    )
    vibrating = model.evaluate([shaken], blocks_of(shaken))[name]
    assert vibrating.value - known[name].value > 4 * np.hypot(vibrating.error, known[name].error)


def test_a_rotor_that_hops_and_a_distance_that_relaxes():
    """Hops by 120 degrees with probability p a frame: C(k) = (1 - 3p/2)^k. A distance that is an OU process:
    exp(-k/tau).
    """
    generator, frames, hop, memory = np.random.default_rng(2), 40_000, 0.05, np.exp(-1 / 8)
    molecule, still = alanine_molecule(), alanine_positions()
    rotor = next(atoms for name, atoms in methyl_rotors(molecule).items() if name.startswith("ALA"))
    neighbour, carbon = rotor[1], rotor[2]
    hydrogens = [
        j
        for i, j in [*molecule.bonds, *[(b, a) for a, b in molecule.bonds]]
        if i == carbon and molecule.types[j] == "H"
    ]
    jumps = generator.choice([0, 1, -1], size=frames, p=[1 - hop, hop / 2, hop / 2])
    positions = np.repeat(still[None], frames, axis=0)
    axis = np.repeat((still[carbon] - still[neighbour])[None], frames, axis=0)
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    arms = positions[:, hydrogens] - still[carbon]
    positions[:, hydrogens] = still[carbon] + turned(arms, axis, np.cumsum(jumps) * 2 * np.pi / 3)
    first, last = ends(molecule)
    stretch = np.zeros(frames)
    for t in range(1, frames):
        stretch[t] = memory * stretch[t - 1] + np.sqrt(1 - memory**2) * generator.normal()
    direction = (still[last] - still[first]) / np.linalg.norm(still[last] - still[first])
    positions[:, last] += 0.01 * stretch[:, None] * direction
    moving = make_trajectory(segments=(positions,))
    found = internal_motions([moving], blocks_of(moving))
    for lag in (1, 5, 10):
        rotor_at = found[f"methyl ALA:CB at {lag} ps"]
        assert abs(rotor_at.value - (1 - 1.5 * hop) ** lag) < 4 * rotor_at.error
        distance_at = found[f"end-to-end distance at {lag} ps"]
        assert abs(distance_at.value - memory**lag) < 4 * distance_at.error
    assert found["end-to-end distance, spread"].value == pytest.approx(0.01, rel=0.05)


def tumbling_trajectory(frames: int, angle: float, step_nm: float, seed: int = 3):
    """Each frame the one before, turned by a fixed angle about a random axis and shifted by a normal step."""
    generator = np.random.default_rng(seed)
    orientation, rotations = np.eye(3), np.empty((frames, 3, 3))
    axes = generator.normal(size=(frames, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    for frame in range(frames):
        orientation = turned(orientation[None], axes[frame][None], np.array([angle]))[0]
        rotations[frame] = orientation
    centred = alanine_positions() - alanine_positions().mean(axis=0)
    shift = np.cumsum(step_nm * generator.normal(size=(frames, 3)), axis=0)
    return make_trajectory(segments=(np.einsum("ni,tij->tnj", centred, rotations) + shift[:, None],))


def test_tumbling_by_random_rotations_and_steps():
    angle, step = 0.25, 0.05
    trajectory = tumbling_trajectory(20_000, angle, step)
    found = tumbling([trajectory], blocks_of(trajectory))
    # The mean of a rotation about a random axis is (1 + 2 cos) / 3 times unity.
    exact = -1 / np.log((1 + 2 * np.cos(angle)) / 3)
    assert abs(found[ROTATION].value - exact) < 4 * found[ROTATION].error
    assert abs(found[TRANSLATION].value - 1000 * step**2 / 2) < 4 * found[TRANSLATION].error
    assert found[ROTATION].error < 0.1 * exact


def test_a_model_that_holds_its_frame_claims_no_diffusion():
    free, held = tumbling_trajectory(1500, 0.4, 0.05), make_trajectory(1500, seed=4)
    wobble = 0.05 * np.random.default_rng(5).normal(size=(1500, 1, 3))
    held = make_trajectory(segments=(held.positions + wobble,))
    report = compare(
        DihedralSeries.from_trajectories([free]),
        DihedralSeries.from_trajectories([held]),
        reference_trajectories=[free],
        candidate_trajectories=[held],
        candidate_name="held",
    )
    rows = [row for row in report.rows if row.quantity.group.startswith("Rotation and")]
    assert [row.verdict for row in rows] == ["undetermined"] * 2
    assert any(note.startswith("held:") and "no statement" in note for note in report.notes)
