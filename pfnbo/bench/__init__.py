"""Honest comparison of optimisers: methods, a resumable runner, statistics."""
