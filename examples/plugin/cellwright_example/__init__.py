"""A strategy, a space, a meter and a reward that Cellwright finds by their entry points."""
