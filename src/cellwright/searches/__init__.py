"""A whole search in any host: its settings, its trials, its folder, and what drives it."""
