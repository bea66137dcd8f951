"""Ligands and receptors of near cells, against the ligand permuted among cells that could have made it."""
