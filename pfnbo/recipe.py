"""A recipe says what to pretrain on; recipes are files, loaded by name or path."""

import difflib
import runpy
from dataclasses import dataclass, replace
from pathlib import Path

from pfnbo.errors import RecipeError
from pfnbo.pfn import kernel_head
from pfnbo.pfn.models import Config
from pfnbo.schedule import Schedule, stages
from pfnbo.shipped import folder
from pfnbo.tasks.task import Prior, Sizes


@dataclass(frozen=True)
class Recipe:
    """What to pretrain on, with what, and for how long.

    Args:
        prior: of the tasks.
        sizes: of the largest table that the network is trained on.
        model: configuration of the network.
        schedule: table sizes, optimiser and number of steps.
        standardize: whether the network sees the outputs of a task in units of the
            rows seen, as every surrogate does; a prior whose scale is known, and
            should be used, sets it to False.

    Raises:
        RecipeError: when the schedule has tables of other sizes.
    """

    prior: Prior
    sizes: Sizes
    model: Config = kernel_head.Config()
    schedule: Schedule = Schedule()
    standardize: bool = True

    def __post_init__(self):
        """Take the table sizes of the schedule from `sizes` where it has none."""
        if not self.schedule.stages:
            filled = replace(self.schedule, stages=stages(self.sizes))
            object.__setattr__(self, "schedule", filled)
        if self.schedule.sizes != self.sizes:
            raise RecipeError(
                f"the recipe is for {self.sizes}, and the largest of its stages are "
                f"{self.schedule.sizes}: give the same, or Schedule() without stages."
            )


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
