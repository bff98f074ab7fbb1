import json
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

from pfnbo import Result, checkpoint, problems
from pfnbo.cli import main, report

PNG = b"\x89PNG"


def test_problems_lists_every_problem_with_its_size(capsys):
    assert main(["problems"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split()[0] == "problem"
    *lines, empty, families, sets = lines
    names = [*problems.names(), *problems.SIMULATED]
    assert [line.split()[0] for line in lines] == names
    told = {line.split()[0]: line.split()[1:] for line in lines}
    assert told["welded_beam"] == ["4", "7", "1", "1.7248523"]
    assert told["airfoil"][2] == "8" and told["airfoil"][-2:] == ["needs", "neuralfoil"]
    assert not empty and "xgboost34" in families and "pfn4sbo" in sets


def test_unknown_problem_is_one_line_on_stderr():
    command = [sys.executable, "-c", "from pfnbo.cli import main; exit(main())"]
    done = subprocess.run(
        [*command, "optimize", "weldedbeam"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "did you mean 'welded_beam'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_optimize_writes_json_and_picture(tmp_path, capsys):
    picture, file = tmp_path / "out.png", tmp_path / "out.json"
    options = ["--trials", "8", "--plot", str(picture), "--json", str(file), "--quiet"]
    assert main(["optimize", "branin", *options]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "best known  0.39788736" in out
    assert "8 evaluations, 8 feasible" in out
    assert picture.read_bytes().startswith(PNG)
    assert json.loads(file.read_text())["nfev"] == 8
    assert f"{Result.load(file).fun:.8g}" in out


@pytest.mark.parametrize(
    "options",
    [
        ["--plot", "no/such/folder.png"],
        ["--plot", "picture.unheard"],
        ["--json", "no/such/folder.json"],
        ["--trials", "-1"],
    ],
)
def test_bad_option_is_refused_before_the_run(options, capsys):
    assert main(["optimize", "branin", "--quiet", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pfnbo: ")


def test_no_trials_still_gives_a_report(tmp_path, capsys):
    picture = tmp_path / "empty.png"
    options = ["--trials", "0", "--quiet", "--plot", str(picture)]
    assert main(["optimize", "welded_beam", *options]) == 0
    assert "0 evaluations" in capsys.readouterr().out
    assert picture.read_bytes().startswith(PNG)


def make_result(**changes):
    fields = dict(
        x={"a": 1.0, "kind": "y"},
        fun=3.0,
        success=True,
        message="done",
        nfev=4,
        x_iters=[
            {"a": a, "kind": k} for a, k in zip((0, 1, 2, 3), "xyxy", strict=True)
        ],
        func_vals=np.array([1.0, 3.0, np.nan, 500.0]),
        constr=np.array([[1.0], [-1.0], [np.nan], [-1.0]]),
        feasible=np.array([False, True, False, True]),
        names=("a", "kind"),
        maximize=False,
        time_suggest=np.array([]),
    )
    return Result(fields | changes)


def test_convergence_tells_feasible_infeasible_and_failed_apart():
    ax = make_result().plot("convergence").axes[0]
    marks = {c.get_label(): c for c in ax.collections}
    lines = {line.get_label(): line for line in ax.lines}
    assert set(marks) == {"feasible", "infeasible"}
    assert set(lines) == {"failed", "best feasible"}
    assert marks["feasible"].get_offsets().tolist() == [[2, 3], [4, 500]]
    assert marks["infeasible"].get_offsets().tolist() == [[1, 1]]
    assert len(marks["infeasible"].get_facecolors()) == 0
    assert lines["failed"].get_xydata().tolist() == [[3, 0]]
    best = lines["best feasible"].get_ydata()
    np.testing.assert_array_equal(best, [np.nan, 3, 3, 3])
    assert ax.get_yscale() == "log"


def test_convergence_is_linear_within_two_decades():
    result = make_result(func_vals=np.array([1.0, 3.0, np.nan, 50.0]))
    assert result.plot("convergence").axes[0].get_yscale() == "linear"


def test_slices_has_one_panel_per_parameter_with_words_as_ticks():
    panels = make_result().plot("slices").axes
    assert [ax.get_xlabel() for ax in panels] == ["a", "kind"]
    assert [t.get_text() for t in panels[1].get_xticklabels()] == ["x", "y"]


def test_failed_points_lie_inside_their_panel():
    points = [{"a": a, "kind": "x"} for a in (0, 1, 9, 2)]
    panel = make_result(x_iters=points).plot("slices").axes[0]
    assert panel.get_xlim()[1] > 9


def test_report_says_violated_and_gives_no_gap_without_a_feasible_point():
    problem = problems.get("gomez3")
    x = dict(zip(problem.space.names, (0.5, 0.75), strict=True))
    result = make_result(x=x, success=False, message="no feasible point found")
    text = report(problem, result)
    assert problem.evaluate(x)[1][0] > 0
    assert "violated" in text
    assert "gap" not in text


def test_priors_are_listed_shown_and_copied(tmp_path, capsys):
    assert main(["priors"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} >= {"engineering", "gp_fixed"}
    picture, mine = tmp_path / "draws.png", tmp_path / "mine.py"
    options = ["--plot", str(picture), "--copy", str(mine)]
    assert main(["priors", "gp_fixed", *options]) == 0
    assert "pfnbo pretrain gp_fixed" in capsys.readouterr().out
    assert picture.read_bytes().startswith(PNG)
    assert main(["priors", str(mine)]) == 0
    assert main(["priors", "gp_fixed", "--copy", str(mine)]) == 2
    assert "exists" in capsys.readouterr().err
    assert main(["priors", "--copy", str(mine)]) == 2
    assert "name the recipe" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, told",
    [
        (["nothing"], "no checkpoint"),
        (["engineering", "--recipe", "nothing"], "no recipe"),
        (["engineering", "--tasks", "0"], "at least 1"),
    ],
)
def test_an_evaluation_that_cannot_be_is_refused(options, told, capsys):
    assert main(["eval", *options]) == 2
    assert told in capsys.readouterr().err


def test_eval_prints_losses_intervals_and_parts_of_the_probability(
    capsys, monkeypatch, tmp_path
):
    monkeypatch.setattr("pfnbo.evaluate.ROWS", (8,))
    copy = shutil.copytree(checkpoint.find("engineering"), tmp_path / "net")
    asked = ["eval", str(copy), "--recipe", "gp_fixed", "--tasks", "3", "--save"]
    assert main(asked) == 0
    assert list(checkpoint.load(copy).scores) == ["loss with 5-8 rows"]
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["family", "rows", "tasks", "network", "GP"]
    words = [line.split()[0] for line in lines if line]
    assert words[:2] == ["gp", "all"] and words[-1] == "0.9-1.0"
    assert [word for word in words if "%" in word] == ["50%", "80%", "95%"]


def test_a_cluster_that_is_none_is_told(capsys, monkeypatch):
    def join():
        raise ValueError("coordinator_address should be defined.")

    monkeypatch.setattr(jax.distributed, "initialize", join)
    assert main(["pretrain", "gp_fixed", "--distributed"]) == 2
    assert "found no cluster" in capsys.readouterr().err
