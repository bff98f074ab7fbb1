"""A recipe says what to pretrain on; recipes are files, loaded by name or path."""

import difflib
import runpy
from dataclasses import dataclass
from pathlib import Path

from pfnbo.errors import RecipeError
from pfnbo.pfn.kernel_head import Config
from pfnbo.schedule import Schedule
from pfnbo.shipped import folder
from pfnbo.tasks.task import Prior, Sizes


@dataclass(frozen=True)
class Recipe:
    """What to pretrain on, with what, and for how long."""

    prior: Prior
    sizes: Sizes
    model: Config = Config()
    schedule: Schedule = Schedule()


def names() -> list[str]:
    """Return the names of the recipes that come with pfnbo."""
    return sorted(recipe_files())


def recipe_files() -> dict[str, Path]:
    """Return the files of the recipes that come with pfnbo by name."""
    return {path.stem: path for path in folder("priors").glob("*.py")}


def load_recipe(name: str | Path) -> Recipe:
    """Load the recipe of that name, or from that file.

    Raises:
        RecipeError: nothing has this name, or the file has no `recipe`.
    """
    path = find(name)
    recipe = runpy.run_path(str(path)).get("recipe")
    if not isinstance(recipe, Recipe):
        raise RecipeError(
            f"{path} has no recipe: it must set recipe = Recipe(prior, sizes)."
        )
    return recipe


def find(name: str | Path) -> Path:
    """Return the file of a recipe; a path wins over a name if it ends in `.py`."""
    files = recipe_files()
    path = Path(name)
    if path.suffix == ".py":
        if path.is_file():
            return path
        raise RecipeError(f"{path}: there is no such file.")
    if str(name) in files:
        return files[str(name)]
    near = difflib.get_close_matches(str(name), files, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise RecipeError(
        f"no recipe is called {str(name)!r}. {hint}There are {', '.join(files)}; "
        "a file of your own is given by its path, which ends in .py."
    )
