"""Clones of T cells: how they expand, where they are found, what they become; patients as the unit."""
