"""The page of a running study."""

import re
from datetime import datetime

import pytest

pytest.importorskip("optuna")

from pfnbo import Categorical, Optimizer
from pfnbo.cli import main
from pfnbo.report.live import live
from pfnbo.storage import open_storage
from pfnbo.storage.ledger import shown

NOON = datetime(2030, 1, 2, 12)


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "s.journal"
    space = {"x": (0.0, 1.0), "steel": Categorical(["<a>", "b"])}
    optimizer = Optimizer(space, n_constraints=["stress"], storage=path, n_initial=9)
    for y, g in ((3.0, 1.0), (5.0, -1.0), (4.0, -2.0)):
        optimizer.tell(optimizer.ask()[0], y, [g])
    optimizer.tell(optimizer.ask()[0], failed="no licence")
    optimizer.ask()
    return path


def _page(path, **settings):
    trials, maximize = shown(open_storage(path), "study")
    return live("study", trials, maximize=maximize, now=NOON, **settings)


def test_the_page_tells_what_is_done_and_what_is_best(study):
    html = _page(study)
    assert "4 evaluations done, 1 of them failed, 1 under way" in html
    assert "As of 2030-01-02 12:00:00" in html
    assert "Best so far: evaluation 2" in html
    for state in ("infeasible", "feasible", "no licence", "running"):
        assert html.count(f'data-value="{state}"') == (2 if state == "feasible" else 1)
    assert "&lt;a&gt;" in html and "<a>" not in html
    assert not re.search(r"https?://|src=|@import|url\(", html)
    assert "nan" not in re.sub(r'data-value="nan"|<script>.*', "", html, flags=re.S)


def test_what_a_failure_left_unknown_is_no_value_and_long_reasons_are_cut(study):
    optimizer = Optimizer(
        {"x": (0.0, 1.0), "steel": Categorical(["<a>", "b"])}, storage=study
    )
    optimizer.tell(optimizer.ask()[0], failed="no licence " * 30)
    html = _page(study)
    assert "∞" not in html and "inf" not in re.findall(r'data-value="([^"]*)"', html)
    assert max(map(len, re.findall(r">([^<]*no licence[^<]*)<", html))) <= 60


def test_only_a_page_that_is_kept_is_loaded_again(study):
    assert 'http-equiv="refresh" content="5"' in _page(study, every=5.0)
    assert "refresh" not in _page(study)


def test_the_latest_evaluation_comes_first(study):
    rows = re.findall(r'<th scope="row" data-value="(\d+).0">', _page(study))
    assert rows == ["4", "3", "2", "1", "0"]


def test_a_study_of_nothing_has_a_page():
    html = live("empty", [], maximize=False, now=NOON)
    assert "no evaluations done" in html and "No evaluation has satisfied" in html


def test_the_largest_is_best_where_that_is_sought(tmp_path):
    optimizer = Optimizer([(0, 1)], maximize=True, storage=tmp_path / "s.journal")
    for y in (1.0, 3.0, 2.0):
        optimizer.tell(optimizer.ask()[0], y)
    html = _page(tmp_path / "s.journal")
    assert "evaluation 1</h2>" in html and "The largest objective" in html


def test_the_command_writes_a_page_and_renews_it(study, monkeypatch, capsys):
    output = study.with_name("page.html")
    command = ["watch", str(study), "-o", str(output)]
    assert main([*command, "--once"]) == 0
    assert "refresh" not in output.read_text()
    assert "shows 'study'" in capsys.readouterr().out
    pages = []

    def rest(seconds):
        pages.append(output.read_text())
        if len(pages) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("pfnbo.commands.watch.time.sleep", rest)
    assert main([*command, "--every", "7"]) == 0
    assert all('content="7"' in page for page in pages)
    assert "refresh" not in output.read_text()
    assert sorted(p.name for p in study.parent.glob("page*")) == ["page.html"]


@pytest.mark.parametrize(
    "change, words",
    [
        (["--name", "other"], "no study 'other'"),
        (["--every", "0"], "--every"),
        (["-o", "no/such/page.html"], "does not exist"),
    ],
)
def test_what_cannot_be_shown_is_told(study, change, words, capsys):
    assert main(["watch", str(study), *change]) == 2
    assert words in capsys.readouterr().err


def test_of_several_studies_one_is_named(study, capsys):
    Optimizer([(0, 1)], storage=study, name="second").ask()
    assert main(["watch", str(study), "--once"]) == 2
    assert "several studies" in capsys.readouterr().err
    assert main(["watch", "missing.journal"]) == 2
