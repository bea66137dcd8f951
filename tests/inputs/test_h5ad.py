"""h5ad files: where the counts are found, and what is refused."""

from __future__ import annotations

import gzip

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime.errors import InputError
from stietime.inputs import h5ad
from stietime.inputs.read import ReadingOptions, open_input, prepare, read_prepared

N_CELLS, N_GENES = 30, 25
GENES = [f"GENE{i}" for i in range(N_GENES)]


@pytest.fixture(scope="module")
def counts():
    return np.random.default_rng(0).poisson(1.0, (N_CELLS, N_GENES)).astype(np.float32)


def annotated(x, n_genes=N_GENES):
    obs = pd.DataFrame({"n": np.arange(N_CELLS)}, index=[f"c{i}" for i in range(N_CELLS)])
    return ad.AnnData(X=x, obs=obs, var=pd.DataFrame(index=GENES[:n_genes]))


def read(path, **options):
    return read_prepared(prepare(open_input(path, "h5ad"), ReadingOptions(**options)))


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint16])
def test_every_layout_and_type_gives_the_same_counts(counts, tmp_path, layout, dtype):
    annotated(layout(counts.astype(dtype))).write_h5ad(tmp_path / "a.h5ad")
    cells = read(tmp_path / "a.h5ad")
    assert cells.X.dtype == np.int32
    assert cells.X.format == "csr"
    np.testing.assert_array_equal(cells.X.toarray(), counts)
    assert cells.uns["ingest"]["counts_from"] == "X"


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_a_subset_reads_its_rows_only(counts, tmp_path, layout, monkeypatch):
    monkeypatch.setattr(h5ad, "N_ROWS_AT_ONCE", 7)
    whole = annotated(layout(counts))
    whole.obs["donor"] = pd.Categorical(np.where(np.arange(N_CELLS) % 3 == 1, "a", "b"))
    whole.write_h5ad(tmp_path / "a.h5ad")
    cells = read(tmp_path / "a.h5ad", subset="donor=a")
    np.testing.assert_array_equal(cells.X.toarray(), counts[1::3])
    assert list(cells.obs_names[:2]) == ["c1", "c4"]
    assert (cells.uns["ingest"]["n_cells_in_file"], cells.uns["ingest"]["n_cells"]) == (N_CELLS, 10)


def test_counts_are_found_in_the_layer_or_in_raw(counts, tmp_path):
    logged = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    layered = annotated(logged)
    layered.layers["counts"] = counts
    layered.write_h5ad(tmp_path / "layer.h5ad")
    cells = read(tmp_path / "layer.h5ad")
    assert cells.uns["ingest"]["counts_from"] == 'layers["counts"]'
    np.testing.assert_array_equal(cells.X.toarray(), counts)

    raw = annotated(sparse.csr_matrix(logged[:, :10]), 10)
    raw.raw = annotated(sparse.csr_matrix(counts))
    raw.write_h5ad(tmp_path / "raw.h5ad")
    cells = read(tmp_path / "raw.h5ad")
    assert cells.uns["ingest"]["counts_from"] == "raw.X"
    assert list(cells.var_names) == GENES  # the genes of raw, not of X
    np.testing.assert_array_equal(cells.X.toarray(), counts)


def test_log_values_are_refused_and_every_place_is_named(counts, tmp_path):
    annotated(np.log1p(counts)).write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(InputError) as caught:
        open_input(tmp_path / "a.h5ad", "h5ad")
    text = str(caught.value)
    assert "log values" in text
    assert "0.693" in text  # an example: log1p of one
    assert 'layers["counts"] is not there' in text
    assert "raw.X is not there" in text
    assert "UMI counts" in caught.value.fix


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (np.nan, "NaN"),
        (np.inf, "NaN or infinite"),
        (-1, "negative"),
        (4e9, "too large"),
        (700.5, "estimated"),
    ],
)
def test_values_that_are_no_counts(counts, tmp_path, value, word):
    spoilt = counts.copy()
    spoilt[4, 5] = value
    annotated(spoilt).write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(InputError, match=word):
        open_input(tmp_path / "a.h5ad", "h5ad")


