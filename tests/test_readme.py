import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def test_readme_has_a_python_block():
    assert BLOCKS


def test_python_blocks_do_what_they_promise(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "readme"}
    for code in BLOCKS:
        exec(compile(code, "README.md", "exec"), names)
    assert names["result"].success
    assert ((names["low"] < names["y"]) & (names["y"] < names["high"])).mean() > 0.7


def test_links_and_tree_name_files_that_exist():
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", README)
    tree = re.findall(r"^```text\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)[0]
    parent = ""
    for line in tree.splitlines():
        name = line.split()[0]
        parent = parent if line.startswith(" ") else name
        links.append(name if name == parent else parent + name)
    assert [path for path in links if not (ROOT / path).exists()] == []
