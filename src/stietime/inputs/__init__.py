"""Readers: one file per format, any public dataset in, integer counts with current gene symbols out."""
