"""Doublets within a capture: scores, calls, and expected rates."""
