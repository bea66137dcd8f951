"""Fabricated tables of copy numbers: samples of tumour are testable, those of blood are not."""

from __future__ import annotations

import numpy as np
import pandas as pd


def copy_number_tables(cells: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Make the four tables of infer-copy-number for fabricated cells."""
    epithelial = (cells["lineage"] == "epithelial").to_numpy()
    tumour = cells["sample"].str.contains("tumour").to_numpy()
    measured = tumour & (epithelial | (cells["lineage"] == "t_cell").to_numpy())
    place = np.arange(len(cells))
    calls = pd.Series(place % 2 == 0, dtype="boolean").mask(~(tumour & epithelial))
    per_cell = pd.DataFrame(
        {
            "cell": cells["cell"].to_numpy(),
            "copy_number_signal": np.where(measured, 0.001 + place % 7 / 1000, np.nan),
            "copy_number_correlation": np.where(measured, place % 10 / 10, np.nan),
            "is_malignant": calls.to_numpy(dtype=object),
        }
    ).astype({"is_malignant": "boolean"})
    samples, arms, profile = [], [], []
    for name, own in cells.groupby("sample"):
        n = int((own["lineage"] == "epithelial").sum())
        row = {"sample": name, "n_epithelial": n, "n_reference": 50}
        if "blood" in str(name):
            samples.append({**row, "n_epithelial": 0, "note": "not testable: 0 epithelial cells"})
            continue
        n_called = int(per_cell.loc[own.index, "is_malignant"].sum())
        facts = {"reference": "sample", "reference_lineages": "t_cell 50", "n_genes": 5000, "n_windows": 4}
        found = {"n_called": n_called, "share_called": n_called / max(n, 1), "p_order": 0.0005}
        limits = {"signal_threshold": 0.003, "correlation_threshold": 0.4, "note": ""}
        samples.append({**row, **facts, **found, **limits})
        arms.append((name, "called malignant", n_called, 7, "p", 150, 0.2, 5.1, "gain"))
        arms.append((name, "called malignant", n_called, 8, "q", 150, 0.0, 0.1, ""))
        profile += [(name, 1, 10**7 * i, 10**7 * (i + 2), 100, 0.1 * i) for i in range(3)]
        profile.append((name, 7, 10**6, 5 * 10**7, 80, -0.2))
    arm_columns = [
        "sample",
        "cells",
        "n_cells",
        "chromosome",
        "arm",
        "n_genes",
        "mean_log_ratio",
        "z",
        "state",
    ]
    profile_columns = ["sample", "chromosome", "start", "stop", "n_genes", "log_ratio"]
    return {
        "copy_number": per_cell,
        "copy_number_samples": pd.DataFrame(samples),
        "copy_number_arms": pd.DataFrame(arms, columns=arm_columns),
        "copy_number_profile": pd.DataFrame(profile, columns=profile_columns),
    }
