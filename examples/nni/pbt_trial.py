"""One step of one member of NNI's population based training. It is yours to edit."""

import numpy as np

from cellwright.adapters.nni_trial import keep_best, run
from cellwright.plugins import Evaluation, Recipe, load_dataset, make_space

space = make_space("nasnet")
# NNI copies weights from any member to any other, so all train one network: put yours here, such as
# the "params" that `cellwright best DIR --json` prints.
NETWORK = space.sample(np.random.default_rng(0))

if __name__ == "__main__":
    evaluation = Evaluation(
        space=space,
        data=load_dataset("digits"),
        recipe=Recipe(epochs=2),  # of a step
        options={"filters": 8},
    )
    run(evaluation, keep=keep_best("best"), fixed=NETWORK)
