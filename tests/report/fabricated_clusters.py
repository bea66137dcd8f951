"""Tables of clusters for the fabricated results: the last cluster is one patient's."""

from __future__ import annotations

import numpy as np
import pandas as pd


def cluster_tables(cells: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Describe the clusters of a table of cells, by the names of the outputs."""
    clusters = sorted(cells["cluster"].unique())
    note = "justified: stability 0.93 (lowest 0.90), the most stable of 2 resolutions"
    other = "resolution 0.5 has 0.88 against 0.93 of resolution 1, 0.05 less, in 9 of 10 subsamples"
    resolutions = pd.DataFrame(
        {
            "resolution": [0.5, 1.0], "n_clusters": [4, len(clusters)], "stability": [0.88, 0.93],
            "stability_low": [0.8, 0.9], "n_subsamples": 10, "n_cells_subsample": 400,
            "silhouette": [0.2, 0.3], "chosen": [False, True], "suggested": [False, True],
            "note": [other, note],
        }
    )  # fmt: skip
    sizes = cells["cluster"].value_counts()[clusters]
    flag = "one patient: p1 holds 98% of the cells although it holds 33% of the cohort; few cells: 3"
    quality = pd.DataFrame(
        {
            "cluster": clusters, "n_cells": sizes.to_numpy(), "n_samples": 12, "n_patients": 3,
            "n_batches": 2, "largest_patient": "p1", "largest_patient_share": 0.4,
            "expected_patient_share": 0.33,
            "largest_batch": "b2", "largest_batch_share": 0.7, "expected_batch_share": 0.67,
            "stability": 0.9, "flag": [""] * (len(clusters) - 1) + [flag], "note": "",
        }
    )  # fmt: skip
    markers = pd.DataFrame(
        [
            {
                "cluster": cluster, "gene": f"GENE{cluster}{place:02d}", "auc": 0.99 - place / 100,
                "log2_fold_change": 3.0, "z": 9.0, "p": 1e-19, "q": 1e-16, "share_in": 0.9, "share_out": 0.1,
                "n_patients": 3, "n_patients_higher": 3 if place else 1,
                "n_patients_lower": 0 if place else 2,
                "consistency": 1.0 if place else 1 / 3, "p_patients": 0.25 if place else 1.0,
                "n_cells_in": 60, "n_cells_out": 400, "note": "",
            }
            for cluster in clusters
            for place in range(12)
        ]
    )  # fmt: skip
    last = markers["cluster"] == clusters[-1]
    markers.loc[last, ["consistency", "p_patients"]] = np.nan
    markers.loc[last, "note"] = (
        "tested on 500 of 600 cells, drawn evenly; consistency not testable: 1 patient"
    )
    return {"cluster_resolutions": resolutions, "cluster_quality": quality, "cluster_markers": markers}
