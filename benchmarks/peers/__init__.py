"""Searches of other projects, each at its own documented settings, each optional.

A module holds the searches of one project under their names in ``SEARCHES``, and imports that
project when it is imported itself: what is not installed is skipped.
"""

# name: (distribution that must be installed, module here)
PEERS = {
    "optuna-random": ("optuna", "optuna_samplers"),
    "optuna-tpe": ("optuna", "optuna_samplers"),
    "optuna-tpe-liar": ("optuna", "optuna_samplers"),
    "optuna-tpe-independent": ("optuna", "optuna_samplers"),
    "optuna-nsga2": ("optuna", "optuna_samplers"),
    "optuna-nsga2-20": ("optuna", "optuna_samplers"),
    "optuna-gp": ("optuna", "optuna_gp"),
    "nni-tpe": ("nni", "nni_tuners"),
    "nni-evolution": ("nni", "nni_tuners"),
    "nni.nas-evolution": ("nni", "nni_nas"),
    "nni.nas-policy": ("nni", "nni_nas"),
    "pyglove-evolution": ("pyglove", "pyglove_evolution"),
    "deephyper-evolution": ("deephyper", "deephyper_searches"),
    "deephyper-forest": ("deephyper", "deephyper_searches"),
    "smac": ("smac", "smac_forest"),
    "nevergrad-ngopt": ("nevergrad", "nevergrad_optimizers"),
    "nevergrad-ngopt-transition": ("nevergrad", "nevergrad_optimizers"),
    "vizier-gp": ("google-vizier", "vizier_designers"),
    "vizier-eagle": ("google-vizier", "vizier_designers"),
    "synetune-evolution": ("syne-tune", "synetune_schedulers"),
    "synetune-tpe": ("syne-tune", "synetune_schedulers"),
    "autokeras-greedy": ("autokeras", "autokeras_oracle"),
}

# Run only if named: some 10 s of processor time an evaluation; a second setting of a peer.
ONLY_IF_NAMED = ("vizier-gp", "optuna-nsga2-20", "optuna-tpe-liar")
