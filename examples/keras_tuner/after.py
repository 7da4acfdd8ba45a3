"""A Keras Tuner search: a network, its learning rate, early stopping."""

import keras
import keras_tuner as kt
from keras import layers
from sklearn.datasets import load_digits

from cellwright import NASNetSpace, StrategyOracle, architecture

TRIALS, EPOCHS = 20, 10
digits = load_digits()
x, y = digits.images[..., None] / 16.0, digits.target


def build(hp):
    inputs = keras.Input((8, 8, 1))
    noisy = layers.GaussianNoise(hp.Float("noise", 0.0, 0.2))(inputs)
    network = NASNetSpace().build(architecture(hp), (8, 8, 1), 10, filters=8)
    model = keras.Model(inputs, network(noisy))
    rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"], jit_compile=False)
    return model


tuner = kt.Tuner(StrategyOracle("val_accuracy", TRIALS, strategy="auto"), build, directory="auto")
stopping = keras.callbacks.EarlyStopping("val_loss", patience=2)
tuner.search(x, y, epochs=EPOCHS, validation_split=0.2, callbacks=[stopping])
tuner.results_summary(num_trials=3)
tuner.get_best_models()[0].save("best.keras")
