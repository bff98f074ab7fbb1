"""Draws figures as SVG that takes its colours from the page, light or dark."""

import math
from collections.abc import Callable, Sequence
from html import escape

import numpy as np

from pfnbo.report.charts import Chart, Series

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 14, 46
DASHES = ("", "7 3", "2 3", "9 3 2 3")  # colours alone do not tell all people enough
MARKS = ("circle", "square", "diamond", "triangle")
COLOURS = 8
LETTER, LINE = 6.4, 12  # width of a letter and height of a line, about

Scale = Callable[[float], float]
Limits = tuple[float, float]


def draw(chart: Chart, place: dict[str, int]) -> str:
    """Return a figure as an SVG element.

    Args:
        chart: what it shows.
        place: number of each method, which decides its colour, dashes and mark.
    """
    x_low, x_high = _range([s.x for s in chart.series], chart.log_x)
    y_low, y_high = (
        (0.0, 1.0) if chart.shares else _range(_ordinates(chart), chart.log_y)
    )
    if chart.marks:
        x_low, x_high, y_high = x_low / 2, x_high * 2, y_high + 0.5
        y_low = min(0.5, y_low)
    x = _scale(x_low, x_high, LEFT, WIDTH - RIGHT, chart.log_x)
    y = _scale(y_low, y_high, HEIGHT - BOTTOM, TOP, chart.log_y)
    parts = [_axes(chart, x, y, (x_low, x_high), (y_low, y_high))]
    if chart.marks:
        parts += _marks(chart.series, place, x, y)
    else:
        for series in reversed(chart.series):  # the best is drawn last, on top
            number = place[series.method]
            parts += [_band(series, number, x, y), _line(series, number, x, y)]
    label = escape(f"{chart.title}: {chart.y_label} over {chart.x_label}")
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        + "".join(parts)
        + "</svg>"
    )


def swatch(number: int) -> str:
    """Return the sample of a method for a legend."""
    return (
        '<svg class="swatch" viewBox="0 0 30 12" aria-hidden="true">'
        f'<path class="line c{number % COLOURS}"{_dash(number)} d="M0 6H30"/></svg>'
    )


