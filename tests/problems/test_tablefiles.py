"""Files that tables are read from: originals, small ones, wrong ones, those shipped."""

import gzip
import itertools
import re
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from pfnbo.errors import ProblemError
from pfnbo.problems import tablefiles, tables

ORIGINALS = Path(__file__).parents[2].parent / "shared" / "data"
ASTRASIM = "nas/archgym_astrasim.csv.gz"
LOADERS = {
    "gb1": tables.gb1,
    "tfbind8": tables.tfbind8,
    "nasbench201": partial(tables.nasbench201, "cifar10"),
    "xgboost": partial(tables.xgboost, 0),
    "astrasim": tables.astrasim,
}
LICENCES = {
    "Apache-2.0": ("LICENSE-APACHE-2.0.txt", "Apache License"),
    "MIT": ("LICENSE-MIT.txt", "MIT License"),
    "CC BY 4.0": ("LICENSE-CC-BY-4.0.txt", "Attribution 4.0 International"),
}


def original(name):
    if not (ORIGINALS / name).exists():
        pytest.skip(f"{ORIGINALS / name} is not there")
    return ORIGINALS / name


@pytest.mark.parametrize(
    ("loader", "name", "off"),
    [
        (tables.gb1, "tables/gb1/gb1_4site.csv.gz", 1e-6),
        (tables.tfbind8, "tables/tfbind8/tfbind8_SIX6_REF_R1.npz", 0),
        *(
            (partial(tables.nasbench201, i), "nas/nb201_acc.npz", 1e-3)
            for i in tables.IMAGES
        ),
        (tables.astrasim, ASTRASIM, 0),
    ],
)
def test_an_original_says_what_is_shipped(loader, name, off):
    own, shipped = loader(path=original(name)), loader()
    assert own.name == shipped.name and repr(own.space) == repr(shipped.space)
    assert np.max(np.abs(own.fn.values - shipped.fn.values)) <= off
    assert own(shipped.x_star) == pytest.approx(own.f_star, abs=off)
    for a, b in zip(
        getattr(own.fn, "cheaper", ()), getattr(shipped.fn, "cheaper", ()), strict=True
    ):
        assert np.max(np.abs(a - b)) <= off


def test_the_original_tables_of_xgboost_say_what_is_shipped():
    path = original("tables/hpobench_xgb/hpobench_xgb_48tasks.npz")
    for task in range(48):
        own, shipped = tables.xgboost(task, path), tables.xgboost(task)
        np.testing.assert_array_equal(own.fn.values, shipped.fn.values)
        np.testing.assert_array_equal(own.fn.rows, shipped.fn.rows)


def test_the_two_files_of_archgym_say_what_is_shipped(tmp_path):
    with gzip.open(original(ASTRASIM), "rt") as file:
        lines = [line.strip().split(",") for line in file]
    for name, part in zip(
        tablefiles.ASTRASIM, (slice(34), slice(34, None)), strict=True
    ):
        text = "\n".join(",".join(line[part]) for line in lines)
        (tmp_path / name).write_text(text)
    own, shipped = tables.astrasim(tmp_path), tables.astrasim()
    np.testing.assert_array_equal(own.fn.values, shipped.fn.values)
    np.testing.assert_array_equal(own.fn.rows, shipped.fn.rows)


def test_gb1_reads_further_columns_from_a_zip(tmp_path):
    path = tmp_path / "four.csv.zip"
    with zipfile.ZipFile(path, "w") as file:
        head = "Variants,HD,Count input,Fitness,sequence"
        file.writestr("four.csv", f"{head}\nVDGV,0,92735,1.0,MQYK\nADGV,1,34,0.06,MQ\n")
        file.writestr("__MACOSX/._four.csv", "")
    problem = tables.gb1(path)
    assert problem(list("ADGV")) == -0.06 and problem.f_star == -1
    assert "the 159,998 of 160,000 variants" in problem.remarks


def test_a_file_that_changes_is_read_again(tmp_path):
    path = tmp_path / "gb1.csv"
    for fitness in (1, 2):
        path.write_text(f"variant,fitness\nVDGV,{fitness}\n")
        assert tables.gb1(path).f_star == -fitness


def strands():
    """One DNA of each pair with its reverse complement, sorted."""
    for word in map("".join, itertools.product("ACGT", repeat=8)):
        other = word.translate(str.maketrans("ACGT", "TGCA"))[::-1]
        if word <= other:
            yield word, other


def share(word):
    """A score that is not that of the other strand, in units of 1e-5."""
    return 1000 * word.count("A") + word.count("G")


