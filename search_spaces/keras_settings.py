"""The global settings of Keras that must not change a network: held while one is built or exported.

A user's ``keras.json`` or script may set them; every layer that is made without saying otherwise
follows them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import keras

# The order of axes and the float type are one setting for all threads, so one thread at a time may
# hold them; reentrant, because an export builds networks.
_LOCK = threading.RLock()


@contextmanager
def channels_last() -> Iterator[None]:
    """Layers that are made inside take (batch, height, width, channels), whatever Keras is set to.

    All data here have that order. Layers keep the order that they are made with, in saved files
    too. The dtype policy stays the user's. Also a decorator, which every child builder has.
    """
    with _LOCK:
        before = keras.config.image_data_format()
        keras.config.set_image_data_format("channels_last")
        try:
            yield
        finally:
            keras.config.set_image_data_format(before)


@contextmanager
def computing_in(policy: str | None) -> Iterator[None]:
    """Layers that are made inside compute in ``policy``, such as ``"mixed_bfloat16"``, and keep it;
    None leaves Keras as it is set."""
    if policy is None:
        yield
        return
    with _LOCK:
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(policy)
        try:
            yield
        finally:
            keras.config.set_dtype_policy(before)


@contextmanager
def as_shipped() -> Iterator[None]:
    """Inside, Keras is set as it is shipped: channels last, in float32. Also a decorator.

    An exported file is written and read under it, so that what the file leaves unsaid means the
    same on both sides.
    """
    with channels_last():
        policy, floats = keras.config.dtype_policy(), keras.config.floatx()
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
        try:
            yield
        finally:
            keras.config.set_floatx(floats)
            keras.config.set_dtype_policy(policy)
