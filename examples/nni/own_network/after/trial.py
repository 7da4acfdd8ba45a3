"""A trial as NNI's users write it: a network of one's own, and two hyperparameters."""

import keras
import nni
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from cellwright.adapters.nni_trial import build


class Report(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        nni.report_intermediate_result(logs["val_accuracy"])


given = nni.get_next_parameter()
x, y = load_digits(return_X_y=True)
x = x.reshape(-1, 8, 8, 1) / 16
x, x_val, y, y_val = train_test_split(x, y, random_state=0)
model = build("nasnet", given, (8, 8, 1), 10, filters=8)
model.compile(
    keras.optimizers.Adam(given["learning_rate"]),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
history = model.fit(
    x, y, batch_size=int(given["batch_size"]), epochs=8, verbose=0,
    validation_data=(x_val, y_val), callbacks=[stop, Report()],
)  # fmt: skip
nni.report_final_result(max(history.history["val_accuracy"]))
