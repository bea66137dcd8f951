"""Fabricated tables of gene expression within cell types."""

from __future__ import annotations

import numpy as np
import pandas as pd

CONTRASTS = ("stie_vs_time", "after_vs_before:STIE", "after_vs_before:STIE;treatment=immunotherapy")
TYPES = (("lineage", "t_cell"), ("lineage", "monocyte"), ("cell_type", "cd8_t"))


def expression_tables() -> dict[str, pd.DataFrame]:
    """PD-1 falls in T cells; monocytes have too few cells; TGF-beta is made by both; nobody makes artemin."""
    regulators, tests = [], []
    for contrast in CONTRASTS:
        for level, name in TYPES:
            few = name == "monocyte"
            note = "not testable: 2 pairs with 10 cells, 3 needed" if few else ""
            known = {"contrast": contrast, "level": level, "cell_type": name, "note": note}
            known |= {"status": "too few patients" if few else "tested", "n_patients": 3, "n_pairs": 3}
            facts = {
                "n_cells": 90,
                "n_genes": 2000,
                "n_genes_left_out": 7,
                "n_tested": np.nan if few else 1500,
            }
            words = {"design": "~ patient + arm", "size_factors": "total counts", "dispersion_trend": "mean"}
            tests.append(known | facts | words)
            for gene, share in (("PDCD1", 0.9), ("TGFB1", 0.45), ("ARTN", 0.02)):
                made = share >= 0.1 and (gene == "TGFB1" or name != "monocyte")
                p, q = (np.nan, np.nan) if few else (0.001, 0.01 if made and gene == "PDCD1" else 0.4)
                row = {"gene": gene, "share_of_expression": share, "makes_it": made, "p": p, "q": q}
                row |= {
                    "estimate": -4.0 + 0 * p,
                    "ci_low": -5 + 0 * p,
                    "ci_high": -3 + 0 * p,
                    "base_mean": 12.0,
                }
                regulators.append(known | row | {"method": "DESeq2", "detection": 0.2, "confounded": ""})
    table = pd.DataFrame(regulators)
    tables = {"regulators": table, "differential_expression": table.dropna(subset=["p"])}
    return tables | {"expression_tests": pd.DataFrame(tests)}
