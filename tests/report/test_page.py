"""The page: complete without a network, and a browser shows and sorts it."""

import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from pfnbo.bench.results import Appender, Run
from pfnbo.cli import main
from pfnbo.errors import BenchError
from pfnbo.report import charts
from pfnbo.report.comparison import Comparison
from pfnbo.report.page import page
from pfnbo.report.svg import ticks

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
    --disable-background-networking --disable-component-update --disable-sync"""
VOID = ("meta", "link")


def make_run(problem, method, seed, quality, trials=12):
    rng = np.random.default_rng(seed)
    f = (
        5.0
        + 10.0 ** -(quality * np.arange(trials) / trials)
        + 0.01 * rng.random(trials)
    )
    violation = np.where(np.arange(trials) < 2 + seed, 1.5, 0.0)
    if method == "lost":
        violation[:] = 2.0
    spent = np.where(np.arange(trials) < 4, 0.0, 0.1 * quality)
    versions = {"numpy": "2"}
    known = method == "<b>&" and problem in ("gomez3", "unheard")
    told = 99, "2030-01-02", versions, [0.25, -0.5] if known else (), "Turing & co"
    return Run(problem, method, seed, 4, f, violation, spent, spent, *told)


def make_runs():
    methods = {"cma:sigma=0.1": 1, "cma": 2, "random": 0.5, "lost": 3, "<b>&": 4}
    runs = [
        make_run(problem, method, seed, quality)
        for problem in ("gomez3", "unheard")
        for method, quality in methods.items()
        for seed in range(3)
    ]
    return {run.key: run for run in runs}


class Balance(HTMLParser):
    """Checks that every tag is closed by its own end."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.targets = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        told = dict(attrs)
        if "id" in told:
            self.ids.append(told["id"])
        if tag == "a":
            self.targets.append(told["href"])

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_no_network():
    html = page(Comparison(make_runs()), "A <title>")
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    assert set(parser.targets) == {f"#{name}" for name in parser.ids}
    assert not re.search(r"https?://|src=|@import|url\(", html)
    assert "<b>&<" not in html and "&lt;b&gt;&amp;" in html
    assert "nan" not in re.sub(r'data-value="nan"|<script>.*', "", html, flags=re.S)
    assert "5 methods on 2 problems, 3 seeds: 30 runs of 12 evaluations" in html


def test_a_method_without_a_feasible_design_is_last_and_infinite():
    comparison = Comparison(make_runs())
    assert comparison.methods[-1] == "lost" and comparison.methods[0] == "<b>&"
    assert comparison.gap("gomez3", "lost") == np.inf
    assert np.isnan(comparison.improvement("gomez3", "lost"))
    assert comparison.improvement("gomez3", "random") == 0
    assert comparison.against_random("random") == 1
    assert comparison.p_values.keys() == set(comparison.methods[1:])
    assert comparison.spreads[0].settings == ("cma", "cma:sigma=0.1")
    assert comparison.f_star["unheard"] == min(
        run.incumbents[-1] for run in comparison.of(problem="unheard")
    )


def test_the_best_design_is_told_with_the_best_known_one():
    html = page(Comparison(make_runs()))
    assert "best found, by &lt;b&gt;&amp;" in html
    assert "Processors: Turing &amp; co." in html
    assert ">0.25<" in html and ">-0.5<" in html
    assert html.count("<h3>Designs</h3>") == 1  # nobody knows the other problem
    # A run of before designs were kept may be the best.
    better = make_run("gomez3", "cma", 0, 9)
    runs = make_runs() | {better.key: better}
    assert "<h3>Designs</h3>" not in page(Comparison(runs))
    lost = make_run("unheard", "lost", 0, 1)
    assert "No run found a feasible design" in page(Comparison({lost.key: lost}))


def test_a_problem_without_a_feasible_design_spoils_no_rank():
    impossible = "stepped_cantilever_as_released"
    runs = [
        make_run(problem, method, 0, quality)
        for problem in ("gomez3", impossible)
        for method, quality in (("cma", 2), ("random", 0.5))
    ]
    for run in runs:
        if run.problem == impossible:
            run.violation[:] = 1.0
    comparison = Comparison({run.key: run for run in runs})
    np.testing.assert_array_equal(np.sort(comparison.ranks.mean), [1.25, 1.75])
    assert comparison.methods == ("cma", "random")
    assert "Remarks: no design is feasible" in page(comparison)
    assert "Best known value inf" not in page(comparison)
    assert "nan" not in re.sub(
        r'data-value="nan"|<script>.*', "", page(comparison), flags=re.S
    )


def test_shorter_runs_are_left_out_and_told():
    runs = make_runs()
    short = make_run("gomez3", "cma", 7, 1, trials=6)
    comparison = Comparison(runs | {short.key: short})
    assert (comparison.trials, comparison.left_out) == (12, 1)
    assert "1 shorter run left out" in page(comparison)
    assert Comparison(runs | {short.key: short}, 5).trials == 5


def test_runs_that_share_nothing_are_refused():
    with pytest.raises(BenchError, match="pfnbo bench"):
        Comparison({})
    apart = [make_run("gomez3", "cma", 0, 1), make_run("gomez3", "random", 1, 1)]
    with pytest.raises(BenchError, match="--methods"):
        Comparison({run.key: run for run in apart})


