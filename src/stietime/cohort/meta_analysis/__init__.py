"""Several cohorts together: random effects per contrast and per claim."""
