"""Search a NASNet cell with Optuna: the sampler and `suggest` are all that is new in the study."""

import optuna

from cellwright import (
    Auto,
    Evaluation,
    NASNetSpace,
    Recipe,
    StrategySampler,
    load_dataset,
    suggest,
)

space = NASNetSpace(blocks=2)  # NASNetSpace() has the five of the book
evaluation = Evaluation(
    space,
    load_dataset("digits"),
    recipe=Recipe(epochs=3, batch_size=64),
    options={"filters": 4, "reductions": 1},
)


def objective(trial: optuna.Trial) -> float:
    metrics, _ = evaluation.run(suggest(trial, space))
    for name, value in metrics.items():
        trial.set_user_attr(name, value)  # columns in optuna-dashboard
    return metrics["reward"]


if __name__ == "__main__":
    study = optuna.create_study(direction="maximize", sampler=StrategySampler(Auto(space, seed=0)))
    study.optimize(objective, n_trials=3)
    print(f"best validation accuracy: {study.best_value:.4f}")
    print(space.genotype(study.best_params).normal)
