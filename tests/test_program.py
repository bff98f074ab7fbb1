import json
import re
import sys
import time
from pathlib import Path

import pytest

from pfnbo.cli import main
from pfnbo.errors import EvaluationError
from pfnbo.program import Program

pytest.importorskip("optuna")

PARAMETERS = """
trials = 6
seed = 0
initial = 99
[parameters]
width = [1.0, 8.0]
rate = { low = 1e-4, high = 1, log = true }
count = { low = 1, high = 9, integer = true }
alloy = { choices = ["steel", "brass"] }
"""
READ = {
    "arguments": "import sys; w, r, n, alloy = sys.argv[1:]",
    "json": "import json, sys; x = json.load(sys.stdin); w, r, n, alloy = x.values()",
    "template": "w, r, n, alloy = open('input.dat').read().split(';')",
}
SOLVE = """
w, n = float(w), int(n)
assert alloy in ("steel", "brass") and 1e-4 <= float(r) <= 1
print("solving")
"""


@pytest.fixture
def study(tmp_path):
    def write(program="", code="", parameters=PARAMETERS):
        (tmp_path / "solve.py").write_text(code)
        path = tmp_path / "study.toml"
        path.write_text(parameters + program)
        return path

    return write


def _program(words="", more=""):
    return (
        f'[program]\ncommand = ["{sys.executable}", "{{here}}/solve.py"{words}]\n{more}'
    )


def _stored(path):
    from pfnbo.studyfile import StudyFile

    return StudyFile.read(path).optimizer()[0].result()


@pytest.mark.parametrize("way", READ)
@pytest.mark.parametrize("output", ["", "result.json"])
def test_points_reach_the_program_and_results_come_back(study, way, output, capsys):
    words = ', "{width}", "{rate}", "{count}", "{alloy}"' if way == "arguments" else ""
    more = {"json": 'input = "json"\n', "template": 'template = "input.dat"\n'}
    result = 'f\'{{"f": {w * n}, "g": {{"thin": {2 - w}}}}}\''
    say = f"open('result.json', 'w').write({result})" if output else f"print({result})"
    code = f"{READ[way]}\n{SOLVE}\n{say}"
    setting = f'output = "{output}"\n' if output else ""
    path = study(_program(words, more.get(way, "") + setting), code)
    (path.parent / "input.dat").write_text("{width};{rate};{count};{alloy}")
    assert main(["run", str(path), "--quiet"]) == 0
    assert (
        "6 evaluations, ended by n_trials: the best feasible point"
        in capsys.readouterr().out
    )
    result = _stored(path)
    assert result.nfev == 6 and result.n_failed == 0
    for x, f, g in zip(result.x_iters, result.func_vals, result.constr, strict=True):
        assert f == pytest.approx(x["width"] * x["count"], rel=1e-12)
        assert g[0] == pytest.approx(2 - x["width"])
    runs = sorted((path.parent / "study_runs").iterdir())
    assert [run.name for run in runs] == [f"{i:04d}" for i in range(1, 7)]
    assert (runs[0] / "stdout.txt").read_text().startswith("solving")
    assert json.loads((runs[0] / "point.json").read_text()).keys() == set(result.names)


def test_failures_are_kept_with_their_reason_and_the_run_goes_on(study, capsys):
    code = f"""{READ["json"]}
import time
if float(w) > 6: time.sleep(600)
if float(w) < 3: sys.exit("mesh is void")
print(w)"""
    more = 'input = "json"\ntimeout = 2\n'
    path = study(_program(more=more), code, PARAMETERS.replace("= 6", "= 9", 1))
    path.write_text("workers = 3\n" + path.read_text())
    assert main(["run", str(path), "--quiet"]) == 0
    result = _stored(path)
    for x, error in zip(result.x_iters, result.errors, strict=True):
        wanted = "longer than 2 s" if x["width"] > 6 else "exit code 1: mesh is void"
        assert (wanted in error) if not 3 <= x["width"] <= 6 else error == ""
    assert {e[:20] for e in result.errors} > {""} and result.nfev == 9
    assert main(["run", str(path), "--quiet", "--trials", "10"]) == 0
    assert _stored(path).nfev == 10


