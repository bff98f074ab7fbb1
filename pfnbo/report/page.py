"""One self-contained HTML page of a comparison: nothing in it needs a network."""

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from pfnbo.bench.methods import METHODS
from pfnbo.bench.statistics import gap
from pfnbo.report import charts, svg
from pfnbo.report.charts import Chart
from pfnbo.report.comparison import SOLVED, Comparison, middle
from pfnbo.report.html import Cell, cell, count, document, table, terms

BEATEN = 1e-6  # a gap below minus this is no rounding of the best known value


def page(comparison: Comparison, title: str = "Comparison of optimisers") -> str:
    """Return the whole page."""
    body = "".join(
        [
            _head(comparison, title),
            _overview(comparison),
            _gaps(comparison),
            *(_problem(comparison, name) for name in comparison.problems),
            _notes(comparison),
        ]
    )
    return document(title, body)


def _head(comparison: Comparison, title: str) -> str:
    runs = list(comparison.runs.values())
    methods = comparison.methods
    designs = sorted({run.initial for run in runs})
    text = (
        f"{count(len(methods), 'method')} on "
        f"{count(len(comparison.problems), 'problem')}, "
        f"{count(len(comparison.seeds), 'seed')}: {len(runs):,} runs of "
        f"{comparison.trials} evaluations, of which the first "
        f"{' or '.join(map(str, designs))} are a design that all methods share."
    )
    days = sorted(run.date[:10] for run in runs if run.date)
    if days:
        text += f" Run on {' to '.join(sorted({days[0], days[-1]}))}."
    links = "".join(
        f'<a href="#{_anchor(name)}">{escape(name)}</a>' for name in comparison.problems
    )
    return (
        f"<header><h1>{escape(title)}</h1><p>{text}</p>"
        f'<nav aria-label="Sections"><a href="#overview">Overview</a>'
        f'<a href="#gaps">Gaps</a>{links}<a href="#notes">Notes</a></nav></header>'
        "\n<main>"
    )


def _overview(comparison: Comparison) -> str:
    figures = charts.overview(comparison)
    if not charts.constrained(list(comparison.runs.values())):
        figures = [c for c in figures if c.name != "feasibility"]
    return (
        '<section id="overview"><h2>Overview</h2>'
        + table(_summary_head(comparison), _summary(comparison), "methods")
        + _legend(comparison)
        + _figures(comparison, figures)
        + _lottery(comparison)
        + "</section>\n"
    )


def _summary_head(comparison: Comparison) -> list[str]:
    base = comparison.random or "random search"
    return [
        "method",
        "mean rank",
        "90 % interval",
        "p",
        "feasible runs",
        f"within {100 * SOLVED:g} %",
        "median gap",
        "area",
        f"gap / {base}",
        "CPU s",
        "wall s",
        "MB",
    ]


def _summary(comparison: Comparison) -> list[list[Cell]]:
    ranks = comparison.ranks
    order = comparison.table.methods
    areas = dict(zip(order, comparison.areas.values.mean(axis=0), strict=True))
    rows = []
    for method in comparison.methods:
        i = order.index(method)
        own = [comparison.finals[run.key] for run in comparison.shared(method)]
        feasible = sum(math.isfinite(v) for v in own) / len(own)
        within = sum(v <= SOLVED for v in own) / len(own)
        interval = f"{ranks.low[i]:.2f} to {ranks.high[i]:.2f}"
        rows.append(
            [
                Cell(method, method),
                cell(ranks.mean[i], f"{ranks.mean[i]:.2f}"),
                cell(ranks.low[i], interval),
                cell(comparison.p_values.get(method, math.nan)),
                cell(feasible, f"{100 * feasible:.0f} %"),
                cell(within, f"{100 * within:.0f} %"),
                cell(middle(own)),
                cell(areas[method]),
                cell(comparison.against_random(method)),
                cell(comparison.seconds(method)),
                cell(comparison.seconds(method, "wall")),
                cell(comparison.memory(method), digits=".0f"),
            ]
        )
    return rows


