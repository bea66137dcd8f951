"""Measurements beside peers; each module says what it measures, `make benchmark-<name>` runs it."""
