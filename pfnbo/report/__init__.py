"""Comparisons as one page without a network, and as pictures for papers."""
