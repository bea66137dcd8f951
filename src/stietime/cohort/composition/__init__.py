"""How many cells of each kind a sample holds, on which scales, and beside what."""
