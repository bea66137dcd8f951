"""A draw of cells that is spread over clusters and samples."""

import numpy as np
import pandas as pd

from stietime.cells.clusters.spread_draw import draw_evenly


def labels(sizes, n_samples=4, seed=0):
    clusters = np.repeat([str(place) for place in range(len(sizes))], sizes)
    samples = np.random.default_rng(seed).choice([f"s{place}" for place in range(n_samples)], len(clusters))
    cells = pd.Index([f"{sample}:{place}" for place, sample in enumerate(samples)])
    return cells, pd.Series(clusters), pd.Series(samples)


def test_all_cells_are_taken_when_there_are_few():
    cells, clusters, samples = labels([30, 20])
    np.testing.assert_array_equal(draw_evenly(cells, clusters, samples, max_cells=50), np.arange(50))


def test_small_clusters_keep_their_cells_and_large_ones_share_the_rest_in_proportion():
    cells, clusters, samples = labels([20_000, 10_000, 900, 150])
    drawn = draw_evenly(cells, clusters, samples, max_cells=3000)
    taken = clusters.iloc[drawn].value_counts()
    assert 2990 <= len(drawn) <= 3000
    assert taken["3"] == 150
    assert taken["2"] == 200
    assert abs(taken["0"] - 2 * taken["1"]) <= 2


def test_within_a_cluster_each_sample_has_its_part_to_within_one_cell():
    cells, clusters, samples = labels([6000, 3000])
    drawn = draw_evenly(cells, clusters, samples, max_cells=1000)
    for cluster in "01":
        mine = (clusters == cluster).to_numpy()
        share = (clusters.iloc[drawn] == cluster).sum() / mine.sum()
        expected = share * samples[mine].value_counts()
        found = samples.iloc[drawn][mine[drawn]].value_counts()
        assert (found - expected).abs().max() <= 1


def test_the_draw_does_not_depend_on_the_order_of_cells_but_on_the_seed():
    cells, clusters, samples = labels([4000, 1000])
    first = set(cells[draw_evenly(cells, clusters, samples, max_cells=800)])
    order = np.random.default_rng(1).permutation(5000)
    shuffled = (cells[order], clusters.iloc[order], samples.iloc[order])
    assert set(cells[order][draw_evenly(*shuffled, max_cells=800)]) == first
    assert set(cells[draw_evenly(cells, clusters, samples, max_cells=800, seed=2)]) != first


def test_more_clusters_than_can_have_their_least_share_what_there_is():
    cells, clusters, samples = labels([300] * 20)
    drawn = draw_evenly(cells, clusters, samples, max_cells=100)
    assert clusters.iloc[drawn].value_counts().tolist() == [5] * 20
