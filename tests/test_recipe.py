from dataclasses import replace

import pytest

from pfnbo.errors import RecipeError
from pfnbo.recipe import find, load_recipe, names
from pfnbo.tasks.task import Sizes


@pytest.mark.parametrize("name", names())
def test_every_recipe_loads(name):
    recipe = load_recipe(name)
    assert recipe.sizes.rows > 0 and recipe.prior.families
    assert len(find(name).read_text().splitlines()) <= 60


def test_the_tables_of_a_schedule_are_those_of_the_recipe():
    recipe = load_recipe("engineering")
    small, large = recipe.schedule.stages
    assert small.sizes == Sizes(32, 32, 8) and large.sizes == recipe.sizes
    published = load_recipe("hebo_plus")
    assert [stage.sizes for stage in published.schedule.stages] == [published.sizes]
    with pytest.raises(RecipeError, match="largest of its stages"):
        replace(recipe, sizes=Sizes(128, 32, 10))


def test_a_wrong_name_gets_the_nearest():
    with pytest.raises(RecipeError, match="Did you mean 'engineering'"):
        load_recipe("enginering")


def test_a_file_is_loaded_by_its_path(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(find("gp_fixed").read_text())
    assert load_recipe(path).sizes == load_recipe("gp_fixed").sizes
    path.write_text("x = 1")
    with pytest.raises(RecipeError, match="must set recipe"):
        load_recipe(path)
    with pytest.raises(RecipeError, match="no such file"):
        load_recipe(tmp_path / "none.py")