def _gaps(comparison: Comparison) -> str:
    rows = []
    for problem in comparison.problems:
        values = [comparison.gap(problem, m) for m in comparison.methods]
        best = min((v for v in values if not math.isnan(v)), default=math.nan)
        link = f'<a href="#{_anchor(problem)}">{escape(problem)}</a>'
        cells = [cell(v, best=v == best) for v in values]
        rows.append([Cell(link, problem), *cells])
    return (
        '<section id="gaps"><h2>Median gap to the best known design</h2>'
        "<p>Relative to the optimum, absolute where that is 0. "
        "The smallest of a row is bold; ∞ means that most runs found no feasible "
        "design.</p>"
        + table(["problem", *comparison.methods], rows, "gaps", raw_first=True)
        + "</section>\n"
    )


def _problem(comparison: Comparison, name: str) -> str:
    figures = [charts.convergence(comparison, name)]
    if charts.constrained(comparison.of(problem=name)):
        figures.append(charts.feasibility(comparison, name))
    head = ["method", "median gap", "best found", "feasible runs", "seeds", "gain", "p"]
    p_values = comparison.p_values_on(name)
    rows = []
    for method in comparison.methods:
        runs = comparison.of(problem=name, method=method)
        if not runs:
            continue
        ends = [float(run.incumbents[-1]) for run in runs]
        feasible = sum(map(math.isfinite, ends)) / len(ends)
        gain = comparison.improvement(name, method)
        rows.append(
            [
                Cell(method, method),
                cell(comparison.gap(name, method)),
                cell(min(ends), digits=".7g"),
                cell(feasible, f"{100 * feasible:.0f} %"),
                cell(len(runs), str(len(runs))),
                cell(gain, "" if math.isnan(gain) else f"{gain:+.3g} %"),
                cell(p_values.get(method, math.nan)),
            ]
        )
    return (
        f'<section id="{_anchor(name)}"><h2>{escape(name)}</h2>'
        + _facts(comparison, name)
        + _legend(comparison)
        + _figures(comparison, figures)
        + table(head, rows, name)
        + _design(comparison, name)
        + '<p class="up"><a href="#overview">Overview</a></p></section>\n'
    )


def _facts(comparison: Comparison, name: str) -> str:
    problem = comparison.problem(name)
    f_star = comparison.f_star[name]
    best = f"{f_star:.10g}"
    if problem is None:
        found = [run for run in comparison.of(problem=name) if run.feasible.any()]
        told = f"Best value of these runs {best}; nothing better is known."
        return f"<p>{told if found else 'No run found a feasible design.'}</p>"
    names = f" ({', '.join(problem.constraints)})" if problem.constraints else ""
    text = (
        f"{problem.about} "
        f"{count(problem.dim, 'variable')}, "
        f"{count(problem.n_constraints, 'constraint')}{names}. "
        + (f"Best known value {best}. " if math.isfinite(f_star) else "")
        + f"Source: {problem.source}."
        + (f" Remarks: {problem.remarks}." if problem.remarks else "")
    )
    least = min(run.incumbents[-1] for run in comparison.of(problem=name))
    if gap(least, f_star) < -BEATEN:
        text += f" A run has found a better one, {least:.10g}."
    return f"<p>{escape(text.strip())}</p>"


def _design(comparison: Comparison, name: str) -> str:
    """Return the best design of all runs beside the best known one."""
    problem = comparison.problem(name)
    runs = comparison.of(problem=name)
    least = min(run.incumbents[-1] for run in runs)
    # Runs of before designs were kept have none.
    kept = [run for run in runs if run.best and run.incumbents[-1] == least]
    if problem is None or not kept:
        return ""
    best = kept[0]
    columns = (
        problem.space,
        best.best,
        problem.point(problem.x_star).values(),
        problem.units,
    )
    rows = [
        [_value(variable), _value(found), _value(known), _value(unit)]
        for variable, found, known, unit in zip(*columns, strict=True)
    ]
    head = ["variable", f"best found, by {best.method}", "best known", "unit"]
    return "<h3>Designs</h3>" + table(head, rows, f"{name}-design")


def _value(value: Any) -> Cell:
    """Return a number or a word as a cell."""
    return Cell(value, value) if isinstance(value, str) else cell(value, digits=".7g")


