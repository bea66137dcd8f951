"""Scores of marker sets, and calls of the reviews' states."""
