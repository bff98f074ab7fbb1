"""Adapters to other packages, each imported with its partner only."""
