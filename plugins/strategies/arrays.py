"""The kinds of arrays with which the strategies compute."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]  # positions of choices, (architectures, decisions) as a rule
Mask = NDArray[np.bool_]
