from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.sparse import csr_array

from stietime.tissue.graphs import graph
from stietime.tissue.pairs import stratified
from stietime.tissue.pairs.join_counts import (
    EdgeTriples,
    GraphSize,
    join_count_moments,
    join_count_skewness,
    share_deviation,
    two_sided_p,
)

# a triangle, a path on it, a square with a diagonal, and an isolated cell
PAIRS = np.array([(0, 1), (1, 2), (0, 2), (2, 3), (3, 4), (4, 5), (5, 6), (4, 6), (0, 6)])
N = 8


def linked(pairs: np.ndarray, n: int) -> csr_array:
    first, second = np.concatenate([pairs, pairs[:, ::-1]]).T
    links = csr_array((np.ones(len(first), dtype=np.int32), (first, second)), shape=(n, n))
    links.sort_indices()
    return links


def every_labelling(codes: list[int], strata: list[int]) -> np.ndarray:
    """All distinct labellings that keep the numbers of labels in every stratum."""
    at = np.array(strata)
    kept = [sorted(np.array(codes)[at == s].tolist()) for s in sorted(set(strata))]
    every = sorted(set(itertools.permutations(codes)))
    return np.array(
        [
            one
            for one in every
            if [sorted(np.array(one)[at == s].tolist()) for s in sorted(set(strata))] == kept
        ]
    )


def joins(labels: np.ndarray, a: int, b: int) -> np.ndarray:
    left, right = labels[:, PAIRS[:, 0]], labels[:, PAIRS[:, 1]]
    return (((left == a) & (right == b)) | ((left == b) & (right == a))).sum(axis=1).astype(float)


def test_shapes_of_three_edges_are_counted():
    found = EdgeTriples.of(linked(PAIRS, N))
    kinds = {"triangles": 0, "stars": 0, "paths": 0, "bent": 0, "apart": 0}
    for three in itertools.combinations(PAIRS.tolist(), 3):
        cells, degree = np.unique(np.ravel(three), return_counts=True)
        shape = {3: "triangles", 5: "bent", 6: "apart"}.get(len(cells))
        kinds[shape or ("stars" if degree.max() == 3 else "paths")] += 1
    assert found._asdict() == kinds
    assert min(kinds.values()) > 0


@pytest.mark.parametrize("n_of_type", [(4, 2, 2), (3, 3, 2), (5, 2, 1)])
def test_skewness_equals_all_permutations_enumerated(n_of_type):
    links = linked(PAIRS, N)
    size, triples = GraphSize.of(links), EdgeTriples.of(links)
    every = every_labelling(np.repeat([0, 1, 2], n_of_type).tolist(), [0] * N)
    for a, b in ((0, 0), (1, 1), (0, 1), (1, 2)):
        found = join_count_skewness(size, triples, n_of_type[a], None if a == b else n_of_type[b])
        assert found == pytest.approx(stats.skew(joins(every, a, b)), abs=1e-9)


@pytest.mark.parametrize("n_of_type", [(4, 2, 2), (3, 3, 2)])
def test_deviation_of_shares_equals_all_permutations_enumerated(n_of_type):
    links = linked(PAIRS, N)
    degree, size = graph.n_neighbours(links), GraphSize.of(links)
    every = every_labelling(np.repeat([0, 1, 2], n_of_type).tolist(), [0] * N)
    for a, b in ((0, 0), (1, 1), (0, 1), (1, 0), (2, 1)):
        of_type = joins(every, a, b) * (2 if a == b else 1)
        share = (n_of_type[b] - (a == b)) / (N - 1)
        excess = of_type - share * ((every == a) * degree).sum(axis=1)
        assert excess.mean() == pytest.approx(0, abs=1e-12)
        assert share_deviation(size, n_of_type[a], None if a == b else n_of_type[b]) == pytest.approx(
            excess.std()
        )


@pytest.mark.parametrize("strata", [[0] * 8, [0, 0, 0, 0, 1, 1, 1, 1], [0, 1, 0, 1, 2, 0, 2, 1]])
def test_moments_within_strata_equal_all_permutations_enumerated(strata):
    codes = [0, 0, 1, 1, 0, 2, 1, 2]
    mean, variance = stratified.stratified_moments(linked(PAIRS, N), np.array(codes), 3, np.array(strata))
    every = every_labelling(codes, strata)
    for a, b in itertools.combinations_with_replacement(range(3), 2):
        found = joins(every, a, b)
        assert (mean[a, b], variance[b, a]) == pytest.approx((found.mean(), found.var()), abs=1e-12)


def test_one_stratum_is_the_exact_closed_form_at_scale():
    rng = np.random.default_rng(1)
    links = graph.radius_graph(rng.random((20_000, 2)) * 1600, 30.0)
    codes = rng.choice(4, 20_000, p=[0.7, 0.25, 0.0495, 0.0005])
    mean, variance = stratified.stratified_moments(links, codes, 4, np.zeros(20_000, dtype=np.int64))
    size, n = GraphSize.of(links), np.bincount(codes).tolist()
    for a, b in itertools.combinations_with_replacement(range(4), 2):
        exact = join_count_moments(size, n[a], None if a == b else n[b])
        assert (mean[a, b], variance[a, b]) == pytest.approx([float(part) for part in exact], rel=1e-9)


def test_p_is_normal_without_skewness_and_heavier_with_it():
    assert two_sided_p(np.array([1.0, -2.0, 5.0])) == pytest.approx(2 * stats.norm.sf([1, 2, 5]))
    # a Poisson count of 25: skewness 0.2
    z = (45 - 25) / 5
    exact = stats.poisson.sf(44, 25) + stats.poisson.cdf(5, 25)
    assert exact / 2 < two_sided_p(z, 0.2) < 2 * exact
    assert two_sided_p(z) < exact / 2
    assert 0 < two_sided_p(1e4) < 1e-300


def test_levels_of_density_hold_about_as_many_cells():
    around = np.random.default_rng(2).poisson(20, 4000)
    levels = stratified.density_strata(around, 4)
    assert np.bincount(levels).min() > 700
    assert all(around[levels == i].max() < around[levels == i + 1].min() for i in range(3))
    assert not stratified.density_strata(np.full(50, 3), 4).any()
