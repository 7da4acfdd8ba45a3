"""Search a NASNet cell with Ray Tune: the searcher is all that is new in the tuner."""

import argparse
from pathlib import Path

from ray import tune

from cellwright import Auto, CellwrightSearch, Evaluation, NASNetSpace, Recipe, load_dataset
from cellwright.adapters.ray_trial import trainable

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--trials", type=int, default=10)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--concurrency", type=int, default=2, help="trials at a time")
parser.add_argument("--out", default="results", help="where the experiment is kept")

space = NASNetSpace(blocks=2)  # NASNetSpace() has the five of the book


def main() -> None:
    arguments = parser.parse_args()
    evaluation = Evaluation(
        space,
        load_dataset("digits"),
        recipe=Recipe(arguments.epochs, 64),
        options={"filters": 4, "reductions": 1},
    )
    tuner = tune.Tuner(
        trainable(evaluation),
        tune_config=tune.TuneConfig(
            search_alg=CellwrightSearch(Auto(space, seed=0), metric="reward", mode="max"),
            num_samples=arguments.trials,
            max_concurrent_trials=arguments.concurrency,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="digits", storage_path=str(Path(arguments.out).resolve()), verbose=1
        ),
    )
    best = tuner.fit().get_best_result("reward", "max")
    print(f"best validation accuracy: {best.metrics['reward']:.4f}")
    print(best.metrics["architecture"])


if __name__ == "__main__":
    main()