def test_methods_without_a_shared_run_are_left_out_and_told():
    stranger = make_run("elsewhere", "pymoo", 0, 1)
    comparison = Comparison(make_runs() | {stranger.key: stranger})
    assert comparison.strangers == {"pymoo": 1}
    assert "pymoo" not in comparison.methods and len(comparison.methods) == 5
    assert comparison.problems == ("gomez3", "unheard")
    assert "run of every method: pymoo (1 run)" in page(comparison)
    assert not Comparison(make_runs()).strangers


@pytest.mark.parametrize(
    "kept, lost",
    [
        # The one with the most runs shares none of them.
        ({"a": "p01", "b": "p01", "x": "q012"}, {"x": 3}),
        # The first two share no seed, each of the others some.
        ({"a": "p01", "b": "p34", "c": "p34"}, {"a": 2}),
        # One that shares little stays, another with more runs goes.
        ({"a": "p01", "b": "p01", "c": "p1", "x": "q01"}, {"x": 2}),
        ({"a": "p0", "b": "q0", "c": "p0q0"}, {"a": 1}),
    ],
)
def test_as_many_methods_as_can_be_are_kept(kept, lost):
    runs = [
        make_run(part[0], method, int(seed), 1)
        for method, told in kept.items()
        for part in re.findall(r"[pq]\d+", told)
        for seed in part[1:]
    ]
    for order in (runs, runs[::-1]):
        assert Comparison({run.key: run for run in order}).strangers == lost


def test_problems_have_tests_of_their_own():
    comparison = Comparison(make_runs())
    p = comparison.p_values_on("gomez3")
    assert list(p) == list(comparison.methods[1:])
    assert set(p.values()) == {1.0}  # three seeds tell 1/4, times four methods
    many = [
        make_run("gomez3", method, seed, quality, trials=40)
        for method, quality in (("cma", 4), ("random", 0.5))
        for seed in range(7)
    ]
    late = make_run("unheard", "cma", 0, 4, trials=40)
    comparison = Comparison({run.key: run for run in [*many, late]})
    assert comparison.p_values_on("gomez3") == {"random": pytest.approx(2 / 2**7)}
    assert comparison.p_values_on("unheard") == {}


def test_gaps_relative_to_random_search_by_hand():
    runs = [make_run("gomez3", m, 0, 1) for m in ("cma", "random")]
    f_star = Comparison({run.key: run for run in runs}).f_star["gomez3"]
    for run, factor in zip(runs, (0.5, 1.0), strict=True):
        run.f[:] = f_star + factor * np.arange(12, 0, -1)
    chart = charts.relative(Comparison({run.key: run for run in runs}))
    halves = {series.method: series.y for series in chart.series}
    np.testing.assert_allclose(halves["cma"], [1, 1] + [0.5] * 10)  # none, and half
    np.testing.assert_array_equal(halves["random"], 1)
    assert not charts.relative(Comparison({runs[0].key: runs[0]})).series


def test_ticks_are_round_and_within():
    assert ticks(0, 1, False) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert ticks(1e-5, 20, True) == pytest.approx([1e-5, 1e-3, 0.1, 10])
    assert ticks(0.8, 20, True) == pytest.approx([1, 2, 5, 10, 20])
    assert ticks(1.5, 4, True) == pytest.approx([2])
    assert all(3 <= t <= 47 for t in ticks(3, 47, False))


@pytest.fixture
def written(tmp_path):
    results = tmp_path / "r.jsonl"
    with Appender(results) as file:
        for run in make_runs().values():
            file.append(run)
    return results


def test_the_command_writes_a_page_and_pictures(written, tmp_path, capsys):
    html, folder = tmp_path / "out.html", tmp_path / "png"
    options = ["-o", str(html), "--png", str(folder), "--methods", "cma", "random"]
    assert main(["report", str(written), *options]) == 0
    assert "12 runs are in" in capsys.readouterr().out
    assert html.read_text().startswith("<!doctype html>")
    files = {path.name for path in folder.iterdir()}
    assert {"solved.png", "convergence_gomez3.png", "convergence.png"} <= files
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.iterdir())
    assert main(["report", str(written), "-o", "no/such/folder.html"]) == 2
    assert "does not exist" in capsys.readouterr().err


@pytest.fixture
def browser(tmp_path):
    webdriver = pytest.importorskip("selenium.webdriver")
    found = shutil.which("chromium"), shutil.which("chromedriver")
    if not all(found):
        pytest.skip("no Chromium with its driver is installed")
    options = webdriver.ChromeOptions()
    options.binary_location = found[0]
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=found[1])
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


def column(browser, number):
    rows = browser.find_elements(
        "css selector", "#overview table:first-of-type tbody tr"
    )
    return [row.find_elements("css selector", "th, td")[number].text for row in rows]


def test_a_browser_shows_and_sorts_it(browser, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(page(Comparison(make_runs())))
    browser.get(file.as_uri())
    assert browser.get_log("browser") == []
    heads = browser.find_elements("css selector", "#overview thead th button")
    gap = [head.text for head in heads].index("median gap")
    names = column(browser, 0)[:5]
    assert names[0] == "<b>&" and names[-1] == "lost"
    for order in ("ascending", "descending"):
        heads[gap].click()
        told = column(browser, gap)[:5]
        values = [float(text.replace("∞", "inf")) for text in told]
        assert values == sorted(values, reverse=order == "descending")
        head = browser.find_elements("css selector", "#overview thead th")[gap]
        assert head.get_attribute("aria-sort") == order
    heads[0].click()
    assert column(browser, 0)[:5] == sorted(names, key=str.lower)
    browser.set_window_size(390, 800)
    wide = "return document.documentElement.scrollWidth <= innerWidth"
    assert browser.execute_script(wide)
    assert browser.get_log("browser") == []
