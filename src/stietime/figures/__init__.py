"""Figures: a table in, a matplotlib Figure out; nothing is read, saved or computed here."""
