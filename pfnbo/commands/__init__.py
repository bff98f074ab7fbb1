"""One file for each command of `pfnbo`: `add` describes it, `_run` does it."""

INTERRUPTED = 130  # exit code of a shell after Ctrl-C
