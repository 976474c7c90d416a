"""Which saved files answer which facts: a module for each fact, of its name, found by itself."""
