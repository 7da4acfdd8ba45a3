"""What children are trained on: images and tables, loaded, checked and split."""

from cellwright.plugins.data.data import Data
from cellwright.plugins.data.dataset import Dataset
from cellwright.plugins.data.load import load_dataset
from cellwright.plugins.data.streams import Stream
from cellwright.plugins.data.wrapped import stream

__all__ = ["Data", "Dataset", "Stream", "load_dataset", "stream"]
