"""Problem files and recipes: YAML in, :class:`Problem` and :class:`Recipe` out."""

from gmnm_pde.config.problem_file import ProblemFile, dump, load_problem, problem_text
from gmnm_pde.config.recipe_file import load_recipe, recipe_data

__all__ = [
    "ProblemFile",
    "dump",
    "load_problem",
    "load_recipe",
    "problem_text",
    "recipe_data",
]
