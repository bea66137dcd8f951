"""Gene expression between patients: sums of counts, their models, and who makes the reviews' regulators."""
