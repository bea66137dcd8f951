"""Counts in blocks: every kept cell once and in order, whatever the blocks, the threads and the cluster."""

from __future__ import annotations

from functools import partial

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime import storage
from stietime.blocks import Blocks, map_blocks, plan_blocks, read_block, read_genes
from stietime.errors import InputError

GIB_PER_ENTRY = 32 / 2**30


@pytest.fixture
def pairs(tmp_path):
    """Three samples of 40, 1 and 25 cells; of the second none is kept. What is kept, as one matrix."""
    rng = np.random.default_rng(0)
    found, kept = [], []
    for place, n_cells in enumerate((40, 1, 25)):
        counts = sparse.random(n_cells, 12, 0.3, "csr", rng=rng, data_rvs=lambda n: rng.integers(1, 9, n))
        obs = pd.DataFrame(index=[f"s{place}:{i}" for i in range(n_cells)])
        cells = ad.AnnData(counts.astype(np.int32), obs=obs)
        keep = (rng.random(n_cells) < 0.7) & (place != 1)
        paths = tmp_path / f"{place}.h5ad", tmp_path / f"{place}.parquet"
        storage.write_cells(cells, paths[0])
        storage.write_table(storage.cell_table(obs.index, keep=keep), paths[1])
        found.append(paths)
        kept.append(counts[keep].toarray())
    return found, np.vstack(kept)


@pytest.mark.parametrize("entries", [1, 20, 100, 10**6])
def test_blocks_hold_every_kept_cell_once_and_in_order(pairs, entries):
    paths, kept = pairs
    blocks = plan_blocks(paths, max_gib=entries * GIB_PER_ENTRY)
    np.testing.assert_array_equal(np.vstack([read_block(block).toarray() for block in blocks]), kept)
    assert sum(block.n_cells for block in blocks) == len(kept)
    if entries == 1:
        assert all(block.n_cells == 1 for block in blocks)
    if entries == 10**6:
        assert len(blocks) == 2
    if entries == 100:
        rows_and_counts = [
            b.stop - b.start + np.diff(ad.read_h5ad(b.path).X.indptr)[b.start : b.stop].sum() for b in blocks
        ]
        assert max(rows_and_counts) <= 100


def test_genes_come_with_the_totals_of_all_genes(pairs):
    paths, kept = pairs
    blocks = plan_blocks(paths, max_gib=100 * GIB_PER_ENTRY)
    for columns in (np.arange(12), np.array([7, 2, 5])):
        read = [read_genes(block, columns) for block in blocks]
        np.testing.assert_array_equal(np.vstack([counts.toarray() for counts, _ in read]), kept[:, columns])
        np.testing.assert_array_equal(np.concatenate([totals for _, totals in read]), kept.sum(axis=1))


def test_values_are_cut_as_the_blocks(pairs):
    paths, kept = pairs
    over = Blocks(plan_blocks(paths, max_gib=100 * GIB_PER_ENTRY), "synchronous", 1)
    values = np.arange(2 * len(kept)).reshape(2, -1)
    parts = over.split(values)
    assert [part.shape[1] for part in parts] == [block.n_cells for block in over.blocks]
    np.testing.assert_array_equal(np.hstack(parts), values)


def scaled(factor, block):
    """Sum a block's counts; a function that Dask can send by its name."""
    return float(factor * read_block(block).sum())


def test_results_come_in_order_on_threads_and_on_a_cluster(pairs):
    from distributed import LocalCluster

    paths, kept = pairs
    blocks = plan_blocks(paths, max_gib=20 * GIB_PER_ENTRY)
    expected = [float(3 * read_block(block).sum()) for block in blocks]
    assert sum(expected) == 3 * kept.sum()
    assert len(blocks) > 8
    for options in ({}, {"scheduler": "synchronous"}, {"n_workers": 2}):
        assert list(map_blocks(partial(scaled, 3), blocks, **options)) == expected
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        assert list(map_blocks(partial(scaled, 3), blocks, scheduler=address)) == expected


def test_what_is_wrong_is_named(pairs, tmp_path):
    paths, _ = pairs
    with pytest.raises(InputError, match="no Dask scheduler answers at nowhere"):
        list(map_blocks(abs, [1], scheduler="nowhere"))
    with pytest.raises(InputError, match="40 cells have a quality, the counts hold 25"):
        plan_blocks([(paths[2][0], paths[0][1])], max_gib=1)
    with pytest.raises(InputError, match="the counts do not exist"):
        plan_blocks([(tmp_path / "none.h5ad", paths[0][1])], max_gib=1)
    with h5py.File(paths[0][0], "a") as handle:
        handle["X"].attrs["encoding-type"] = "csc_matrix"
    with pytest.raises(InputError, match="X is stored as csc_matrix"):
        plan_blocks(paths, max_gib=1)
