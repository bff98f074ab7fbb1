import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo import GP, SettingError, calibration
from pfnbo.bars import Bars
from pfnbo.data import pad
from pfnbo.predictive import Mixture, Normal, StudentT

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _mixture():
    loc, scale = jnp.asarray([-1.0, 0.5, 3.0]), jnp.asarray([0.3, 1.0, 0.2])
    return Mixture(jnp.log(jnp.asarray([0.2, 0.7, 0.1])), Normal(loc, scale))


def _bars():
    logits = jnp.asarray([0.1, 1.0, -1.0, 0.7, -0.5])
    return Bars(logits, jnp.asarray([-2.0, -1.0, 0.2, 0.5, 2.0, 3.0]), 0.3, 1.5)


PREDICTED = {
    "normal": (lambda: Normal(jnp.asarray(0.4), jnp.asarray(1.3)), 2e-3),
    "mixture": (_mixture, 2e-3),
    "bars": (_bars, 2e-3),
    "student": (lambda: StudentT(*map(jnp.asarray, (4.0, 0.4, 1.3))), 5e-3),
}


@pytest.mark.parametrize("name", PREDICTED)
def test_crps_is_its_integral(name):
    make, tolerance = PREDICTED[name]
    predicted, grid = make(), np.linspace(-40, 40, 40_001)
    below = np.asarray(predicted.cdf(jnp.asarray(grid)))
    y = np.array([-6.0, 0.1, 1.0, 7.0])
    wanted = [np.trapezoid((below - (grid >= at)) ** 2, grid) for at in y]
    got = [float(calibration.crps(predicted, jnp.asarray(at))) for at in y]
    np.testing.assert_allclose(got, wanted, atol=tolerance)


def test_true_predictions_are_calibrated_and_false_ones_are_not():
    y = RNG.normal(size=4000)

    def pit(scale):
        return np.asarray(Normal(jnp.zeros(4000), jnp.full(4000, scale)).cdf(y))

    assert calibration.miscalibration(pit(1.0)) < 0.02
    assert calibration.miscalibration(pit(0.3)) > 0.1
    held_out = calibration.isotonic(pit(0.3)[:2000], pit(0.3)[2000:])
    assert calibration.miscalibration(held_out) < 0.03
    ratio = calibration.sigma_ratio(Normal(np.zeros(4000), np.full(4000, 0.3)), y)
    assert ratio == pytest.approx(y.std() / 0.3, rel=0.01)


def test_true_predictions_score_best():
    y = jnp.asarray(RNG.normal(size=3000))
    scores = []
    for scale in (0.5, 1.0, 2.0):
        predicted = Normal(jnp.zeros(3000), jnp.full(3000, scale))
        low, high = predicted.icdf(0.05), predicted.icdf(0.95)
        interval = calibration.interval_score(low, high, y, 0.9)
        crps = calibration.crps(predicted, y)
        scores.append([float(jnp.mean(s)) for s in (interval, crps)])
    assert np.argmin(scores, 0).tolist() == [1, 1]


def test_a_report_tells_of_new_observations():
    x = RNG.uniform(size=(40, 1))
    y = np.sin(5 * x[:, 0])
    posterior = GP(warp=False).fit(jax.random.key(0), pad(x[:20], y[None, :20], 32))
    told = calibration.report(posterior, x[20:], y[20:])
    assert told.n == 20 and told.rmse < 0.05 and told.nll < 0 < told.crps < told.rmse
    assert 0.5 < told.coverage <= 1 and told.interval_score < 1
    assert "nll" in str(told)
    for plot in (calibration.plot_pit, calibration.plot_reliability):
        assert plot(told).get_xlabel()
    with pytest.raises(SettingError, match="wanted"):
        calibration.report(posterior, x, y[:3])


def _classes(n=6000, sharpen=1.0):
    logits = RNG.normal(size=(n, 3))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    label = (p.cumsum(1) < RNG.uniform(size=(n, 1))).sum(1)
    return sharpen * logits, label


def test_temperature_finds_the_factor_and_repairs_calibration():
    logits, label = _classes(sharpen=3.0)
    found = calibration.temperature(logits, label)
    assert found == pytest.approx(3, rel=0.1)

    def errors(z):
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        top, hit = p.max(1), p.argmax(1) == label
        return (
            calibration.expected_calibration_error(top, hit),
            calibration.expected_calibration_error(top, hit, equal_mass=True),
            calibration.classwise_calibration_error(p, label),
            calibration.kolmogorov_smirnov(top, hit),
            calibration.brier(p, label),
            calibration.maximum_calibration_error(top, hit, equal_mass=True),
        )

    bad, good = errors(logits), errors(logits / found)
    assert all(g < b for g, b in zip(good, bad, strict=True))
    assert max(good[:4]) < 0.03 and min(bad[:4]) > 0.05


def test_errors_of_two_bins_by_hand():
    p, hit = np.array([0.2, 0.4, 0.9, 0.9]), np.array([0, 1, 1, 1])
    # First bin: 0.3 against 1/2, second: 0.9 against 1.
    assert calibration.expected_calibration_error(p, hit, 2) == pytest.approx(0.15)
    assert calibration.maximum_calibration_error(p, hit, 2) == pytest.approx(0.2)
    with pytest.raises(SettingError, match="bins"):
        calibration.expected_calibration_error(p, hit, 0)


def test_a_report_of_classes_holds_every_score():
    logits, label = _classes(n=2000, sharpen=3.0)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    told = calibration.class_report(p, label)
    top, hit = p.max(1), p.argmax(1) == label
    assert told.n == 2000 and told.accuracy == hit.mean()
    assert told.nll == pytest.approx(-np.mean(np.log(p[np.arange(2000), label])))
    for bins, error in told.ece.items():
        assert error == calibration.expected_calibration_error(top, hit, bins)
        # The gaps of parts sum to no less than that of the whole.
        assert told.ece_equal_mass[bins] >= abs(np.mean(top - hit)) - 1e-9
    assert told.brier == calibration.brier(p, label)
    assert told.kolmogorov_smirnov == calibration.kolmogorov_smirnov(top, hit)
    assert 0 < told.classwise < told.maximum < 1
    assert "accuracy" in str(told)
    line = calibration.plot_confidence(p, label).lines[0]
    assert np.all(line.get_ydata()[-3:] < line.get_xdata()[-3:])  # too sure


@pytest.mark.parametrize(
    "p, label, words",
    [
        (np.ones((2, 2)) / 2, [0], "shape"),
        (np.ones((2, 2)), [0, 1], "sum 1"),
        (np.ones((2, 2)) / 2, [0, 2], "whole numbers"),
        (np.ones((2, 2)) / 2, [0, 0.5], "whole numbers"),
    ],
)
def test_what_are_no_classes_is_refused(p, label, words):
    with pytest.raises(SettingError, match=words):
        calibration.class_report(p, label)


def test_the_worst_group_is_worse_than_all():
    pit = RNG.uniform(size=500)
    groups = [calibration.adversarial_miscalibration(pit, s) for s in (0.05, 0.5, 1)]
    assert groups[0] > groups[1] > groups[2]
    assert groups[2] == pytest.approx(calibration.miscalibration(pit))
