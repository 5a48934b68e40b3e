"""Score networks: one package each, found by name in `registry`."""
