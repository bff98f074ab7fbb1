"""One file for each command of `pfnbo`: `add` describes it, `_run` does it."""
