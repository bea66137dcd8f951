"""Labels read out of an h5ad are what anndata reads, however they are stored."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime import storage
from stietime.errors import InputError
from stietime.h5ad_parts import read_fact, read_frame


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Five cells with columns of every kind, and facts of how they were read in."""
    obs = pd.DataFrame(
        {
            "text": ["a", "b", "", "d", "é"],
            "number": [1, 2, 3, 4, 5],
            "share": [0.5, np.nan, 1, 2, 3],
            "flag": [True, False, True, True, False],
            "kind": pd.Categorical(["x", "y", None, "x", "y"]),
            "order": pd.Categorical(["low", "high", "low", "low", "high"], ["low", "high"], ordered=True),
            "year": pd.Categorical([2020, 2021, 2020, 2020, 2021]),
            "perhaps": pd.array([1, None, 3, 4, None], dtype="Int64"),
        },
        index=[f"s:{place}" for place in range(5)],
    )
    cells = ad.AnnData(sparse.csr_matrix(np.eye(5, 4, dtype=np.int32)), obs=obs)
    cells.var_names = ["A", "B", "C", "D"]
    cells.uns["ingest"] = {"n_empty_droplets": 7}
    where = tmp_path_factory.mktemp("parts") / "counts.h5ad"
    storage.write_cells(cells, where)
    return where


def test_all_columns_are_those_of_anndata(path):
    expected = ad.read_h5ad(path)
    found = read_frame(path, "obs")
    assert list(found.columns) == list(expected.obs.columns)
    # text is of type object here, as the rest of the package has it
    assert found.index.dtype == object
    for name in found:
        assert found[name].dtype.kind == expected.obs[name].dtype.kind
        pd.testing.assert_series_equal(
            found[name].astype(object), expected.obs[name].astype(object), check_index_type=False
        )
    assert found["kind"].isna().sum() == 1
    assert found["order"].cat.ordered
    assert read_frame(path, "var").index.tolist() == ["A", "B", "C", "D"]


def test_some_columns_and_none(path):
    some = read_frame(path, "obs", ["kind", "nowhere", "text"])
    assert list(some.columns) == ["kind", "text"]
    assert read_frame(path, "obs", []).shape == (5, 0)
    with pytest.raises(InputError, match="do not exist"):
        read_frame(path.with_name("none.h5ad"), "obs")


def test_facts_of_ingest(path):
    assert read_fact(path, "ingest/n_empty_droplets", 0) == 7
    assert read_fact(path, "ingest/nothing", 3) == 3