@pytest.mark.parametrize("both", [True, False])
def test_tfbind8_reads_text(tmp_path, both):
    path = tmp_path / "factor_8mers.txt"
    names = ["8-mer", "8-mer", "E-score", "Median", "Z-score"]
    lines = [[*pair, str(share(pair[0]) / 1e5), "1", "2"] for pair in strands()]
    cut = 0 if both else 1
    path.write_text("\n".join("\t".join(line[cut:]) for line in (names, *lines)))
    problem = tables.tfbind8(path)
    for word in ("AAAAAAAA", "TTTTTTTT"):
        assert problem(list(word)) == problem.f_star == -0.08
    assert problem(list("CCCCCCCC")) == 0


def test_tfbind8_reads_arrays(tmp_path):
    path = tmp_path / "factor.npz"
    np.savez(path, escore_e5=[share(first) for first, _ in strands()])
    problem = tables.tfbind8(str(path))
    for word, other in itertools.islice(strands(), 0, None, 1000):
        assert problem(list(word)) == problem(list(other)) == -share(word) / 1e5


def cells(**changed):
    """Arrays of NAS-Bench-201 in which only the first edge counts."""
    arch = np.indices((5,) * 6).reshape(6, -1).T[::-1]
    runs = np.full((len(arch), 3, 2), np.nan)
    runs[..., 0] = 10.0 * arch[:, :1] + np.arange(3)
    runs[:10, :, 1] = runs[:10, :, 0] + 2
    return {
        # The operations and data sets have other numbers than in pfnbo.
        "ops": tables.OPERATIONS[::-1],
        "datasets": tables.IMAGES[::-1],
        "arch": arch,
        "val_acc": runs,
        "val_acc_12ep_cifar10": arch[:, 0],
        **changed,
    }


def test_nasbench201_reads_arrays(tmp_path):
    path = tmp_path / "cells.npz"
    np.savez(path, **cells())
    problem = tables.nasbench201("cifar10", path)
    rest = ["avg_pool_3x3"] * 5
    assert problem(["avg_pool_3x3", *rest]) == 100 - 2
    assert problem(["avg_pool_3x3", *rest], 0) == 100
    assert problem(["none", *rest]) == problem.f_star + 1 == 100 - 42
    # The first cells of the file have a second run.
    assert problem(["none"] * 6) == 100 - (42 + 44) / 2
    assert tables.nasbench201("ImageNet16-120", path)(["skip_connect", *rest]) == 70


def settings(**changed):
    x = np.array([low.low for low in tables.XGBOOST.values()], np.float32)
    x = np.tile(x, (2, 3, 1))
    x[:, 1, 0] = 1
    return {
        "x": x,
        "y": [[0.3, 0.2, np.nan], [0.5, 0.6, 0.1]],
        "n": [2, 3],
        **changed,
    }


def test_xgboost_reads_arrays(tmp_path):
    path = tmp_path / "tasks.npz"
    np.savez(path, **settings())
    problem = tables.xgboost(0, path)
    x = [0.9, *problem.fn.rows[0, 1:]]
    assert problem(x) == problem.f_star == 0.2
    assert "nearest of 2 settings" in problem.remarks
    assert tables.xgboost(1, path).f_star == 0.1
    with pytest.raises(ProblemError, match="xgboost got task 2: there are 0 to 1."):
        tables.xgboost(2, path)


def test_astrasim_reads_text(tmp_path):
    path = tmp_path / "designs.csv"
    path.write_text(
        "kind,latency,bandwidth,same,links-count-1,observation-1,observation-2\n"
        "Ring,1,0.5,7,1,3.5,1\n"
        "Switch,9,2.5,7,2,2.5,2\n"
    )
    problem = tables.astrasim(path)
    assert list(problem.space) == ["kind", "latency", "bandwidth"]
    assert problem.point(problem.x_star) == {
        "kind": "Switch",
        "latency": 9,
        "bandwidth": 2.5,
    }
    assert problem({"kind": "Ring", "latency": 2, "bandwidth": 1.0}) == 3.5


@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS)
def test_files_that_cannot_be_read(tmp_path, loader):
    with pytest.raises(ProblemError, match=r"missing\S* can't be read as a table: "):
        loader(path=tmp_path / "missing.npz")
    (tmp_path / "short.gz").write_bytes(gzip.compress(b"variant,fitness\n")[:-9])
    with pytest.raises(ProblemError, match=r"short.gz (can't be|is no table)"):
        loader(path=tmp_path / "short.gz")


