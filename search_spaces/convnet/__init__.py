"""Convolutional networks layer by layer: the space, the genotype and the Keras child builder."""

from cellwright.search_spaces.convnet.genotype import ConvLayer, ConvNetGenotype
from cellwright.search_spaces.convnet.space import ConvNetSpace

__all__ = ["ConvLayer", "ConvNetGenotype", "ConvNetSpace"]
