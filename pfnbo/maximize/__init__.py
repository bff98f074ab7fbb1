"""Maximizers: each proposes rows of the unit cube given a score."""