CONDITIONAL = """
trials = 9
seed = 0
initial = 99
target = 1.0
[parameters]
kernel = { choices = ["linear", "rbf"] }
gamma = { low = 0.1, high = 1.0, when = { kernel = "rbf" } }
"""


def test_what_is_not_active_is_empty_and_a_target_ends_the_run(study, capsys):
    code = "import sys; _, kernel, gamma = sys.argv; print(len(gamma) or 0.5)"
    path = study(_program(', "{kernel}", "{gamma}"'), code, CONDITIONAL)
    assert main(["run", str(path), "--quiet"]) == 0
    assert "ended by target" in capsys.readouterr().out
    result = _stored(path)
    assert result.x == {"kernel": "linear"} and result.fun == 0.5 and result.nfev < 9
    for x, f in zip(result.x_iters, result.func_vals, strict=True):
        assert f == (len(str(x["gamma"])) if "gamma" in x else 0.5)


CATALOGUE = """part,width,rate,count,alloy
A1,2.1,0.5,3,steel
A2,0.3e1,0.001,9,brass
A3,7.9,1e-4,1,steel
"""


def test_candidates_come_from_a_table(study, capsys):
    path = study(parameters='candidates = "parts.csv"\n' + PARAMETERS)
    (path.parent / "parts.csv").write_text(CATALOGUE)
    for _ in range(3):
        assert main(["suggest", str(path)]) == 0
    from pfnbo.studyfile import StudyFile

    asked = StudyFile.read(path).optimizer()[0].pending
    rows = [[2.1, 0.5, 3, "steel"], [3.0, 1e-3, 9, "brass"], [7.9, 1e-4, 1, "steel"]]
    assert sorted(list(x.values()) for x in asked) == rows
    assert all(isinstance(x["count"], int) for x in asked)


@pytest.mark.parametrize(
    "table, message",
    [
        ("width,rate\n1,1\n", "no columns .*count"),
        (CATALOGUE.replace("7.9", "wide"), "line 4: 'width' is 'wide'"),
        (CATALOGUE.replace("brass", "wood"), "candidate 1: .*wood"),
        (CATALOGUE.replace(",3,", ",,"), "candidate 0: .*missing keys .*count"),
        (None, "can't be read"),
    ],
)
def test_a_table_that_has_no_candidates_is_refused(study, table, message, capsys):
    path = study(parameters='candidates = "parts.csv"\n' + PARAMETERS)
    if table:
        (path.parent / "parts.csv").write_text(table)
    assert main(["suggest", str(path)]) != 0
    assert re.search(message, capsys.readouterr().err)


def _solver(tmp_path, code, **settings):
    command = [sys.executable, "-c", code]
    return Program(
        command,
        ["x"],
        here=tmp_path,
        logs=tmp_path / "runs",
        json_input=True,
        **settings,
    )


def test_retries_are_runs_of_their_own(tmp_path):
    code = """
import pathlib
again = pathlib.Path("../again").exists()
pathlib.Path("../again").touch()
print(1.5 if again else "")"""
    assert _solver(tmp_path, code, retries=1)({"x": 1}) == 1.5
    folders = [p for p in (tmp_path / "runs").iterdir() if p.is_dir()]
    assert len(folders) == 2


@pytest.mark.parametrize("said", ["", "solved", "[1, 2]", '{"g": 1}', "true", "null"])
def test_results_without_meaning_are_failures(tmp_path, said):
    with pytest.raises(EvaluationError, match="wanted a number or a line of JSON"):
        _solver(tmp_path, f"print({said!r})")({"x": 1})


