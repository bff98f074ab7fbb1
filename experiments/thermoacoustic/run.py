"""Whether a network foresees an instability half a second ahead, and a lost sensor.

    python experiments/thermoacoustic/run.py

A combustion chamber is a Van der Pol oscillator at 150 Hz that turbulence drives,
beside a damped mode at 340 Hz. Its growth rate follows a valve, which an operator
moves; three pressure sensors see the modes from three places, a fourth the glow of the
flame. What is known is the amplitude of each in steps of 50 ms. From 240 windows of ten
runs a Bayesian network learns the next step from two and from the valve; fed with what
it predicts, noise included, it forecasts the first sensor 500 ms ahead in five new
runs. The valve to come is known. The noise has the deviation that a linear model leaves
and is correlated over the sensors as the residuals are: all of them hear the same
turbulence. Then one sensor after the other reads zero.

Scores are in standard deviations of the data: root mean squared error, mean negative
log density, CRPS, coverage of 90 % intervals, miscalibration. Epistemic is the variance
of the means of members, of the next step and of the last one, in medians over windows.
Prints the tables, writes `results.md` and `figure.png`.
"""

import argparse
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo import HMC, MLP, Ensemble, calibration
from pfnbo.data import bucket, pad
from pfnbo.predictive import Mixture, Normal

HERE = Path(__file__).parent
RATE, STEP = 6000, 0.05  # samples a second, seconds of a step
LAGS, AHEAD = 2, 10  # steps that are seen, steps to forecast
LEARNED, TESTED, SECONDS = 10, 5, 20.0  # runs to learn from, new ones, their length
WINDOWS = 240  # to learn from
OMEGA = 2 * np.pi * np.array([150.0, 340.0])
GROWTH = 15.0  # 1/s, largest growth rate; at the other end of the valve its negative
SHAPES = np.array([[1.0, 0.3], [0.7, -0.5], [-0.8, 0.4], [0.5, 0.1]])  # of both modes
BACKGROUND = 0.02  # standard deviation of what a sensor measures beside
CHANNELS = "pressure 1", "pressure 2", "pressure 3", "glow"
NAMES = "none", *CHANNELS  # sensors that are lost
HEAD = (
    "| model | RMSE | NLL | CRPS | coverage of 90 % | miscalibration |",
    "|---|---|---|---|---|---|",
)
HEAD_LOST = (
    "",
    "| model | sensor lost | epistemic, 50 ms | times that of none | rose in | "
    "epistemic, 500 ms | times that of none | rose in |",
    "|---|---|---|---|---|---|---|---|",
)
ROLLS = 16  # of the noise, for each member
NETWORK = MLP((20, 20), weight=2.0)
MODELS = {
    "linear": Ensemble(16, MLP(())),
    "ensemble": Ensemble(16, NETWORK),
    "HMC": HMC(NETWORK, chains=2, warmup=200, draws=200, kept=16, leapfrogs=50),
}


class Scale(NamedTuple):
    """Units of the data: the range of the inputs, and moments of the outputs."""

    low: np.ndarray  # (channels,)
    high: np.ndarray
    mean: np.ndarray
    sd: np.ndarray

    def cube(self, amplitude):
        return (amplitude - self.low) / (self.high - self.low)

    def standard(self, amplitude):
        return (amplitude - self.mean) / self.sd

    def fed(self, y):
        """Return standardised outputs as inputs."""
        return self.cube(y * self.sd + self.mean)


def valves(random, runs: int) -> np.ndarray:
    """Return positions from 0 to 1 at every step, (runs, steps)."""
    steps = round(SECONDS / STEP)
    moves = steps // 40  # every two seconds, reached in between
    levels = random.uniform(size=(runs, moves + 2))
    at = np.arange(steps) / 40
    return np.stack([np.interp(at, np.arange(moves + 2), own) for own in levels])


def chamber(valve: np.ndarray, seed: int) -> np.ndarray:
    """Return amplitudes of all channels at every step, (runs, steps, channels)."""
    fine, dt = round(STEP * RATE), 1 / RATE
    # The first mode has an amplitude near 0.14 when damped most, 1 at full growth.
    push = OMEGA * np.sqrt(4 * GROWTH * np.array([0.01, 0.003]) * dt)

    def sample(state, noise, u):
        eta, speed = state
        growth = jnp.stack([GROWTH * (2 * u - 1) - 4 * GROWTH * eta[0] ** 2, -GROWTH])
        force = 2 * growth * speed - OMEGA**2 * eta
        speed = speed + dt * force + push * noise
        eta = eta + dt * speed
        return (eta, speed), eta

    def step(carry, u):
        state, key = carry
        key, own, background = jax.random.split(key, 3)
        noise = jax.random.normal(own, (fine, 2))
        state, eta = jax.lax.scan(lambda s, n: sample(s, n, u), state, noise)
        seen = eta @ SHAPES.T
        seen += BACKGROUND * jax.random.normal(background, seen.shape)
        return (state, key), jnp.sqrt(2 * jnp.mean(seen**2, 0))

    def run(key, u):
        start = jnp.array([0.1, 0.0]), jnp.zeros(2)
        return jax.lax.scan(step, (start, key), u)[1]

    keys = jax.random.split(jax.random.key(seed), len(valve))
    return np.asarray(jax.jit(jax.vmap(run))(keys, jnp.asarray(valve)), float)


