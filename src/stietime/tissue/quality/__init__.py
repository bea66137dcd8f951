"""Which cells and spots of a section can be used."""