def _lottery(comparison: Comparison) -> str:
    spreads = comparison.spreads
    if not spreads:
        return ""
    rows = [
        [
            Cell(spread.method, spread.method),
            cell(len(spread.settings), str(len(spread.settings))),
            cell(spread.scores[0]),
            cell(middle(spread.scores.tolist())),
            cell(spread.scores[-1]),
            Cell(spread.settings[0], spread.settings[0]),
            Cell(spread.settings[-1], spread.settings[-1]),
        ]
        for spread in spreads
    ]
    head = ["method", "settings", "best area", "median", "worst", "best is", "worst is"]
    return (
        "<h3>How much its own settings matter to a method</h3>"
        "<p>A method whose best "
        "setting wins while its others lose has been lucky, not good.</p>"
        + table(head, rows, "settings")
    )


def _notes(comparison: Comparison) -> str:
    base = comparison.random or "random search"
    words = {
        "gap": "of the best feasible design to the best known one, relative unless "
        "that is 0; infinite before one is found. Evaluations that fail count. Of an "
        "even number of seeds the median is the lower one, as infinities have no mean.",
        "mean rank": "1 is best; its interval is a bootstrap over the problems, or "
        "over the seeds of a single one. The first table and the figures below it "
        f"count the {count(len(comparison.table.pairs), 'pair')} that every method has "
        "run.",
        "p": "that the method is neither better nor worse than the first one of the "
        "overview: Wilcoxon's signed-rank test, two-sided, adjusted for the number of "
        "methods in the table after Holm. Over several problems each counts once, by "
        "how much more often one of the two is ahead over its seeds; on a single "
        "problem it is on the gaps of the seeds that both have run. Five problems or "
        "seeds can't bring it below 0.06.",
        "area": "under the curve of the gap after the design, in units of the median "
        "gap that designs leave: 0 is the optimum at once, 1 no better than that.",
        f"gap / {base}": "median over problems of the gap in units of that of "
        f"{base}; smaller than 1 is better.",
        "gain": f"percent by which the mean best value is below that of {base}, where "
        "every run of both is feasible.",
        "CPU s, wall s, MB": "median of the seconds that a suggestion took, on one "
        "thread, and the largest peak of memory.",
        "performance profile": "share of the pairs of problem and seed that a method "
        f"solves to {100 * SOLVED:g} % with up to that multiple of the evaluations of "
        "the fastest method.",
    }
    kinds = {
        method: METHODS[method.partition(":")[0]].about
        for method in comparison.methods
        if method.partition(":")[0] in METHODS
    }
    return (
        '<section id="notes"><h2>Notes</h2>'
        f"{terms(words)}<h3>Methods</h3>{terms(kinds)}{_origin(comparison)}"
        "</section></main>\n"
    )


def _origin(comparison: Comparison) -> str:
    """Return what the runs were made with, and which are not shown."""
    versions = {
        f"{package} {version}"
        for run in comparison.runs.values()
        for package, version in run.versions.items()
    }
    told = (
        f"<p>Versions: {escape(', '.join(sorted(versions)))}.</p>" if versions else ""
    )
    machines = sorted({r.machine for r in comparison.runs.values() if r.machine})
    if machines:
        told += f"<p>Processors: {escape(', '.join(machines))}.</p>"
    if comparison.left_out:
        told += f"<p>{count(comparison.left_out, 'shorter run')} left out.</p>"
    if comparison.strangers:
        names = ", ".join(
            f"{method} ({count(n, 'run')})"
            for method, n in comparison.strangers.items()
        )
        told += (
            "<p>Left out, as no problem and seed has a run of every method: "
            f"{escape(names)}.</p>"
        )
    return told


def _figures(comparison: Comparison, figures: Sequence[Chart]) -> str:
    place = {method: i for i, method in enumerate(comparison.methods)}
    return (
        '<div class="figures">'
        + "".join(
            f"<figure><figcaption>{escape(chart.title)}</figcaption>"
            f"{svg.draw(chart, place)}</figure>"
            for chart in figures
        )
        + "</div>"
    )


def _legend(comparison: Comparison) -> str:
    items = "".join(
        f"<li>{svg.swatch(i)}{escape(method)}</li>"
        for i, method in enumerate(comparison.methods)
    )
    return f'<ul class="legend">{items}</ul>'


def _anchor(name: str) -> str:
    return f"problem-{name}"
