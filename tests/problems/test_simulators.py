"""Problems of other packages' simulators: their physics against what is known of it."""

import importlib.util
import math

import jax
import numpy as np
import pytest

from pfnbo import problems
from pfnbo.errors import ProblemError
from pfnbo.problems.problem import SIMULATED

every = pytest.mark.parametrize("name", SIMULATED)
# What the version of a package moves: an image more or less, another fit of a fluid.
SLACK = {"digits_network": 0.6}


def simulator(name):
    """Return a problem, or skip the test without its package."""
    # Not imported here: what an import does to JAX is undone by the problem.
    if importlib.util.find_spec(SIMULATED[name].needs) is None:
        pytest.skip(f"{SIMULATED[name].needs} is not installed")
    return problems.get(name)


def designs(problem, n, seed=0):
    rng = np.random.default_rng(seed)
    dims = problem.space.values()
    return [[d.at(rng.random()) for d in dims] for _ in range(n)]


@every
def test_the_best_design_known_is_legal_feasible_and_has_its_value(name):
    problem = simulator(name)
    f, g = problem(problem.x_star)
    assert f == pytest.approx(problem.f_star, rel=SLACK.get(name, 1e-5))
    assert g.shape == (problem.n_constraints,) and np.all(g <= problem.tolerance)
    problem.space.encode(problem.point(problem.x_star))


@every
def test_the_same_design_has_the_same_value(name):
    problem = simulator(name)
    (x, other) = designs(problem, 2)
    first = problem(x)
    problem(other)  # leaves nothing behind
    again = problem(x)
    assert first[0] == again[0] and first[1].tolist() == again[1].tolist()


@every
def test_a_truer_level_is_nearer_to_the_truth(name):
    problem = simulator(name)
    top = len(problem.costs) - 1
    assert list(problem.costs) == sorted(problem.costs) and problem.costs[-1] == 1
    rows = {level: [] for level in (0, top - 1, top)}
    for x in designs(problem, 4, seed=1):
        for level, found in rows.items():
            f, g = problem.evaluate(x, level)
            found.append([f, *g])
    low, high, true = (np.array(row) for row in rows.values())
    known = np.isfinite(true).all(axis=1)
    far, near = (np.abs(a - true)[known].mean(axis=0) for a in (low, high))
    moved = far > 0
    # In the mean over the outputs, each in units of its error at the lowest level.
    assert np.any(moved) and np.mean(near[moved] / far[moved]) < 1


def test_without_its_package_a_problem_says_what_to_type(monkeypatch):
    monkeypatch.setattr(problems, "find_spec", lambda module: None)
    text = r"problem 'airfoil' needs neuralfoil: pip install 'pfnbo\[simulators\]'"
    with pytest.raises(ProblemError, match=text):
        problems.get("airfoil")
    assert problems.simulated() == ()
    assert not set(SIMULATED) & set(problems.names())
    with pytest.raises(ProblemError, match="did you mean 'airfoil'"):
        problems.get("airfoils")


def test_a_fluid_above_its_critical_temperature_has_no_value():
    problem = simulator("rankine_cycle")
    x = ["R134a", 374.0, 5, 300, 10, 0.4]  # critical at 374.21 K
    assert math.isfinite(problem(x)[0])
    f, g = problem(["R134a", 375.0, *x[2:]])
    assert math.isnan(f) and np.all(np.isnan(g))


def test_the_rankine_cycle_of_a_handbook():
    problem = simulator("rankine_cycle")
    from CoolProp.CoolProp import PropsSI

    fluid, hot, cold, flow = "R245fa", 363.15, 303.15, 8.0

    def h(**at):
        (a, b), (c, d) = at.items()
        return PropsSI("H", a, b, c, d, fluid)

    high, low = (PropsSI("P", "T", t, "Q", 0, fluid) for t in (hot, cold))
    entropies = [PropsSI("S", "T", t, "Q", q, fluid) for t, q in ((cold, 0), (hot, 1))]
    lifted = (h(P=high, S=entropies[0]) - h(T=cold, Q=0)) / 0.7
    gained = 0.8 * (h(T=hot, Q=1) - h(P=low, S=entropies[1]))
    f, g = problem([fluid, hot, 0, cold, flow, 0])
    assert f == pytest.approx(-flow * (gained - lifted) / 1000, rel=1e-6)
    # The water gives what the fluid takes, and no cycle beats Carnot's.
    heat = flow * (h(T=hot, Q=1) - h(T=cold, Q=0) - lifted)
    assert 333.15 - 10 * g[3] == pytest.approx(393.15 - heat / 42200, rel=1e-9)
    assert 0.08 < -1000 * f / heat < 1 - cold / hot


