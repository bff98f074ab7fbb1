"""The portal frame and the isolator against closed forms."""

import math

import numpy as np
import pytest

from pfnbo import problems
from pfnbo.problems import vibration
from pfnbo.problems.vibration import HEIGHT, LOAD, PUSH, SPAN, E

AREA = 1e3  # so large that only bending counts, as in the handbook
COLUMN, BEAM = (AREA, 2e-4, 10.0), (AREA, 3e-4, 10.0)


@pytest.fixture
def unloaded(monkeypatch):
    monkeypatch.setattr(vibration, "LOAD", 0.0)


@pytest.fixture
def unpushed(monkeypatch):
    monkeypatch.setattr(vibration, "PUSH", 0.0)


@pytest.mark.parametrize("elements", [1, 4])
def test_a_pushed_portal_has_the_moments_of_the_handbook(unloaded, elements):
    _, moment, sway, _ = vibration.portal(COLUMN, BEAM, elements)
    k = BEAM[1] * HEIGHT / (COLUMN[1] * SPAN)
    foot = PUSH * HEIGHT / 2 * (3 * k + 1) / (6 * k + 1)
    corner = PUSH * HEIGHT / 2 * 3 * k / (6 * k + 1)
    assert abs(moment[0, 0]) == pytest.approx(foot, rel=1e-5)
    assert abs(moment[-1, 1]) == pytest.approx(foot, rel=1e-5)
    assert abs(moment[elements, 0]) == pytest.approx(corner, rel=1e-5)
    bend = PUSH * HEIGHT**3 / (12 * E * COLUMN[1]) * (3 * k + 2) / (6 * k + 1)
    assert sway == pytest.approx(bend, rel=1e-5)


@pytest.mark.parametrize("elements", [1, 4])
def test_a_loaded_portal_has_the_moments_of_the_handbook(unpushed, elements):
    _, moment, sway, _ = vibration.portal(COLUMN, BEAM, elements)
    k = BEAM[1] * HEIGHT / (COLUMN[1] * SPAN)
    corner = LOAD * SPAN**2 / (6 * (k + 2))
    assert abs(moment[elements, 0]) == pytest.approx(corner, rel=1e-5)
    assert abs(moment[0, 0]) == pytest.approx(corner / 2, rel=1e-5)
    assert sway == pytest.approx(0, abs=1e-9)
    if elements > 1:  # a node in the middle of the beam
        middle = LOAD * SPAN**2 / 8 - corner
        assert abs(moment[elements + 1, 1]) == pytest.approx(middle, rel=1e-5)


def test_columns_carry_half_of_the_load_each(unpushed):
    axial, *_ = vibration.portal((0.01, 2e-4, 10.0), (0.01, 3e-4, 10.0), 2)
    np.testing.assert_allclose(np.abs(axial[[0, 1, 4, 5]]), LOAD * SPAN / 2, rtol=1e-9)


def test_the_frequency_converges_from_above_to_that_of_a_shear_frame():
    # A rigid, heavy beam on light columns: w^2 = 2 (12 E I / h^3) / m.
    column, beam = (AREA, 2e-4, 0.1), (AREA, 1.0, 1000.0)
    stiff = 24 * E * column[1] / HEIGHT**3
    want = math.sqrt(stiff / (1000 * SPAN)) / (2 * math.pi)
    assert vibration.portal(column, beam, 2)[3] == pytest.approx(want, rel=1e-3)
    own = [
        vibration.portal((0.01, 2e-4, 80), (0.01, 2e-4, 80), n)[3] for n in (1, 2, 4)
    ]
    assert own[0] > own[1] > own[2]  # Rayleigh: a coarse model is too stiff
    # Bending converges with order 4 and bars, linear along their axis, with order 2.
    assert 4 < (own[0] - own[1]) / (own[1] - own[2]) < 16


def test_an_element_strains_only_when_it_deforms():
    stiff, mass = vibration.beam_element(2.0, 0.01, 1e-4, 30.0)
    along, across = np.array([1, 0, 0, 1, 0, 0.0]), np.array([0, 1, 0, 0, 1, 0.0])
    turned = np.array([0, -1, 1, 0, 1, 1.0])
    for rigid in (along, across, turned):
        np.testing.assert_allclose(stiff @ rigid, 0, atol=1e-6)
    assert along @ mass @ along == pytest.approx(60)
    assert across @ mass @ across == pytest.approx(60)
    assert turned @ mass @ turned == pytest.approx(30 * 2.0**3 / 12)


def test_the_section_is_a_solid_rectangle_when_its_plates_meet():
    area, inertia = vibration.i_section(0.2, 0.1)
    assert area == pytest.approx(0.1 * 0.2)
    assert inertia == pytest.approx(0.1 * 0.2**3 / 12)


def test_the_ride_is_that_of_the_closed_form():
    w, zeta = 2 * math.pi * 10, 0.1
    t, z, v, _ = vibration.ride(w**2, 2 * zeta * w, 0.0, 4000).T
    # After the shock z is a free, damped oscillation from the state at its end.
    k = int(np.argmax(t > 0.02))
    rest, damped = t[k:] - t[k], w * math.sqrt(1 - zeta**2)
    wave = z[k] * np.cos(damped * rest)
    wave += (v[k] + zeta * w * z[k]) / damped * np.sin(damped * rest)
    np.testing.assert_allclose(z[k:], np.exp(-zeta * w * rest) * wave, atol=1e-9)


def test_an_undamped_ride_keeps_its_energy_and_has_the_peak_of_the_shock():
    w, hardening = 2 * math.pi * 5, 4e6
    t, z, v, _ = vibration.ride(w**2, 0.0, hardening, 4000).T
    energy = v**2 / 2 + w**2 * z**2 / 2 + hardening * z**4 / 4
    after = energy[t > 0.012]
    np.testing.assert_allclose(after, after[0], rtol=1e-7)
    # Without the cubic term: Duhamel's integral of a half-sine of length T.
    z = vibration.ride(w**2, 0.0, 0.0, 4000)[:, 1]
    T, p = vibration.LASTING, math.pi / vibration.LASTING
    peak = 2 * vibration.PULSE * p / (w * abs(w**2 - p**2)) * abs(math.cos(w * T / 2))
    assert np.max(np.abs(z)) == pytest.approx(peak, rel=1e-5)


@pytest.mark.parametrize("name", ["portal_frame", "shock_isolator"])
def test_fidelities_approach_the_truest(name):
    problem = problems.get(name)
    truth, *coarse = (
        np.append(g, f)
        for f, g in (problem.evaluate(problem.x_star, k) for k in (3, 0, 1, 2))
    )
    wrong = [np.max(np.abs(c - truth)) for c in coarse]
    assert wrong[0] > wrong[2] > 0
