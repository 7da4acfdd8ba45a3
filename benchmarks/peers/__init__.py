"""Searches of other projects, each at its own documented settings, each optional.

A module holds the searches of one project under their names in ``SEARCHES``, and imports that
project when it is imported itself: what is not installed is skipped.
"""

# name: (distribution that must be installed, module here)
PEERS = {
    "optuna-random": ("optuna", "optuna_samplers"),
    "optuna-tpe": ("optuna", "optuna_samplers"),
    "optuna-tpe-independent": ("optuna", "optuna_samplers"),
    "optuna-nsga2": ("optuna", "optuna_samplers"),
    "optuna-gp": ("torch", "optuna_samplers"),
}
