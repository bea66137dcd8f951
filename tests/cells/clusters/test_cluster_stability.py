"""Stability of clusters under subsampling, and what is said of the resolutions."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from stietime.cells.clusters.clustering import find_clusters
from stietime.cells.clusters.resolution_table import mean_silhouettes, resolution_table
from stietime.cells.clusters.stability import Stability, largest_overlap, measure_stability, recluster
from stietime.cells.embedding.neighbours import neighbour_graph

RESOLUTIONS = {"leiden_1": 1.0, "leiden_0.3": 0.3}


def islands(n=900, n_islands=4, apart=12.0):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(n_islands, 6)) * apart
    return (centres[np.arange(n) % n_islands] + rng.normal(size=(n, 6))).astype(np.float32)


def clustered(points, resolutions):
    found = find_clusters(neighbour_graph(points, 15).weights, resolutions.values())
    return found.set_axis(list(resolutions), axis=1)


def stability_of(points, resolutions=RESOLUTIONS, **options):
    clusters = clustered(points, resolutions)
    again = recluster(points, resolutions, n_neighbours=15)
    return clusters, measure_stability(clusters, again, n_subsamples=5, **options)


def test_planted_islands_are_found_again_and_pieces_of_one_cloud_are_not():
    clusters, found = stability_of(islands(), {"leiden_0.3": 0.3})
    assert clusters["leiden_0.3"].nunique() == 4
    assert found.agreement["leiden_0.3"].min() > 0.99
    assert found.overlap.to_numpy().min() > 0.98
    cloud = np.random.default_rng(1).normal(size=(900, 6)).astype(np.float32)
    pieces, found = stability_of(cloud, {"leiden_2": 2.0})
    assert pieces["leiden_2"].nunique() > 5
    assert found.agreement["leiden_2"].max() < 0.7
    assert found.overlap.mean().mean() < 0.6


def test_subsamples_have_the_wanted_size_and_depend_on_the_seed_alone():
    points = islands(300)
    clusters, seen = clustered(points, RESOLUTIONS), []

    def again(rows, place):
        seen.append(rows)
        return clusters.iloc[rows]

    options = {"n_subsamples": 4, "share": 0.5, "seed": 3}
    found = measure_stability(clusters, again, **options)
    assert [len(set(rows.tolist())) for rows in seen] == [150] * 4
    assert found.n_cells == 150
    assert (found.agreement["leiden_1"] == 1).all()
    assert (found.overlap.to_numpy() == 1).all()
    first = np.array(seen)
    measure_stability(clusters, again, **options)
    np.testing.assert_array_equal(first, seen[4:])
    assert not np.array_equal(first[0], first[1])
    assert measure_stability(clusters, again, max_cells=40).n_cells == 40
    assert {len(rows) for rows in seen[8:]} == {40}


def test_the_agreement_and_the_overlap_are_those_of_the_definitions():
    clusters = pd.DataFrame({"leiden_1": list("0000011111222") * 4})
    other = pd.DataFrame({"leiden_1": list("0001111112222") * 4})
    found = measure_stability(
        clusters, lambda rows, _: other.iloc[rows], n_subsamples=1, share=0.999, min_cells_of_cluster=1
    )
    rows = np.sort(np.random.default_rng([1, 0]).choice(52, 51, replace=False))
    before, after = clusters["leiden_1"][rows], other["leiden_1"][rows]
    assert found.agreement.loc[0, "leiden_1"] == adjusted_rand_score(before, after)
    for cluster in "012":
        mine = set(before.index[before == cluster])
        others = [set(after.index[after == name]) for name in "012"]
        expected = max(len(mine & theirs) / len(mine | theirs) for theirs in others)
        assert found.overlap.loc[0, cluster] == pytest.approx(expected)
        assert largest_overlap(before, after)[cluster] == pytest.approx(expected)


def test_what_cannot_be_tested_is_empty_not_zero():
    few = pd.DataFrame({"leiden_1": ["0"] * 19})
    found = measure_stability(few, lambda rows, _: few.iloc[rows])
    assert found.agreement.empty
    assert found.overlap.mean().isna().all()
    one = pd.DataFrame({"leiden_1": list("0" * 60), "leiden_2": list("01" * 30)})
    found = measure_stability(one, lambda rows, _: one.iloc[rows], n_subsamples=2)
    assert found.agreement["leiden_1"].isna().all()
    assert (found.agreement["leiden_2"] == 1).all()
    small = pd.DataFrame({"leiden_1": ["0"] * 90 + ["1"] * 10})
    found = measure_stability(small, lambda rows, _: small.iloc[rows], n_subsamples=2)
    assert found.overlap["1"].isna().all()
    assert (found.overlap["0"] == 1).all()


def test_more_cells_than_are_searched_exactly_take_the_other_search():
    points = islands(7000)
    found = recluster(points, {"leiden_0.2": 0.2}, n_neighbours=15)(np.arange(6000), 0)
    truth = np.arange(6000) % 4
    assert adjusted_rand_score(truth, found["leiden_0.2"]) > 0.99


def test_another_way_to_join_cells_is_used():
    asked = []

    def join(points, rows):
        asked.append((points.shape, rows))
        return neighbour_graph(points, 5).weights

    rows = np.arange(0, 300, 2)
    recluster(islands(300), RESOLUTIONS, n_neighbours=15, join=join)(rows, 0)
    assert asked[0][0] == (150, 6)
    np.testing.assert_array_equal(asked[0][1], rows)


def table_of(agreement, n_clusters=(4, 3), n_cells=100, size=80):
    clusters = pd.DataFrame(
        {name: np.arange(n_cells) % n for name, n in zip(RESOLUTIONS, n_clusters, strict=True)}
    ).astype(str)
    stability = Stability(pd.DataFrame(agreement, columns=list(RESOLUTIONS)), pd.DataFrame(), size)
    widths = pd.Series({"leiden_1": 0.4, "leiden_0.3": 0.5})
    return resolution_table(clusters, RESOLUTIONS, stability, widths).set_index("resolution")


def test_the_chosen_resolution_is_justified_by_its_numbers():
    table = table_of([(0.9, 0.85), (0.92, 0.8)])
    assert table.index.tolist() == [0.3, 1.0]
    assert table["chosen"].tolist() == table["suggested"].tolist() == [False, True]
    assert table.loc[1.0, ["stability", "stability_low", "silhouette"]].tolist() == [0.91, 0.9, 0.4]
    note = table.loc[1.0, "note"]
    assert note == "justified: stability 0.91 (lowest 0.90), the most stable of 2 resolutions"
    told = "resolution 0.3 has 0.82 against 0.91 of resolution 1, 0.09 less, in 2 of 2 subsamples"
    assert table.loc[0.3, "note"] == told
    near = table_of([(0.9, 0.91), (0.86, 0.92)])
    assert near["suggested"].tolist() == [False, True]
    assert "no other is 0.05 more stable" in near.loc[1.0, "note"]


def test_a_more_stable_resolution_is_named_with_its_lead():
    table = table_of([(0.7, 0.9), (0.6, 0.9), (0.8, 0.75)])
    assert table["suggested"].tolist() == [True, False]
    told = "resolution 0.3 has 0.85 against 0.70 of resolution 1, 0.15 more, in 2 of 3 subsamples"
    assert table.loc[1.0, "note"] == f"another is more stable: {told}"
    assert table.loc[0.3, "note"] == f"suggested: {told}"


def test_notes_say_what_is_not_testable_and_how_small_subsamples_are():
    table = table_of([(0.9, np.nan)], n_clusters=(4, 1))
    assert table.loc[0.3, "note"] == "not testable: all cells are one cluster"
    assert table.loc[1.0, "note"].endswith("with no other resolution to compare")
    assert np.isnan(table.loc[0.3, "stability"])
    assert table.loc[0.3, "n_subsamples"] == 0
    assert "subsamples hold 8% of the cells" in table_of([(0.9, 0.9)], size=8).loc[1.0, "note"]
    empty = table_of(np.empty((0, 2)))
    assert (empty["note"] == "not testable: 100 cells are too few to be divided").all()
    assert empty[["stability", "n_cells_subsample"]].isna().all(axis=None)
    other = table_of([(np.nan, 0.8)], n_clusters=(1, 3))
    assert other["suggested"].tolist() == [True, False]
    assert "resolution 1 is not testable" in other.loc[0.3, "note"]


def test_silhouettes_are_measured_on_the_same_cells_whatever_their_order():
    points = islands(400)
    cells = [f"s:{place}" for place in range(400)]
    clusters = pd.DataFrame({"leiden_1": (np.arange(400) % 4).astype(str), "leiden_2": "0"}, index=cells)
    found = mean_silhouettes(points, clusters, max_cells=100)
    assert found["leiden_1"] > 0.5
    assert np.isnan(found["leiden_2"])
    order = np.random.default_rng(0).permutation(400)
    again = mean_silhouettes(points[order], clusters.iloc[order], max_cells=100)
    assert again["leiden_1"] == pytest.approx(found["leiden_1"], abs=1e-9)
    assert found["leiden_1"] != mean_silhouettes(points, clusters)["leiden_1"]