def test_what_a_program_started_ends_with_it(tmp_path):
    code = """
import subprocess
child = subprocess.Popen(["sleep", "600"])
print(child.pid, flush=True)
child.wait()"""
    with pytest.raises(EvaluationError, match="longer than 2 s"):
        _solver(tmp_path, code, timeout=2)({"x": 1})
    pid = int((tmp_path / "runs" / "0001" / "stdout.txt").read_text())
    for _ in range(500):
        if _state(pid) in ("", "Z"):  # killed, and maybe nobody has asked
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} is in state {_state(pid)}")


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


@pytest.mark.parametrize(
    "text, told",
    [
        ("trils = 3", "unknown key 'trils': did you mean 'trials'"),
        ("trials = 'x'", "trials is 'x': wanted int"),
        ("trials = true", "trials is True: wanted int"),
        ("trials = 3", r"no \[parameters\]"),
        ("trials = ", "can't be read"),
        ("[parameters]\nx = {low = 1}", "wanted .'high', 'low'."),
        ("[parameters]\nx = {choices = [1], log = true}", "keys .*'log'"),
        ("[parameters]\nx = [2, 1]", "Did you mean"),
        ("[parameters]\nx = [0, 1]", r"no \[program\].* pfnbo suggest"),
        ("[parameters]\nx = [0, 1]\n[program]\ntimeout = 1", "write command"),
        ("[parameters]\nx = [0, 1]\n[program]\ncommand = ['a']", "do not reach"),
        (
            "[parameters]\nx = [0, 1]\n[program]\ncommand = ['{x}']\ntemplate = 't'",
            "template .* can't be read",
        ),
        (
            "[parameters]\nx = [0, 1]\n[program]\ncommand = ['./no', '{x}']",
            "no can't be run",
        ),
    ],
)
def test_files_without_meaning_are_refused(study, text, told, capsys):
    path = study(parameters=text)
    assert main(["run", str(path), "--quiet"]) == 2
    assert re.search(told, capsys.readouterr().err)


def test_points_are_suggested_and_told_by_hand(study, capsys):
    path = str(study(parameters='constraints = ["thin"]\n' + PARAMETERS))

    def suggested(*options):
        assert main(["suggest", path, *options]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    points = suggested("-n", "2") + suggested()
    assert [p["trial"] for p in points] == [0, 1, 2] and suggested(
        "--pending"
    ) == points
    assert len({p["width"] for p in points}) == 3
    assert main(["tell", path, "1", "--f", "2.5", "--g", "thin=-1"]) == 0
    assert "f = 2.5" in capsys.readouterr().out
    assert main(["tell", path, "0", "--failed", "cracked"]) == 0
    capsys.readouterr()
    assert [p["trial"] for p in suggested("--pending")] == [2]
    for trial in ("1", "7"):
        assert main(["tell", path, trial, "--f", "3"]) == 2
        assert f"trial {trial} is not pending" in capsys.readouterr().err
    assert main(["tell", path, "2", "--f", "3"]) == 2
    assert "got 0 constraint values" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["tell", path, "2", "--f", "3", "--g", "thin"])


def test_the_dashboard_is_started_or_explained(tmp_path, monkeypatch, capsys):
    dashboard = pytest.importorskip("optuna_dashboard")
    served = []
    monkeypatch.setattr(
        dashboard, "run_server", lambda storage, **where: served.append(where)
    )
    assert main(["dashboard", str(tmp_path / "no.db")]) == 2
    assert "does not exist" in capsys.readouterr().err and not list(tmp_path.iterdir())
    from pfnbo.storage import open_storage

    open_storage(tmp_path / "s.journal")
    assert main(["dashboard", str(tmp_path / "s.journal"), "--port", "81"]) == 0
    assert served == [dict(host="localhost", port=81)]
    monkeypatch.setattr("pfnbo.commands.dashboard.find_spec", lambda name: None)
    assert main(["dashboard", str(tmp_path / "s.journal")]) == 2
    assert "pip install 'pfnbo[dashboard]'" in capsys.readouterr().err
