"""The share of unspliced counts, from layers by splicing."""

from __future__ import annotations

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata.io import write_elem
from scipy import sparse

from stietime.errors import InputError
from stietime.inputs import splicing
from stietime.inputs.read import ReadingOptions, open_input, prepare, read_prepared

N_CELLS, N_GENES = 40, 12
VELOCYTO = ("spliced", "unspliced", "ambiguous")


@pytest.fixture(scope="module")
def layers():
    rng = np.random.default_rng(3)
    found = {
        name: rng.poisson(mean, (N_CELLS, N_GENES)) for name, mean in zip(VELOCYTO, (3, 1, 0.2), strict=True)
    }
    for values in found.values():
        values[5] = 0  # a cell without counts in any layer
    return found


def write(path, layers, layout=sparse.csr_matrix, rename=None):
    counts = np.random.default_rng(1).poisson(2, (N_CELLS, N_GENES)).astype(np.float32)
    obs = pd.DataFrame({"lane": ["a", "b", "b", "a"] * 10}, index=[f"c{i}" for i in range(N_CELLS)])
    cells = ad.AnnData(
        sparse.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=[f"G{i}" for i in range(N_GENES)])
    )
    for name, values in layers.items():
        cells.layers[(rename or {}).get(name, name)] = layout(values)
    cells.write_h5ad(path)


def read(path, **options):
    return read_prepared(prepare(open_input(path, "h5ad"), ReadingOptions(**options)))


def expected(layers):
    sums = {name: values.sum(axis=1) for name, values in layers.items()}
    return [100 * u / t if t else np.nan for u, t in zip(sums["unspliced"], sum(sums.values()), strict=True)]


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("subset", ["", "lane=b"])
def test_the_share_is_that_of_each_cell(layers, tmp_path, layout, subset, monkeypatch):
    monkeypatch.setattr(splicing, "N_ROWS_AT_ONCE", 7)
    monkeypatch.setattr(splicing, "N_VALUES_AT_ONCE", 31)
    write(tmp_path / "a.h5ad", layers, layout)
    cells = read(tmp_path / "a.h5ad", subset=subset)
    chosen = [i for i in range(N_CELLS) if not subset or i % 4 in (1, 2)]
    np.testing.assert_allclose(cells.obs["pct_intronic"], np.array(expected(layers))[chosen])
    assert np.isnan(cells.obs.loc["c5", "pct_intronic"])
    assert cells.uns["ingest"]["intronic_from"] == "spliced, unspliced, ambiguous"


def test_blocks_without_a_wanted_row_are_not_read(layers, tmp_path, monkeypatch):
    monkeypatch.setattr(splicing, "N_ROWS_AT_ONCE", 10)
    write(tmp_path / "a.h5ad", layers)
    contents = open_input(tmp_path / "a.h5ad", "h5ad")
    starts = []
    by_row = splicing._by_row

    def watched(n_rows, rows, sum_rows):
        return by_row(n_rows, rows, lambda start, end: (starts.append(start), sum_rows(start, end))[1])

    monkeypatch.setattr(splicing, "_by_row", watched)
    contents.intronic(np.array([11, 33, 38]))
    assert sorted(set(starts)) == [10, 30]


def test_other_names_and_no_ambiguous_layer(layers, tmp_path):
    names = {"spliced": "mature", "unspliced": "nascent"}
    write(tmp_path / "a.h5ad", layers, rename=names)
    np.testing.assert_allclose(read(tmp_path / "a.h5ad").obs["pct_intronic"], expected(layers))
    two = {name: layers[name] for name in VELOCYTO[:2]}
    write(tmp_path / "b.h5ad", two)
    np.testing.assert_allclose(read(tmp_path / "b.h5ad").obs["pct_intronic"], expected(two))


@pytest.mark.parametrize("names", [(), ("spliced",), ("unspliced", "ambiguous")])
def test_without_both_layers_nothing_is_said(layers, tmp_path, names):
    write(tmp_path / "a.h5ad", {name: layers[name] for name in names})
    cells = read(tmp_path / "a.h5ad")
    assert "pct_intronic" not in cells.obs
    assert "intronic_from" not in cells.uns["ingest"]


def test_normalised_layers_are_not_used_and_that_is_told(layers, tmp_path):
    normalised = {
        name: values / np.maximum(values.sum(axis=1, keepdims=True), 1) for name, values in layers.items()
    }
    write(tmp_path / "a.h5ad", normalised)
    cells = read(tmp_path / "a.h5ad")
    assert "pct_intronic" not in cells.obs
    assert 'not measured: layers["spliced"] holds' in cells.uns["ingest"]["intronic_from"]


@pytest.mark.parametrize("shape", [(N_CELLS - 1, N_GENES), (N_CELLS, N_GENES + 1)])
@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_matrix])
def test_a_layer_of_another_shape_is_refused(layers, tmp_path, shape, layout):
    write(tmp_path / "a.h5ad", layers)
    with h5py.File(tmp_path / "a.h5ad", "a") as handle:
        del handle["layers/unspliced"]
        write_elem(handle["layers"], "unspliced", layout(np.ones(shape)))
    with pytest.raises(InputError, match=r"unspliced.* is \d+ x \d+, but the file has 40 cells and 12 genes"):
        open_input(tmp_path / "a.h5ad", "h5ad")