WRONG = {
    "gb1": {
        "": "it is empty",
        "variant,fitness\n": "it is empty",
        "variant,score\nVDGV,1\n": "there is no column fitness",
        "variant,fitness\nVDGV,inf\n": "1 values are missing or not finite",
        "variant,fitness\nVDGV,1\nVDGV\n": "row 2 has 1 words, the head 2",
        "variant,fitness\nVDGB,1\n": "got 'VDGB'",
    },
    "tfbind8": {
        "8-mer,E-score\nAAAAAAAA,1\n": "there is no column 8-mer",
        "8-mer\tE-score\nAAAAAAAA\t1\n": "65,534 values are missing",
        "8-mer\tE-score\nAAAAAAAA\thigh\n": "could not convert",
    },
    "astrasim": {
        "a,b\n1,2\n": "there is no column observation-1",
        "a,observation-1\n1,2\n1,3\n": "none varies",
        "a,observation-1\n1,2\nnan,3\n": "1 values are missing",
        "a,observation-1\n1,2\n2,slow\n": "could not convert",
    },
    "nasbench201": {"ops,arch\n": "it is no .npz"},
    "xgboost": {"x,y,n\n": "it is no .npz"},
}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [(name, *case) for name, cases in WRONG.items() for case in cases.items()],
)
def test_text_that_is_no_table(tmp_path, name, text, message):
    path = tmp_path / "wrong.csv"
    path.write_text(text)
    with pytest.raises(
        ProblemError, match=r"wrong.csv is no table of \S+: wanted .*"
    ) as caught:
        LOADERS[name](path=path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "arrays", "message"),
    [
        ("tfbind8", {"score": [1]}, "escore_e5 is not a file"),
        ("tfbind8", {"escore_e5": [1, 2]}, "(2,) scores and not (32896,)"),
        ("tfbind8", {"escore_e5": np.array([{}])}, "allow_pickle=False"),
        ("nasbench201", {"ops": [1]}, "arch is not a file"),
        ("nasbench201", cells(arch=np.full((15625, 6), 7)), "out of bounds"),
        ("nasbench201", cells(arch=np.zeros((15625, 6), int)), "are missing"),
        ("nasbench201", cells(ops=["none"] * 4 + ["conv"]), "ops are "),
        ("nasbench201", cells(datasets=["mnist"] * 3), "'cifar10' is not in list"),
        ("xgboost", settings(n=[3, 3]), "1 values are missing or not finite"),
        ("xgboost", settings(n=[0, 3]), "n is 0 in task 0"),
        ("xgboost", settings(n=[4, 3]), "n is 4 in task 0"),
        ("xgboost", settings(y=[[1.0, 2.0]]), "they are (2, 3, 6), (1, 2), (2,)"),
        ("xgboost", {"x": [1]}, "y is not a file"),
    ],
)
def test_arrays_that_are_no_table(tmp_path, name, arrays, message):
    path = tmp_path / "wrong.npz"
    np.savez(path, **arrays)
    with pytest.raises(
        ProblemError, match="wrong.npz is no table of .* wanted"
    ) as caught:
        LOADERS[name](path=path)
    assert message in str(caught.value)


def test_settings_out_of_the_space(tmp_path):
    path = tmp_path / "wrong.npz"
    x = settings()["x"]
    x[0, 1, 4] = 3
    np.savez(path, **settings(x=x))
    wanted = "xgboost got 3 for x5 in row 1 of task 0: wanted 1e-05 to 2."
    with pytest.raises(ProblemError, match=wanted):
        tables.xgboost(0, path)


def test_an_array_alone_is_no_table(tmp_path):
    path = tmp_path / "wrong.npy"
    np.save(path, np.zeros(3))
    with pytest.raises(ProblemError, match="wrong.npy is no table of XGBoost: wanted"):
        tables.xgboost(0, path)


def test_every_table_is_shipped_with_its_licence():
    readme = (tablefiles.DATA / "README.md").read_text(encoding="utf-8")
    rows = [
        line.strip("| ").split(" | ") for line in re.findall(r"^\| `.*", readme, re.M)
    ]
    assert all(len(row) == 5 for row in rows)
    licence = {row[0].strip("`"): row[-1] for row in rows}
    files = {path.name for path in tablefiles.DATA.iterdir()} - {"README.md"}
    texts = {name for name in files if name.startswith("LICENSE")}
    assert files - texts == licence.keys()
    for name, told in licence.items():
        named = [short for short in LICENCES if re.search(rf"\b{short}\b", told)]
        assert named, f"no licence of {name}"
        for text, title in map(LICENCES.get, named):
            content = (tablefiles.DATA / text).read_text(encoding="utf-8")
            assert title in content.split("\n\n")[0] and text in readme
    mit = (tablefiles.DATA / "LICENSE-MIT.txt").read_text(encoding="utf-8")
    for name, told in licence.items():
        assert "MIT" not in told or f"({name})" in mit  # each has its copyright notice


def test_what_is_shipped_is_small():
    assert sum(path.stat().st_size for path in tablefiles.DATA.rglob("*")) < 6e6
