"""One embedding of all samples: components, Harmony, neighbours, UMAP; how it mixes; the design."""
