"""Clusters that are one patient's or one batch's, unstable or small."""

import numpy as np
import pandas as pd
import pytest

from stietime.cells.clusters.flags import cluster_quality


def cells_of(*groups):
    """Rows from (cluster, patient, batch, number)."""
    rows = [(c, f"{p}_blood", p, b) for c, p, b, n in groups for _ in range(n)]
    return pd.DataFrame(rows, columns=["cluster", "sample", "patient", "batch"])


def evenly(cluster, n=50, patients=("p1", "p2", "p3", "p4")):
    return [(cluster, patient, f"b{place % 2}", n) for place, patient in enumerate(patients)]


def described(cells, stability=None, **options):
    known = dict.fromkeys(cells["cluster"].unique(), 0.95)
    return cluster_quality(cells, known | (stability or {}), **options).set_index("cluster")


def test_a_cluster_of_one_patient_is_flagged_and_one_that_every_patient_has_is_not():
    table = described(cells_of(*evenly("0"), *evenly("1"), ("2", "p3", "b0", 97), ("2", "p1", "b0", 3)))
    assert table["flag"].tolist()[:2] == ["", ""]
    row = table.loc["2"]
    assert row["largest_patient"] == "p3"
    assert row["largest_patient_share"] == pytest.approx(0.97)
    assert row["expected_patient_share"] == pytest.approx(197 / 500)
    told = "one patient: p3 holds 97% of the cells although it holds 39% of the cohort"
    assert row["flag"].startswith(told)
    assert (row["n_cells"], row["n_samples"], row["n_patients"], row["n_batches"]) == (100, 2, 2, 1)


def test_a_cluster_of_one_batch_is_flagged_although_it_has_all_its_patients():
    table = described(cells_of(*evenly("0"), *evenly("1"), ("2", "p1", "b0", 40), ("2", "p3", "b0", 40)))
    assert table.loc["2", "flag"] == (
        "one batch: b0 holds 100% of the cells although it holds 58% of the cohort"
    )
    assert table.loc["0", "flag"] == ""


def test_a_patient_who_holds_most_of_the_cohort_anyway_is_no_reason_for_a_flag():
    groups = [("0", "p1", "b0", 900), ("0", "p2", "b0", 100), ("1", "p1", "b0", 91), ("1", "p2", "b0", 9)]
    assert (described(cells_of(*groups))["flag"] == "").all()
    groups[2:] = [("1", "p1", "b0", 99), ("1", "p2", "b0", 1)]
    assert described(cells_of(*groups)).loc["1", "flag"].startswith("one patient: p1 holds 99%")


def test_a_cohort_of_one_patient_or_batch_is_not_testable_and_not_flagged():
    table = described(cells_of(("0", "p1", "b0", 60), ("1", "p1", "b0", 50)))
    assert (table["flag"] == "").all()
    note = "patients not testable: the cohort has one patient; batches not testable: the cohort has one batch"
    assert (table["note"] == note).all()
    none = cells_of(*evenly("0"), *evenly("1")).assign(batch=None)
    table = described(none)
    assert (table["note"] == "batches not testable: no batch is given").all()
    assert table[["n_batches", "largest_batch", "largest_batch_share"]].isna().all(axis=None)
    assert table["n_patients"].tolist() == [4, 4]


def test_unstable_and_small_clusters_are_flagged_with_their_numbers():
    cells = cells_of(*evenly("0"), *evenly("1"), *evenly("2", 4))
    table = described(cells, {"1": 0.41, "2": np.nan})
    assert table.loc["1", "flag"] == "unstable: found again with a Jaccard index of 0.41"
    assert table.loc["2", "flag"] == "few cells: 16"
    assert table.loc["2", "note"] == "stability not testable: too few cells in a subsample"
    assert described(cells, {"1": 0.41}, min_stability=0.4, min_cells=16)["flag"].eq("").all()


def test_clusters_stand_in_the_order_of_their_numbers():
    cells = cells_of(*(group for place in (10, 2, 0) for group in evenly(str(place))))
    assert described(cells).index.tolist() == ["0", "2", "10"]
