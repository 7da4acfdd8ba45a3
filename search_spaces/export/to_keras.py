"""Keras's own format."""

from __future__ import annotations

from pathlib import Path

import keras

from cellwright.search_spaces.arguments import check_path
from cellwright.search_spaces.export.check import Exported, Given, Images, Outputs, check
from cellwright.search_spaces.export.in_one_step import in_one_step
from cellwright.search_spaces.export.inference import inference_model
from cellwright.search_spaces.keras_settings import as_shipped


@as_shipped()
def export_keras(model: keras.Model, path: str | Path, *, images: Given | None = None) -> Exported:
    """Write a ``.keras`` file that Keras loads without Cellwright.

    Args:
        model: See `inference_model`, which is what is written.
        path: Ends in ``.keras``.
        images: For the check; random ones if None.

    Raises:
        ExportFailed: If the network cannot be written, or the file gives other outputs.
    """
    check_path("path", path)
    path, plain = Path(path), inference_model(model)
    with in_one_step(path) as (beside,):
        plain.save(beside)

    def run(images: Images) -> Outputs:
        loaded = keras.models.load_model(path, compile=False)
        outputs: Outputs = keras.ops.convert_to_numpy(loaded(images, training=False))
        return outputs

    return check((path,), plain, run, images)
