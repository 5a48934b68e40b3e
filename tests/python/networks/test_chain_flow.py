"""The normalising flow of bead chains: symmetry, likelihood, and the exact density of a Rouse chain."""

from dataclasses import replace

import alkanes
import bead_chains
import numpy as np
import pytest
import torch

from openmm_scoredyn.coarse import Mapping
from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.networks.chain_flow.known import KnownChains
from openmm_scoredyn.networks.chain_flow.radial import radial_parameters, shrunk, stretched
from openmm_scoredyn.networks.registry import NetworkChoice

SIZE, BEADS = 5, 7
UPDATES = 400
ROUNDING_NM = 1e-6  # shares of the mass are in float32


@pytest.fixture(scope="module")
def part():
    particles = bead_chains.mapped(bead_chains.random_types(SIZE * BEADS, 1), SIZE).particles
    before, after = (bead_chains.walk(particles, 40, seed) for seed in (1, 2))
    return bead_chains.examples(particles, before, after)


@pytest.fixture(scope="module", params=[True, False], ids=["radial", "normal"])
def flow(part, request):
    made = bead_chains.network(part, jitter=0.05, radial=request.param, friction_per_ps=2.0)
    return made.double()


def stepped(network, before, noise):
    history, count = before[:, None].double(), len(before)
    ones = torch.ones(count, dtype=torch.float64)
    box = torch.zeros(count, 3, 3, dtype=torch.float64)
    condition = network.condition(history, box, ones, 300 * ones)
    return network.advance(network.start(noise, condition), condition, history, box)


def noise_of(part, seed=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(part), 3 * BEADS, generator=generator, dtype=torch.float64)


def test_turned_mirrored_and_moved_chains_step_alike(part, flow):
    noise = noise_of(part)
    turn = -torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(3)).double())[0]
    plain = stepped(flow, part.before, noise)
    turned = stepped(flow, part.before.double() @ turn + 4, (noise.unflatten(1, [-1, 3]) @ turn).flatten(1))
    assert torch.allclose(turned, plain @ turn + 4, atol=1e-9)


def test_a_chain_read_from_its_other_end_steps_alike(part, flow):
    """Bonds point the other way then: so must their noise, which stands behind that of the centre. Features
    of beads are sums in float32, in another order.
    """
    fine = bead_chains.random_types(SIZE * BEADS, 1)
    reversed_ = bead_chains.mapped(fine[::-1], SIZE).particles
    assert reversed_.types == part.particles.types[::-1]
    architecture = NetworkChoice.of("chain_flow").architecture
    other = architecture.bind(flow.core, reversed_).double()
    noise = noise_of(part).unflatten(1, [-1, 3])
    backwards = torch.cat([noise[:, :1], -noise[:, 1:].flip(1)], dim=1)
    plain = stepped(flow, part.before, noise.flatten(1))
    assert torch.allclose(stepped(other, part.before.flip(1), backwards.flatten(1)).flip(1), plain, atol=1e-4)


def test_advance_undoes_latent(part, flow):
    condition = flow.condition(*(value.double() for value in part.situation))
    latent = flow.latent(part.before.double(), part.after.double(), condition)
    placed = flow.advance(latent, condition, part.history.double(), part.box.double())
    assert torch.allclose(placed, part.after.double(), atol=ROUNDING_NM)


def test_the_likelihood_is_that_of_the_draws(part, flow):
    """Change of variables, with the determinant of the Jacobian of `start` by automatic differentiation."""
    one = part[:1]
    condition = flow.condition(*(value.double() for value in one.situation))
    noise = 0.7 * noise_of(part)[:1]

    def bonds(eps):
        full = torch.cat([noise[0, :3], eps])[None]
        return flow.start(full, condition)[0, 3:] / flow.scale_nm

    jacobian = torch.autograd.functional.jacobian(bonds, noise[0, 3:])
    size = len(jacobian)
    expected = 0.5 * noise[0, 3:].square().sum() + torch.linalg.slogdet(jacobian)[1]
    expected = expected / size + 0.5 * np.log(2 * np.pi)
    found = flow.negative_log_likelihood(flow.start(noise, condition), condition)
    assert found.item() == pytest.approx(float(expected), abs=1e-6)


