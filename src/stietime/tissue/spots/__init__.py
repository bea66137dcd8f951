"""Types, scores and genes of spots that hold several cells."""
