"""Tumour regions, their boundary, what lies where, and the architecture of a section."""
