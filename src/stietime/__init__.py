"""stietime: the systemic and the tumour immune environment, compared from public data."""

__version__ = "0.1.0"
