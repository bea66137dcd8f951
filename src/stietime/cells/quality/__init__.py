"""Quality of cells and of samples: what is measured, the cuts, and the verdicts."""
