from __future__ import annotations

import numpy as np
import pytest

from stietime.tissue.graphs import pair_kernels


def section(seed: int, n: int = 900, side: float = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.round(rng.random((n, 2)) * side), rng.integers(0, 4, n)


def test_pairs_degrees_and_lists_equal_all_distances_compared():
    positions, codes = section(1)
    steps = np.array([5.0, 10.0, 13.0, 60.0])
    found = pair_kernels.count_pairs(positions, codes, 4, steps)
    # whole numbers: many pairs at exactly 5, 10, 13 and 60 um, and cells at the same place
    apart = np.hypot(*(positions[:, None] - positions[None]).transpose(2, 0, 1))
    near = ~np.eye(len(codes), dtype=bool)
    assert ((apart == 10) & near).sum() > 20
    assert ((apart == 0) & near).sum() > 0
    for step, distance in enumerate(steps):
        within = (apart <= distance) & near
        degree = within.sum(axis=1)
        counts = np.array([[within[codes == a][:, codes == b].sum() for b in range(4)] for a in range(4)])
        assert np.array_equal(found.counts[:, :, : step + 1].sum(axis=2), counts)
        assert found.n_edges[step] == degree.sum() / 2
        assert found.n_adjacent[step] == (degree * (degree - 1)).sum()
        starts, lists = pair_kernels.near_cells(positions, distance)
        assert np.array_equal(lists, np.nonzero(within)[1])
        assert np.array_equal(np.diff(starts), degree)


@pytest.mark.parametrize("shift", [0.0, -7e5, 3e6])
def test_single_precision_and_far_origins_count_the_same(shift):
    positions, codes = section(2)
    here = pair_kernels.count_pairs(positions, codes, 4, np.array([30.0, 100.0]))
    moved = (positions + shift).astype(np.float32)
    there = pair_kernels.count_pairs(moved, codes, 4, np.array([30.0, 100.0]))
    assert np.array_equal(here.counts, there.counts)


def test_threads_and_a_cell_far_away_change_nothing():
    positions, codes = section(3, n=20_000, side=1500)
    steps = np.linspace(10, 100, 10)
    one = pair_kernels.count_pairs(positions, codes, 4, steps, n_threads=1)
    two = pair_kernels.count_pairs(positions, codes, 4, steps, n_threads=2)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    far = np.concatenate([positions, [[1e7, -1e7]]])
    more = pair_kernels.count_pairs(far, np.append(codes, 0), 4, steps)
    assert np.array_equal(one.counts, more.counts)
    lists = [pair_kernels.near_cells(positions, 30.0, n) for n in (1, 2)]
    assert all(np.array_equal(a, b) for a, b in zip(*lists, strict=True))


def test_one_cell_and_cells_on_a_line():
    alone = pair_kernels.count_pairs(np.array([[3.0, 4.0]]), np.array([0]), 1, np.array([10.0]))
    assert alone.counts.sum() == 0
    line = np.column_stack([np.arange(50.0), np.zeros(50)])
    found = pair_kernels.count_pairs(line, np.zeros(50, dtype=int), 1, np.array([1.0, 2.0]))
    assert found.counts.ravel().tolist() == [98, 96]
