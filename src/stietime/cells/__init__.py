"""Methods on single cells: quality, doublets, normalisation, integration, clustering, cell types, states."""
