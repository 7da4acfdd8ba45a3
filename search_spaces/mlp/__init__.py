"""Multilayer perceptrons: the space of sequences, the genotype and the Keras child builder."""

from cellwright.search_spaces.mlp.genotype import DenseLayer, DropoutLayer, MLPGenotype
from cellwright.search_spaces.mlp.space import MLPSpace

__all__ = ["DenseLayer", "DropoutLayer", "MLPGenotype", "MLPSpace"]
