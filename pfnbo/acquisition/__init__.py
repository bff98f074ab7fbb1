"""Acquisitions: each scores one point given a posterior."""