def windows(amplitude, valve, ahead: int):
    """Return all pasts (w, lags, channels), valves (w, ahead + 1), and all futures.

    Futures are (w, ahead, channels).
    """
    past, turned, future = [], [], []
    for a, u in zip(amplitude, valve, strict=True):
        for t in range(LAGS, len(u) - ahead):
            past.append(a[t - LAGS : t])
            turned.append(u[t - 1 : t + ahead])
            future.append(a[t : t + ahead])
    return np.array(past), np.array(turned), np.array(future)


def learned(model, past, valve, future, scale: Scale, seed: int) -> Any:
    """Return the posterior of the next step of all channels, and the noise's root.

    The latter turns independent noise into noise as correlated as the residuals.
    """
    x = np.concatenate([scale.cube(past).reshape(len(past), -1), valve[:, :2]], 1)
    y = scale.standard(future[:, 0])
    columns = np.column_stack([x, np.ones(len(x))])
    missed = y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]
    model = replace(model, noise=float(missed.std()))
    posterior = model.fit(jax.random.key(seed), pad(x, y.T, bucket(len(x))))
    alike = np.corrcoef(missed.T) + 1e-9 * np.eye(len(CHANNELS))
    return posterior, np.linalg.cholesky(alike)


@jax.jit
def forecast(posterior, root, key, scale: Scale, past, valve):
    """Return means of all steps, deviations, and draws of all steps.

    Args:
        posterior: of the next step.
        root: of the correlations of the noise, (channels, channels).
        key: of the noise.
        scale: of the data.
        past: in the cube, (lags, channels).
        valve: now and at all steps to come, (ahead + 1,).

    Returns:
        Arrays (members, rolls, ahead, channels), the deviations without `ahead`.
    """
    network = posterior.network

    def roll(member, key):
        def step(past, at):
            now, noise = at
            x = jnp.append(past.ravel(), now)
            mean = jax.vmap(network, (0, None))(params, x)
            y = mean + sd * noise
            past = jnp.concatenate([past[1:], scale.fed(y)[None]])
            return past, (mean, y)

        params, sd = member[0], jnp.sqrt(member[1])
        noise = jax.random.normal(key, (AHEAD, past.shape[1]), past.dtype) @ root.T
        _, (mean, y) = jax.lax.scan(step, past, (pairs, noise))
        return mean, sd, y

    pairs = jnp.stack([valve[:-1], valve[1:]], 1)
    members = posterior.params, posterior.noises
    keys = jax.random.split(key, (posterior.noises.shape[1], ROLLS))
    rolls = jax.vmap(roll, (None, 0))
    return jax.vmap(rolls, (1, 0))(members, keys)


def forecasts(posterior, root, scale: Scale, past, valve, seed: int):
    """Return what `forecast` does for all windows."""
    keys = jax.random.split(jax.random.key(seed), len(past))
    each = partial(forecast, posterior, root)

    def one(at):
        return each(at[0], scale, *at[1:])

    args = keys, jnp.asarray(scale.cube(past)), jnp.asarray(valve)
    return jax.tree.map(np.asarray, jax.lax.map(one, args))


def scores(predicted, y) -> str:
    """Return a row of a table: RMSE, NLL, CRPS, coverage and miscalibration."""
    pit = np.asarray(predicted.cdf(y))
    told = (
        np.sqrt(np.mean((np.asarray(predicted.mean) - y) ** 2)),
        -np.mean(predicted.log_prob(y)),
        np.mean(calibration.crps(predicted, y)),
        np.mean((pit > 0.05) & (pit < 0.95)),
        calibration.miscalibration(pit),
    )
    return " | ".join(f"{score:.3f}" for score in told)


def mixture(mean, sd) -> Mixture:
    """Return the forecasts of the first channel, a component for each roll."""
    mean, sd = (a[..., 0].reshape(len(a), -1) for a in (mean[..., -1, :], sd))
    return Mixture(jnp.zeros(mean.shape), Normal(jnp.asarray(mean), jnp.asarray(sd)))


def epistemic(mean, draws) -> np.ndarray:
    """Return variances of the members' first and last forecasts of a channel, (2, w).

    The average of some rolls has noise, whose variance is taken off.
    """
    last = draws[..., -1, 0]  # (windows, members, rolls)
    noise = last.var(2, ddof=1).mean(1) / last.shape[2]
    apart = last.mean(2).var(1, ddof=1) - noise
    return np.stack([mean[:, :, 0, 0, 0].var(1, ddof=1), np.maximum(apart, 0)])


def lost(tell, past, valve) -> list[np.ndarray]:
    """Return epistemic variances, intact and with each channel lost, (5, 2, w)."""
    every = [past]
    for channel in range(len(CHANNELS)):
        every.append(past.copy())
        every[-1][..., channel] = 0
    told = (tell(each, valve) for each in every)
    return [epistemic(mean, draws) for mean, _, draws in told]


