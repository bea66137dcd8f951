"""Ambient RNA: its profile, its share in the counts, and its correction."""
