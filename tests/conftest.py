"""Settings that every test shares, made before JAX and matplotlib are imported."""

import os

os.environ["MPLBACKEND"] = "Agg"
os.environ["PFNBO_COMPILATION_CACHE"] = "off"
