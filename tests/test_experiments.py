"""The scripts behind every figure still run, each in its cheapest form."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "experiments"
RESULTS = [f"experiments/compare/{name}" for name in ("peers.csv", "pfnbo.jsonl")]
FOLDERS = sorted(path.parent.name for path in FOLDER.glob("*/run.py"))
CHEAP = {
    "compare/table.py": [*RESULTS, "--set", "constrained"],
    "ablation/run.py": ["--seeds", "0"],
    "engineering/table.py": [],
    "speed/run.py": ["--quick", "--parts", "memory", "growth", "start", "suggestions"],
}


@pytest.mark.parametrize("script", CHEAP)
def test_a_script_prints_a_table(script):
    run = [sys.executable, str(FOLDER / script), *CHEAP[script]]
    out = subprocess.run(run, cwd=ROOT, capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    assert out.stdout.count("\n|") > 1


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_script_explains_itself(folder):
    run = [sys.executable, str(FOLDER / folder / "run.py"), "--help"]
    out = subprocess.run(run, cwd=ROOT, capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    assert "usage:" in out.stdout
