"""Copy numbers inferred from expression: profiles along the genome, and calls of malignant cells."""