def ticks(low: float, high: float, log: bool, most: int = 6) -> list[float]:
    """Return round numbers within limits, at most that many and one."""
    if log:
        first, last = (
            math.ceil(math.log10(low) - 1e-9),
            math.floor(math.log10(high) + 1e-9),
        )
        if last - first < 2:
            steps = [m * 10.0**k for k in range(first - 1, last + 1) for m in (1, 2, 5)]
            return [step for step in steps if low <= step <= high]
        every = max(1, math.ceil((last - first + 1) / most))
        return [10.0**k for k in range(first, last + 1, every)]
    rough = (high - low) / most or 1.0
    size = 10 ** math.floor(math.log10(rough))
    step = next(m * size for m in (1, 2, 5, 10) if m * size >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    return [(first + i) * step for i in range(count)]


def _ordinates(chart: Chart) -> list[np.ndarray]:
    """Return what the ordinate has to hold: lines whole, of bands the lower edges."""
    lows = [s.low for s in chart.series if s.low is not None]
    return [s.y for s in chart.series] + lows


def _range(values: list[np.ndarray], log: bool) -> tuple[float, float]:
    known = np.concatenate([np.ravel(v) for v in values]) if values else np.zeros(0)
    known = known[np.isfinite(known)]
    if not len(known):
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = float(known.min()), float(known.max())
    if low == high:
        return (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
    return low, high


def _scale(low: float, high: float, start: float, end: float, log: bool) -> Scale:
    if log:
        low, high = math.log10(low), math.log10(high)

    def place(value: float) -> float:
        if math.isinf(value):
            share = 1.0
        else:
            share = ((math.log10(value) if log else value) - low) / (high - low)
        return round(start + min(max(share, 0.0), 1.0) * (end - start), 1)

    return place


def _axes(chart: Chart, x: Scale, y: Scale, across: Limits, along: Limits) -> str:
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for value in ticks(*along, chart.log_y):
        at, text = y(value), f"{100 * value:.0f} %" if chart.shares else _number(value)
        parts.append(f'<path class="grid" d="M{LEFT} {at}H{right}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4}" class="end">{text}</text>')
    for value in ticks(*across, chart.log_x):
        at = x(value)
        parts.append(f'<path class="grid" d="M{at} {floor}v4"/>')
        parts.append(
            f'<text x="{at}" y="{floor + 17}" class="mid">{_number(value)}</text>'
        )
    parts.append(f'<path class="axis" d="M{LEFT} {floor}H{right}"/>')
    middle = (TOP + floor) / 2
    parts.append(
        f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 8}" class="mid">'
        f"{escape(chart.x_label)}</text>"
        f'<text transform="translate(13 {middle}) rotate(-90)" class="mid">'
        f"{escape(chart.y_label)}</text>"
    )
    return "".join(parts)


def _line(series: Series, number: int, x: Scale, y: Scale) -> str:
    known = np.isfinite(series.y)
    if not known.any():
        return ""
    d = _path(series.x[known], series.y[known], x, y)
    return (
        f'<path class="line c{number % COLOURS}"{_dash(number)} d="M{d}">'
        f"<title>{escape(series.method)}</title></path>"
    )


def _band(series: Series, number: int, x: Scale, y: Scale) -> str:
    if series.low is None or series.high is None:
        return ""
    known = np.isfinite(series.y)
    if not known.any():
        return ""
    there = _path(series.x[known], series.low[known], x, y)
    back = _path(series.x[known][::-1], series.high[known][::-1], x, y)
    return f'<path class="band f{number % COLOURS}" d="M{there}L{back}Z"/>'


def _path(across: np.ndarray, along: np.ndarray, x: Scale, y: Scale) -> str:
    return "L".join(f"{x(a)} {y(b)}" for a, b in zip(across, along, strict=True))


def _marks(
    series: Sequence[Series], place: dict[str, int], x: Scale, y: Scale
) -> list[str]:
    """Return a mark for each method, with its name where it covers nothing."""
    points = [(x(float(s.x[0])), y(float(s.y[0])), s.method) for s in series]
    taken = [(a - 7, a + 7, b) for a, b, _ in points]
    names, marks = [], []
    for a, b, method in points:
        spot = _free(a, b, LETTER * len(method), taken)
        taken.append(spot)
        at = f'x="{spot[0]:.1f}" y="{spot[2] + 4:.1f}"'
        kind = f'class="name f{place[method] % COLOURS}"'
        names.append(f"<text {at} {kind}>{escape(method)}</text>")
        marks.append(_mark(a, b, place[method]))
    return names + marks


def _free(
    a: float, b: float, width: float, taken: Sequence[tuple[float, float, float]]
) -> tuple[float, float, float]:
    """Return left, right and height of a name beside its mark, if possible free."""

    def free(spot: tuple[float, float, float]) -> bool:
        left, right, height = spot
        inside = left >= LEFT and right <= WIDTH and TOP <= height <= HEIGHT - BOTTOM
        return inside and not any(
            left < other_right and other_left < right and abs(height - at) < LINE
            for other_left, other_right, at in taken
        )

    spots = [
        (start, start + width, b + shift)
        for shift in (0, LINE, -LINE, 2 * LINE, -2 * LINE)
        for start in (a + 9, a - 9 - width)
    ]
    return next(filter(free, spots), spots[0])


def _mark(a: float, b: float, number: int) -> str:
    shape = {
        "circle": f'<circle cx="{a}" cy="{b}" r="5.5"/>',
        "square": f'<rect x="{a - 5}" y="{b - 5}" width="10" height="10"/>',
        "diamond": f'<path d="M{a} {b - 7}l7 7-7 7-7-7z"/>',
        "triangle": f'<path d="M{a} {b - 6}l6.5 11h-13z"/>',
    }[MARKS[number // COLOURS % len(MARKS)]]
    return f'<g class="f{number % COLOURS}">{shape}</g>'


def _dash(number: int) -> str:
    dash = DASHES[(number + number // COLOURS) % len(DASHES)]
    return f' stroke-dasharray="{dash}"' if dash else ""


def _number(value: float) -> str:
    if value and not 1e-3 <= abs(value) < 1e4:
        return f"1e{math.log10(value):.0f}" if value > 0 else f"{value:.0e}"
    return f"{value:g}"
