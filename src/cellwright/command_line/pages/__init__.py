"""The page that `cellwright report --html` writes: one file, which needs no network."""
