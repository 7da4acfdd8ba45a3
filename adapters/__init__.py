"""Who drives: samplers, tuners, oracles and searchers, each file named after its host first."""
