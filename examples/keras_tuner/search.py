"""Search NASNet cells with Keras Tuner on scikit-learn's digits; run it again to continue."""

import argparse

import keras_tuner

from cellwright import NASNetHyperModel, NASNetSpace, StrategyOracle, load_dataset

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--trials", type=int, default=10)
parser.add_argument("--epochs", type=int, default=6)
parser.add_argument("--blocks", type=int, default=5, help="blocks in each cell")
parser.add_argument("--filters", type=int, default=16, help="channels in the first cells")
parser.add_argument("--out", default="results", help="where the project is kept")
arguments = parser.parse_args()

digits = load_dataset("digits")
space = NASNetSpace(blocks=arguments.blocks)
tuner = keras_tuner.Tuner(
    oracle=StrategyOracle("val_accuracy", arguments.trials, strategy="auto", space=space, seed=0),
    hypermodel=NASNetHyperModel(
        space,
        input_shape=digits.input_shape,
        classes=digits.classes,
        filters=arguments.filters,
    ),
    directory=arguments.out,
    project_name="digits",
)
tuner.search(
    digits.x_train,
    digits.y_train,
    epochs=arguments.epochs,
    batch_size=128,
    validation_data=(digits.x_val, digits.y_val),
    verbose=2,
)
tuner.results_summary(num_trials=1)
