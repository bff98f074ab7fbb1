"""Problems that are looked up in tables: published values, and designs off the rows."""

import gzip

import numpy as np
import pytest

from pfnbo import problems
from pfnbo.errors import ProblemError
from pfnbo.problems import tables
from pfnbo.space import Space


def test_gb1_has_the_published_variants():
    problem = tables.gb1()
    assert problem(list("VDGV")) == -1  # the wild type
    assert problem(list("FWAA")) == problem.f_star == -8.76197
    assert list(problem.point(problem.x_star).values()) == list("FWAA")
    fitness = tables.gb1_fitness()
    assert np.isfinite(fitness).sum() == 149_361
    assert fitness.size == 160_000 and np.sum(fitness > 4) == 311


def test_gb1_has_lower_summits_that_no_single_change_leaves():
    problem, summit = tables.gb1(), list("IWGF")
    assert problem(summit) == -5.77203
    changes = [
        summit[:site] + [acid] + summit[site + 1 :]
        for site in range(4)
        for acid in tables.AMINO_ACIDS
    ]
    assert min(map(problem, changes)) == problem(summit)


def test_gb1_reads_the_table_of_a_path(tmp_path):
    path = tmp_path / "gb1.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write("Variants,Fitness\nVDGV,1.0\nFWAA,8.76197\nAAAA,0.25\n")
    problem = tables.gb1(path)
    assert problem(list("AAAA")) == -0.25 and problem(list("AAAC")) == 0
    assert problem.f_star == -8.76197


@pytest.mark.parametrize("line", ["VDGB,1.0", "VDG,1.0", "VDGV,high", "VDGV"])
def test_a_file_that_is_no_table_of_gb1(tmp_path, line):
    path = tmp_path / "gb1.csv"
    path.write_text(f"Variants,Fitness\n{line}\n")
    with pytest.raises(ProblemError, match="gb1.csv is no table of GB1: wanted a head"):
        tables.gb1(path)
    with pytest.raises(ProblemError, match="missing.csv can't be read as a table"):
        tables.gb1(tmp_path / "missing.csv")


def test_both_strands_bind_alike():
    problem, pairs = tables.tfbind8(), dict(zip("ACGT", "TGCA", strict=True))
    rng = np.random.default_rng(0)
    for word in rng.choice(list("ACGT"), (50, 8)):
        word = [str(base) for base in word]
        assert problem(word) == problem([pairs[base] for base in reversed(word)])
    # The best of the worse half, as Design-Bench publishes it.
    scores = np.sort(-problem.fn.values.ravel())
    scores = (scores - scores[0]) / np.ptp(scores)
    assert scores[4**8 // 2 - 1] == pytest.approx(0.439, abs=5e-4)


def test_nasbench201_has_the_published_optima():
    best = {"cifar10": 91.61, "cifar100": 73.49, "ImageNet16-120": 46.73}
    for images, accuracy in best.items():
        problem = tables.nasbench201(images)
        assert 100 - problem.f_star == pytest.approx(accuracy, abs=0.006)
    # A cell without operations passes nothing on: one of ten classes is guessed.
    problem = tables.nasbench201("cifar10")
    assert problem(["none"] * 6) == pytest.approx(90, abs=0.3)
    assert problem.costs == (0.06, 1.0)


def test_the_cheap_training_of_nasbench201_ranks_cells_much_as_the_long_one():
    fn = tables.nasbench201("cifar10").fn
    cheap, long = fn.cheaper[0].ravel(), fn.values.ravel()
    ranks = [np.argsort(np.argsort(values)) for values in (cheap, long)]
    assert np.corrcoef(ranks)[0, 1] == pytest.approx(0.9, abs=0.1)
    x = np.array([3, 3, 3, 3, 3, 3])
    assert tables.nasbench201("cifar10")(x, 0) == fn.cheaper[0][(3,) * 6]


def test_every_table_of_xgboost_is_a_problem():
    sizes = [len(tables.xgboost(task).fn.values) for task in range(48)]
    assert sizes == [1000] * 47 + [897]
    # The majority class is wrong in as many cases, and half of the settings find it.
    assert np.median(problems.get("xgboost7").fn.values) == pytest.approx(0.0551, 1e-3)


@pytest.mark.parametrize("name", ["xgboost34", "astrasim"])
def test_a_tabulated_row_has_its_own_value(name):
    problem = problems.get(name)
    for row in np.random.default_rng(0).choice(len(problem.fn.rows), 30, False):
        x = problem.fn.rows[row]
        assert problem(x) == problem(problem.point(x)) == problem.fn.values[row]


def test_the_nearest_row_is_that_of_the_positions_in_the_cube():
    problem = problems.get("xgboost34")
    encoded = np.array([problem.space.encode(row) for row in problem.fn.rows])
    for u in np.random.default_rng(1).random((20, problem.dim)):
        x = problem.space.decode(u)
        near = np.argmin(np.sum((encoded - u) ** 2, axis=1))
        assert problem(x) == problem.fn.values[near]


def test_a_wrong_word_is_as_far_as_the_ends_of_a_scale():
    space = Space({"n": (0, 10), "kind": problems.tables.Categorical(("a", "b"))})
    rows = np.array([[0, 0], [9.9, 1]])
    fn = tables.Nearest(space, rows, np.array([1.0, 2.0]))
    assert fn(np.array([9.8, 0]))[0] == 1  # 0.98 off, against a whole word
    assert fn(np.array([9.9, 1]))[0] == 2


def test_tables_that_do_not_exist():
    with pytest.raises(ProblemError, match="xgboost got task 48: there are 0 to 47"):
        problems.get("xgboost48")
    with pytest.raises(ProblemError, match="has no 'mnist': wanted one of"):
        tables.nasbench201("mnist")


def test_a_word_that_is_no_choice():
    with pytest.raises(ValueError, match="gb1 got .*: wanted 4 numbers"):
        problems.get("gb1")(list("VDGB"))
