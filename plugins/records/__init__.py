"""The record of a search whose host keeps none that a strategy could follow."""
