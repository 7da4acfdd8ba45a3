"""A search space of your own: two decisions, four networks.

    cellwright search --space four_trials:Small --strategy random --trials 4 --epochs 3 --out four

Add ``--host keras-tuner`` or ``--host nni`` for the other hosts.
"""

from cellwright import Decision, SearchSpace


class Small(SearchSpace):
    """One convolution and a classifier."""

    def __init__(self) -> None:
        super().__init__([Decision("filters", (4, 16)), Decision("kernel", (3, 5))])

    def build(self, params, input_shape, classes, seed=None):
        import keras

        keras.utils.set_random_seed(seed or 0)
        return keras.Sequential(
            [
                keras.Input(input_shape),
                keras.layers.Conv2D(params["filters"], params["kernel"], activation="relu"),
                keras.layers.Flatten(),
                keras.layers.Dense(classes, activation="softmax"),
            ]
        )