def test_radial_maps_rise_from_zero_and_are_undone():
    raw = torch.randn(50, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    parameters = [value[:, None] for value in radial_parameters(raw)]
    length = torch.linspace(0, 6, 400, dtype=torch.float64)[None]
    bond = stretched(length, *parameters)
    assert torch.allclose(bond[:, 0], torch.zeros(50, dtype=torch.float64), atol=1e-12)
    assert (bond.diff(dim=1) > 0).all()
    assert torch.allclose(shrunk(bond, *parameters), length.expand_as(bond), atol=1e-9)


def test_the_centre_of_mass_diffuses_as_langevin_dynamics_has_it(part, flow):
    """Variance 2 kT t / (M gamma) along each axis, within four standard errors."""
    draws, lag_ps = 4000, 3.0
    history = part.history[:1].double().expand(draws, -1, -1, -1)
    ones = torch.ones(draws, dtype=torch.float64)
    box = torch.zeros(draws, 3, 3, dtype=torch.float64)
    condition = flow.condition(history, box, lag_ps * ones, 300 * ones)
    noise = torch.randn(draws, 3 * BEADS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    moved = flow.advance(flow.start(noise, condition), condition, history, box) - history[:, -1]
    variance = float(moved.detach().mean(1).square().mean())
    mass = SIZE * BEADS * bead_chains.MASS_AMU
    expected = 2 * 8.314462618e-3 * 300 * lag_ps / (mass * 2.0)
    assert abs(variance / expected - 1) < 4 * (2 / (3 * draws)) ** 0.5


def test_it_learns_the_exact_density_of_a_rouse_chain():
    """Mean and covariance of an Ornstein-Uhlenbeck process in closed form: what its normal part is for."""
    rouse = bead_chains.RouseChain(count=6, bond_nm=0.6, rate=1.0)
    particles = bead_chains.mapped(["B1"] * 12, 2).particles
    data = bead_chains.examples(particles, *rouse.pairs(20_000, 1))
    network = bead_chains.network(data, radial=False, width=16, layers=2)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, UPDATES)
    generator = torch.Generator().manual_seed(2)
    for _ in range(UPDATES):
        batch = data[torch.randint(len(data), (128,), generator=generator)]
        condition = network.condition(*batch.situation)
        clean = network.latent(batch.before, batch.after, condition)
        loss = network.negative_log_likelihood(clean, condition).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    fresh = bead_chains.examples(particles, *rouse.pairs(4000, 3))
    with torch.no_grad():
        condition = network.condition(*fresh.situation)
        found = network.negative_log_likelihood(
            network.latent(fresh.before, fresh.after, condition), condition
        )
        excess = float(found.mean()) + np.log(network.scale_nm) - rouse.entropy()
        noise = torch.randn(4000, 18, generator=generator)
        drawn = network.start(noise, condition).unflatten(1, [-1, 3])[:, 1:]
    bonds = fresh.before.diff(dim=1)
    exact = torch.einsum("kj,pjx->pkx", torch.tensor(rouse.decay, dtype=torch.float32), bonds)
    residual = drawn - exact
    covariance = torch.einsum("pkx,pjx->kj", residual, residual).numpy() / (3 * len(drawn))
    assert abs(excess) < 0.02
    deviation = np.sqrt(np.diag(rouse.covariance))
    correlation_error = (covariance - rouse.covariance) / np.outer(deviation, deviation)
    assert np.abs(correlation_error).max() < 4 * (2 / 12000) ** 0.5 + 0.03


def test_beads_may_be_of_several_sizes():
    """Two compositions of two kinds of atoms say the mass of each."""
    hexane = Mapping.from_topology(alkanes.topology("hexane"), 2).particles
    known = KnownChains.of([hexane], (0.25, 0.02))
    assert known.sizes == (6, 7)
    assert known.masses_amu == pytest.approx({"C": 12.011, "H": 1.008}, abs=1e-3)
    known.require(hexane)
    assert KnownChains.from_tensor(known.to_tensor()) == known
    with pytest.raises(MoleculeError, match="made of 4 fine beads or atoms; expected 6 or 7"):
        known.require(Mapping.from_topology(alkanes.topology("pentane"), 1).particles)


def test_elements_have_their_own_masses_where_compositions_leave_them_open():
    middle = Mapping.from_topology(alkanes.topology("hexane"), 2).particles.subset([1, 1, 1])
    chain = replace(middle, bonds=((0, 1), (1, 2)))
    known = KnownChains.of([chain], (0.25, 0.02))
    assert known.mass_of("Cx2.Hx5") == pytest.approx(2 * 12.011 + 5 * 1.008, abs=1e-3)
