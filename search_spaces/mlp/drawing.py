"""A multilayer perceptron as a picture: its layers, one above the other."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from cellwright.search_spaces.layer_table import by_part, layer_table
from cellwright.search_spaces.mlp.genotype import DropoutLayer, MLPGenotype
from cellwright.search_spaces.stack import Part, draw_stack, output_part, shape_text

# Paul Tol's light scheme: what saturates, what does not, the rest, and dropout.
COLOURS = {"sigmoid": "#EEDD88", "tanh": "#EE8866", "relu": "#77AADD", "elu": "#99DDFF"}
OTHER, DROPOUT = "#BBCC33", "#DDDDDD"


def draw_layers(genotype: MLPGenotype, model: Any = None, *, title: str) -> Figure:
    """Draw the layers, each with its nodes and activation, and what it hands on.

    Args:
        genotype: What to draw.
        model: What was built from it, whose shapes and parameters are written too.
        title: Stands above the stack.

    Returns:
        See `stack.draw_stack`.
    """
    rows = {} if model is None else {row.name: row for row in by_part(layer_table(model))}
    shapes = {name: shape_text(row.shape) for name, row in rows.items()}
    counts = {name: f"{row.parameters:,} parameters" for name, row in rows.items()}
    parts = [Part("features", output=shapes.get("flatten", shapes.get("features", "")))]
    for number, layer in enumerate(genotype.layers, start=1):
        name = f"layer_{number}"
        if isinstance(layer, DropoutLayer):
            part = Part(str(layer), DROPOUT, output=shapes.get(name, ""))
        else:
            colour, units = COLOURS.get(layer.activation, OTHER), f"{layer.nodes}"
            label = f"dense {layer.nodes}, {layer.activation}"
            part = Part(label, colour, aside=counts.get(name, ""), output=shapes.get(name, units))
        parts.append(part)
    return draw_stack([*parts, output_part(rows)], title=title)