def test_a_plate_without_holes_bends_as_a_beam():
    simulator("plate_cutouts")
    from pfnbo.problems.simulators import plate

    basis, _ = plate._grid(32)
    x, y = np.asarray(basis.global_coordinates())
    rho = np.ones(x.shape)
    u, stress, area = plate.bend(rho, 0.01, 32)
    force, inertia = 4e4, 0.01 / 12
    shear = 1.2 * force * 2 / (70e9 / 2.66 * 0.01)
    tip = force * 2**3 / (3 * 70e9 * inertia) + shear  # Timoshenko
    assert np.max(np.abs(u)) == pytest.approx(tip, rel=0.02)
    assert np.sum(area) == pytest.approx(2)
    # Far from both ends the fibres at the edge carry M y/I.
    there = (np.abs(x - 1) < 0.05) & (y > 0.96)
    expected = force * (2 - x[there]) * np.abs(y[there] - 0.5) / inertia
    np.testing.assert_allclose(stress[there], expected, rtol=0.03)


def test_the_holes_of_the_plate_save_their_area():
    problem = simulator("plate_cutouts")
    f, _ = problem.evaluate((0.01, 0.2, 0.3, 0.8, 0.6, 1.4), 2)
    holes = math.pi * 0.8 * (0.2**2 + 0.3**2)
    assert f == pytest.approx(2700 * 0.01 * (2 - holes), rel=0.01)


def test_a_symmetric_airfoil_is_that_of_the_wind_tunnel():
    problem = simulator("airfoil")

    def flow(alpha):
        # As thick as 13 % of the chord.
        return problem((0.17,) * 3 + (-0.17,) * 3 + (0, alpha))

    (drag, level), (_, raised) = flow(0), flow(4)
    assert level[0] == pytest.approx(1, abs=0.01)  # no lift
    assert level[0] - raised[0] == pytest.approx(0.44, abs=0.04)  # 0.11 per degree
    assert 40 < drag < 70 and level[2] == pytest.approx(-0.01, abs=0.005)


def test_turbines_may_change_places_but_not_stand_in_a_row():
    problem = simulator("wind_farm")
    x = problem.x_star.reshape(2, 6)
    f, g = problem.evaluate(x.ravel(), 0)
    other, limits = problem.evaluate(x[:, ::-1].ravel(), 0)
    assert other == pytest.approx(f, rel=1e-4)
    np.testing.assert_allclose(limits, g)
    # In line with the wind that blows most, from 250 degrees.
    along = np.linspace(-1, 1, 6)[:, None] * 900 * np.array([0.94, 0.34])
    row = (1000 + along).T.ravel()
    assert problem.evaluate(row, 2)[0] > problem.evaluate(x.ravel(), 2)[0]
    # At 9 m/s a turbine alone gives about 2.5 MW.
    assert 6 * 1.9 * 8.76 < -f < 6 * 2.6 * 8.76


def test_the_battery_takes_the_charge_it_is_given():
    problem = simulator("battery_charge")
    from pfnbo.problems.simulators import battery

    problem((1.0, 0.8, 0.5, 0.3, 0.6, 300), 0)
    assert not jax.config.jax_enable_x64  # which PyBaMM switches on as it loads
    solution = battery.charge("SPM", np.array([5.0, 2.5]), np.array([900, 360]), 298)
    charged = -solution["Discharge capacity [A.h]"].entries[-1]
    assert charged == pytest.approx(5 * 900 / 3600 + 2.5 * 360 / 3600, rel=1e-3)
    x = (1.0, 0.8, 0.5, 0.3, 0.6, 300)
    minutes = 60 * (0.2 / 1 + 0.3 / 0.8 + 0.2 / 0.5)
    plating = []
    for level in range(3):
        f, g = problem.evaluate(x, level)
        assert f == pytest.approx(minutes)
        plating.append(g[1])
    assert plating[0] < plating[2]  # the cheap model is too hopeful
    assert problem.evaluate((2.2, 1.8, 1.2, 0.5, 0.75, 288))[1].max() > 0


def test_the_poles_stand_under_a_regulator_and_fall_without():
    problem = simulator("cart_poles")
    # Gains of a linear-quadratic regulator, from the Riccati equation.
    f, g = problem((9.66, 89.11, 312.18, 14.09, 43.45, 36.69))
    assert f < -2 and np.all(g < 0)
    fallen, g = problem(np.zeros(6))
    assert fallen > 2 and g[2] == pytest.approx(4 / 2.5 - 1)


def test_the_energy_of_free_poles_only_falls():
    simulator("cart_poles")
    import mujoco

    from pfnbo.problems.simulators import cartpole

    model = cartpole.model(3)
    model.opt.enableflags |= mujoco.mjtEnableBit.mjENBL_ENERGY
    state, energy = mujoco.MjData(model), []
    state.qpos[1:] = 0.06, -0.04
    for _ in range(300):
        mujoco.mj_step(model, state)
        energy.append(state.energy.sum())
    assert np.all(np.diff(energy) < 1e-3) and energy[-1] < energy[0]


def test_the_parameters_of_the_network_are_counted():
    problem = simulator("digits_network")
    x = (2, 10, 1e-3, 0.01, "relu", 64)
    _, g = problem.evaluate(x, 0)
    assert 6000 * (g[0] + 1) == pytest.approx(65 * 10 + 11 * 10 + 11 * 10)
    assert problem.evaluate(x, 0)[0] * 719 == pytest.approx(
        round(problem.evaluate(x, 0)[0] * 719)
    )