def test_a_bad_value_far_from_the_ends_is_found_when_all_are_read(counts, tmp_path, monkeypatch):
    monkeypatch.setattr(h5ad, "N_GLANCED", 20)
    spoilt = counts.copy()
    spoilt[15, 10] = 1.5
    annotated(sparse.csr_matrix(spoilt)).write_h5ad(tmp_path / "a.h5ad")
    prepared = prepare(open_input(tmp_path / "a.h5ad", "h5ad"), ReadingOptions())
    with pytest.raises(InputError, match=r"1\.5 is not whole"):
        read_prepared(prepared)


def test_empty_samples(counts, tmp_path):
    annotated(np.zeros_like(counts)).write_h5ad(tmp_path / "zero.h5ad")
    with pytest.raises(InputError, match="no value but zero"):
        open_input(tmp_path / "zero.h5ad", "h5ad")
    annotated(counts)[:0].copy().write_h5ad(tmp_path / "none.h5ad")
    with pytest.raises(InputError, match="holds no cells"):
        open_input(tmp_path / "none.h5ad", "h5ad")
    half = counts.copy()
    half[10:] = 0
    cells = annotated(half)
    cells.obs["kind"] = np.where(np.arange(N_CELLS) < 10, "full", "empty")
    cells.write_h5ad(tmp_path / "half.h5ad")
    with pytest.raises(InputError, match="20 cells but no counts"):
        read(tmp_path / "half.h5ad", subset="kind=empty")
    assert read(tmp_path / "half.h5ad").uns["ingest"]["n_cells_without_counts"] == 20


def test_doubled_barcodes_are_refused_unless_a_subset_tells_them_apart(counts, tmp_path):
    joined = annotated(counts)
    joined.obs["lane"] = np.repeat(["one", "two"], N_CELLS // 2)
    joined.obs_names = [f"c{i % 15}" for i in range(N_CELLS)]
    joined.write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(InputError, match="15 barcodes stand more than once, such as c0") as caught:
        read(tmp_path / "a.h5ad")
    assert "subset" in caught.value.fix
    assert read(tmp_path / "a.h5ad", subset="lane=two").n_obs == 15


def test_own_columns_are_kept_in_types_that_can_be_written(counts, tmp_path):
    cells = annotated(counts)
    cells.obs["text"] = pd.Categorical([None, *["x"] * (N_CELLS - 1)])
    cells.obs["flag"] = pd.array([True, None] * (N_CELLS // 2), dtype="boolean")
    cells.obs["number"] = np.linspace(0, 1, N_CELLS)
    cells.write_h5ad(tmp_path / "a.h5ad")
    obs = read(tmp_path / "a.h5ad").obs
    assert list(obs["source_text"][:2]) == ["", "x"]
    assert list(obs["source_flag"][:2]) == ["True", ""]
    np.testing.assert_allclose(obs["source_number"], cells.obs["number"])
    assert list(obs["source_n"]) == list(range(N_CELLS))


def test_files_that_are_something_else(tmp_path):
    text = tmp_path / "text.h5ad"
    text.write_text("gene\tcell\n")
    packed = tmp_path / "packed.h5ad"
    packed.write_bytes(gzip.compress(b"anything"))
    cut = tmp_path / "cut.h5ad"
    cut.write_bytes(b"\x00\x01\x02")
    nothing = tmp_path / "nothing.h5ad"
    nothing.touch()
    tenx = tmp_path / "tenx.h5"
    with h5py.File(tenx, "w") as handle:
        handle.create_group("matrix").create_dataset("barcodes", data=np.array([b"A"]))
    found = {}
    for path in (text, packed, cut, nothing, tenx, tmp_path, tmp_path / "missing.h5ad"):
        with pytest.raises(InputError) as caught:
            open_input(path, "h5ad")
        assert str(path) in str(caught.value)
        found[path.name] = caught.value
    assert "text that begins with 'gene\\tcell'" in found["text.h5ad"].what
    assert "gunzip" in found["packed.h5ad"].fix
    assert "damaged" in found["cut.h5ad"].what
    assert "it is empty" in found["nothing.h5ad"].what
    assert "10x_h5" in found["tenx.h5"].fix
    assert "folder" in found[tmp_path.name].what
    assert "does not exist" in found["missing.h5ad"].what


def test_an_unknown_format_names_those_that_are_known(tmp_path):
    with pytest.raises(InputError, match="10x_mtx, cell_table"):
        open_input(tmp_path, "loom")
