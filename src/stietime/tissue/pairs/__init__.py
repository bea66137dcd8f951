"""Which types of cells are near each other, and how sure that is."""
