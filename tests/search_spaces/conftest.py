"""How the tests of child builders run a child, on whichever Keras backend they run."""

import pytest

keras = pytest.importorskip("keras")

# JAX compiles each operation by itself unless it is given a whole network; the others take longer
# to make a graph of a network than to run it once without.
WHOLE = keras.backend.backend() == "jax"


def _train_step(model, x, labels):
    model.compile(
        "adam", "sparse_categorical_crossentropy", jit_compile=WHOLE, run_eagerly=not WHOLE
    )
    return float(model.train_on_batch(x, labels))


def _outputs(model, x):
    return model.predict_on_batch(x) if WHOLE else keras.ops.convert_to_numpy(model(x))


@pytest.fixture(scope="session")
def train_step():
    """(model, x, labels) -> the loss of one step of training."""
    return _train_step


@pytest.fixture(scope="session")
def outputs():
    """(model, x) -> what the model gives outside training, as an array."""
    return _outputs
