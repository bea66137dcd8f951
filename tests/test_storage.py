"""Storage: atomic writes, strict joins."""

from __future__ import annotations

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime import storage
from stietime.errors import InputError


@pytest.fixture
def cells():
    obs = pd.DataFrame({"sample": ["s"] * 3}, index=["s:a", "s:b", "s:c"])
    var = pd.DataFrame(index=["CD3E", "FOXP3"])
    return ad.AnnData(sparse.csr_matrix(np.arange(6, dtype=np.int32).reshape(3, 2)), obs=obs, var=var)


@pytest.fixture
def counts(cells, tmp_path):
    path = tmp_path / "new" / "counts.h5ad"
    storage.write_cells(cells, path)
    return path


def test_counts_come_back_as_they_were_written(cells, counts):
    found = storage.read_cells(counts)
    assert (found.X.toarray() == cells.X.toarray()).all()
    assert found.X.dtype == np.int32
    assert list(found.obs_names) == ["s:a", "s:b", "s:c"]


def test_the_index_is_one_that_r_can_read(counts):
    with h5py.File(counts) as file:
        for frame in ("obs", "var"):
            index = file[frame][file[frame].attrs["_index"]]
            assert isinstance(index, h5py.Dataset), "a nullable string array is a group, not a dataset"


def test_additions_are_joined_by_cell_not_by_order(counts, tmp_path):
    table = pd.DataFrame({"cell": ["s:c", "s:a", "s:b"], "keep": [True, False, True]})
    storage.write_table(table, tmp_path / "quality.parquet")
    found = storage.read_cells(counts, tmp_path / "quality.parquet")
    assert found.obs["keep"].to_list() == [False, True, True]


@pytest.mark.parametrize(
    ("ids", "word"),
    [
        (["s:a", "s:b"], "1 cells are missing"),
        (["s:a", "s:b", "s:c", "s:d"], "1 are extra, such as s:d"),
        (["s:a", "s:b", "s:b"], "s:b stands twice"),
    ],
)
def test_other_cells_are_an_error(counts, tmp_path, ids, word):
    storage.write_table(pd.DataFrame({"cell": ids}), tmp_path / "quality.parquet")
    with pytest.raises(InputError, match=word):
        storage.read_cells(counts, tmp_path / "quality.parquet")


def test_nothing_half_written_is_left(tmp_path):
    target = tmp_path / "table.tsv"
    target.write_text("old")

    def fail_midway():
        with storage.atomic_path(target) as partial:
            partial.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail_midway()
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["table.tsv"]


def test_tables_survive_both_formats(tmp_path):
    table = pd.DataFrame({"gene": ["NA", "CD3E"], "value": [1.5, np.nan]})
    for name in ("table.tsv", "table.parquet"):
        storage.write_table(table, tmp_path / name)
        found = storage.read_table(tmp_path / name, ["gene"])
        assert found["gene"].to_list() == ["NA", "CD3E"]
        assert np.isnan(found["value"].iloc[1])


def test_a_table_without_a_promised_column(tmp_path):
    storage.write_table(pd.DataFrame({"a": [1]}), tmp_path / "t.tsv")
    with pytest.raises(InputError, match="lacks the columns b; it has a"):
        storage.read_table(tmp_path / "t.tsv", ["a", "b"])
    with pytest.raises(InputError, match="does not exist"):
        storage.read_table(tmp_path / "none.tsv")
