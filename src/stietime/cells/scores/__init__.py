"""Scores of gene sets in single cells, one method per module."""
