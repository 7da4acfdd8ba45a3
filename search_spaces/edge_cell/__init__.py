"""NAS-Bench-201's cell: operations on the edges of a small graph; the space and its genotype."""

from cellwright.search_spaces.edge_cell.genotype import EdgeCellGenotype
from cellwright.search_spaces.edge_cell.space import EdgeCellSpace

__all__ = ["EdgeCellGenotype", "EdgeCellSpace"]
