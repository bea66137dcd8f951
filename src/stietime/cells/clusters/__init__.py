"""Clusters of cells: Leiden, stability, flags and marker genes."""
