"""Bayesian optimisation for expensive, constrained engineering problems, in JAX."""
