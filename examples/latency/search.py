"""What does it cost in accuracy to halve the latency of what a search finds?

A first search looks only for accuracy. In a second one, children may take half as long as the best
child of the first: slower ones are not trained, and among the others only accuracy counts.
"""

import argparse
from dataclasses import replace

import optuna
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial, TrialState

from cellwright import (
    Auto,
    Evaluation,
    Limit,
    MnasNetReward,
    NASNetSpace,
    Recipe,
    StrategySampler,
    load_dataset,
)
from cellwright.adapters.optuna_trial import run
from cellwright.plugins import make_meter

PATIENCE = 20  # architectures that are measured, at most, for each one that is trained


def search(evaluation: Evaluation, children: int, seed: int) -> optuna.Study:
    """Run a study until so many children are trained; trials keep accuracy, latency and reward."""
    sampler = StrategySampler(Auto(evaluation.space, seed=seed))
    everyone = optuna.pruners.NopPruner()  # every child within the limit is trained to its end
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=everyone)
    enough = MaxTrialsCallback(children, states=(TrialState.COMPLETE,))
    study.optimize(
        lambda trial: run(trial, evaluation), n_trials=PATIENCE * children, callbacks=[enough]
    )
    return study


def told(trial: FrozenTrial, cost: str) -> str:
    metrics = trial.user_attrs
    return f"trial {trial.number}: {metrics['val_accuracy']:.4f} at {metrics[cost]:.6g} {cost}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", default="digits", help="digits, fashion_mnist, or a .npz file")
    options.add_argument(
        "--children", type=int, default=10, help="children that each search trains"
    )
    options.add_argument("--epochs", type=int, default=3)
    options.add_argument("--filters", type=int, default=8)
    options.add_argument("--blocks", type=int, default=5, help="blocks of a cell")
    options.add_argument("--meter", default="litert", help="litert, keras, multiply-adds, ...")
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()

    meter = make_meter(given.meter)
    plain = Evaluation(
        NASNetSpace(blocks=given.blocks),
        load_dataset(given.data),
        recipe=Recipe(given.epochs, batch_size=64),
        meter=meter,
        options={"filters": given.filters},
    )
    accurate = search(plain, given.children, given.seed).best_trial
    print("the best child:", told(accurate, meter.metric))

    target = accurate.user_attrs[meter.metric] / 2
    reward = MnasNetReward.hard(target, latency=meter.metric)
    fast = replace(plain, reward=reward, limit=Limit(meter.metric, target))
    study = search(fast, given.children, given.seed)
    skipped = sum("infeasible" in trial.user_attrs for trial in study.trials)
    print(f"at most {target:.6g}: {skipped} of {len(study.trials)} children were not trained")
    if skipped == len(study.trials):
        raise SystemExit("none was fast enough: give more --children, or other --blocks")
    best = study.best_trial
    print("the best within that:", told(best, meter.metric))
    cost = accurate.user_attrs["val_accuracy"] - best.user_attrs["val_accuracy"]
    print(f"halving it cost {cost:.4f} of validation accuracy")


if __name__ == "__main__":
    main()
