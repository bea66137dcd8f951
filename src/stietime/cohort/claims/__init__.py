"""The reviews' claims against the contrasts of a cohort."""