def failure_rows(name: str, every) -> list[str]:
    """Return the rows of the second table of one model."""
    rows = []
    for channel, own in zip(NAMES, every, strict=True):
        cells = []
        for at, intact in zip(own, every[0], strict=True):
            ratio = np.median(at) / np.median(intact)
            rose = 100 * np.mean(at > intact)
            cells += [f"{np.median(at):.4f}", f"{ratio:.1f}", f"{rose:.0f} %"]
        rows.append(f"| {name} | {channel} | {' | '.join(cells)} |")
    return rows


def draw(amplitude, valve, scale: Scale, last, every) -> None:
    """Draw one run with its forecasts, and the variances with sensors lost."""
    import matplotlib.pyplot as plt

    fig, (top, bottom) = plt.subplots(
        1, 2, figsize=(11, 3.6), width_ratios=(2, 1), layout="constrained"
    )
    time = STEP * np.arange(len(valve))
    last = last.reshape(len(last), -1) * scale.sd[0] + scale.mean[0]
    low, mid, high = np.quantile(last, [0.05, 0.5, 0.95], axis=1)
    at = time[LAGS + AHEAD - 1 :][: len(mid)]
    top.fill_between(at, low, high, alpha=0.3, label="90 % interval, 500 ms ahead")
    top.plot(at, mid, label="median, 500 ms ahead")
    top.plot(time, amplitude[:, 0], color="black", linewidth=0.8, label="measured")
    top.plot(time, valve, color="tab:gray", linestyle=":", label="valve")
    top.set(xlabel="time, s", ylabel="amplitude of pressure 1", title="a new run")
    top.legend(fontsize=7, ncols=2)
    bottom.boxplot([near for near, _ in every], tick_labels=NAMES)
    bottom.tick_params(axis="x", labelsize=7)
    bottom.set(
        yscale="log", xlabel="sensor lost", ylabel="epistemic variance, 50 ms ahead"
    )
    fig.savefig(HERE / "figure.png", dpi=120)


class Runs(NamedTuple):
    """What is learned from, and what is forecast."""

    scale: Scale
    known: tuple  # pasts, valves and futures of the runs to learn from
    picks: np.ndarray  # the windows that are
    new: tuple  # those of the new runs
    amplitude: np.ndarray  # (steps, channels) of the first new run
    valve: np.ndarray  # (steps,)


def simulated(seed: int) -> Runs:
    """Return the runs of a seed."""
    random = np.random.default_rng(seed)
    valve = valves(random, LEARNED + TESTED)
    amplitude = chamber(valve, seed)
    own, new = slice(LEARNED), slice(LEARNED, None)
    known = windows(amplitude[own], valve[own], AHEAD)
    flat = known[0].reshape(-1, len(CHANNELS))
    scale = Scale(flat.min(0), flat.max(0), flat.mean(0), flat.std(0))
    picks = random.choice(len(known[0]), WINDOWS, replace=False)
    tested = windows(amplitude[new], valve[new], AHEAD)
    return Runs(scale, known, picks, tested, amplitude[LEARNED], valve[LEARNED])


def unchanged(runs: Runs, at) -> Normal:
    """Return forecasts that nothing changes, as doubtful as that was in the past."""
    before, after = (
        runs.scale.standard(a)[..., 0]
        for a in (runs.known[0][:, -1], runs.known[2][:, -1])
    )
    now = runs.scale.standard(runs.new[0][at][:, -1])[:, 0]
    return Normal(jnp.asarray(now), jnp.full(len(now), np.std(after - before)))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--models", nargs="+", choices=MODELS, default=["linear", "ensemble"]
    )
    args = parser.parse_args()
    warnings.filterwarnings("ignore", "R-hat|.*diverged")
    runs = simulated(args.seed)
    some, few = slice(None, None, 5), slice(None, None, 20)
    past, valve, future = runs.new
    y = runs.scale.standard(future[some, -1])[:, 0]
    lines, failed = [*HEAD, f"| no change | {scores(unchanged(runs, some), y)} |"], []
    with jax.enable_x64(True):
        for name in args.models:
            shown = (a[runs.picks] for a in runs.known)
            told = learned(MODELS[name], *shown, runs.scale, args.seed)
            tell = partial(forecasts, *told, runs.scale, seed=args.seed)
            mean, sd, _ = tell(past[some], valve[some])
            lines.append(f"| {name} | {scores(mixture(mean, sd), y)} |")
            every = lost(tell, past[few], valve[few])
            failed += failure_rows(name, every)
            if name == "ensemble":
                first = len(past) // TESTED
                last = tell(past[:first], valve[:first])[2][..., -1, 0]
                draw(runs.amplitude, runs.valve, runs.scale, last, every)
    text = "\n".join([*lines, *HEAD_LOST, *failed])
    print(text)
    if "ensemble" in args.models:
        (HERE / "results.md").write_text(text + "\n")


if __name__ == "__main__":
    main()
