from pathlib import Path

import pytest

from pfnbo import shipped

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("kind", ["checkpoints", "priors"])
def test_a_checkout_has_the_folder_beside_the_package(kind):
    assert shipped.folder(kind) == ROOT / kind
    assert shipped.folder(kind).is_dir()


def test_a_wheel_has_the_folder_inside_the_package(tmp_path, monkeypatch):
    (tmp_path / "_checkpoints").mkdir()
    monkeypatch.setattr(shipped, "PACKAGE", tmp_path)
    assert shipped.folder("checkpoints") == tmp_path / "_checkpoints"
