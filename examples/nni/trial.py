"""One trial: NNI runs this file for each architecture. It is yours to edit."""

from cellwright.adapters.nni_trial import keep_best, run
from cellwright.plugins import Evaluation, Recipe, load_dataset, make_space

if __name__ == "__main__":
    evaluation = Evaluation(
        space=make_space("nasnet"),
        data=load_dataset("digits"),
        recipe=Recipe(epochs=3),
        options={"filters": 8},
    )
    # best/ holds the best child so far, best.keras, and its pictures.
    run(evaluation, keep=keep_best("best", evaluation.space))
