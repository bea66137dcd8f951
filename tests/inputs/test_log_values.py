"""Counts recovered from log values: planted counts come back, and what is no log of counts is refused."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.io import mmwrite

from stietime.commands.validate import check_inputs
from stietime.errors import InputError
from stietime.inputs.log_values import recover_counts
from stietime.inputs.read import ReadingOptions, glance, open_input, prepare, read_prepared
from stietime.sample import Sample
from stietime.sample_sheet import read_sample_sheet
from stietime.settings import Inputs, Settings
from stietime.steps.ingest import read_row

N_CELLS, N_GENES = 60, 400
GENES = [f"GENE{i}" for i in range(N_GENES)]
CELLS = [f"c{i}" for i in range(N_CELLS)]


@pytest.fixture(scope="module")
def counts():
    """Counts as sparse and as uneven as those of droplets; the largest has five digits."""
    rng = np.random.default_rng(0)
    genes = np.exp(rng.normal(-2, 2, N_GENES))
    depth = np.exp(rng.normal(0, 0.8, (N_CELLS, 1)))
    planted = rng.poisson(depth * genes)
    planted[3, 7] = 40_000
    return planted


def logged(counts, scale=1e4, dtype=np.float32):
    """Normalise as scanpy and Seurat do; the scale is a number, or one for each cell."""
    totals = counts.sum(axis=1, keepdims=True)
    return sparse.csr_matrix(np.log1p((counts / totals).astype(dtype) * scale).astype(dtype))


def frame(**columns):
    return pd.DataFrame(columns, index=CELLS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_counts_come_back_with_and_without_totals(counts, dtype):
    values = logged(counts, dtype=dtype)
    without = recover_counts(values, frame(), "f")
    np.testing.assert_array_equal(without.counts.toarray(), counts)
    assert without.facts["counts_recovered_from"] == "log1p values, the smallest of a cell as one count"
    assert 0 < without.facts["largest_remainder"] < (0.05 if dtype is np.float32 else 1e-8)
    with_totals = recover_counts(values, frame(nCount_RNA=counts.sum(axis=1)), "f")
    np.testing.assert_array_equal(with_totals.counts.toarray(), counts)
    told = with_totals.facts["counts_recovered_from"]
    assert told == "log1p values and the totals of the column nCount_RNA, scale 10000"


def test_the_scale_may_be_the_median_total_and_genes_may_be_left_out_afterwards(counts):
    totals = counts.sum(axis=1)
    genes = np.arange(N_GENES) % 2 == 0
    values = logged(counts, scale=np.median(totals))[:, genes]
    for obs in (frame(), frame(total_counts=totals)):
        np.testing.assert_array_equal(recover_counts(values, obs, "f").counts.toarray(), counts[:, genes])


def test_every_cell_may_have_its_own_scale(counts):
    """As size factors or a target for each batch give; then the totals do not fit and are passed over."""
    scale = np.random.default_rng(1).uniform(500, 20_000, (N_CELLS, 1)).astype(np.float32)
    found = recover_counts(logged(counts, scale), frame(n_counts=counts.sum(axis=1)), "f")
    np.testing.assert_array_equal(found.counts.toarray(), counts)
    assert found.facts["counts_recovered_from"].endswith("as one count")


def test_a_cell_without_a_count_of_one_comes_back_by_the_ratios_of_its_values(counts):
    uneven = counts.copy()
    uneven[5] = np.where(uneven[5] == 1, 3, uneven[5])
    assert 2 in uneven[5]
    found = recover_counts(logged(uneven), frame(), "f")
    np.testing.assert_array_equal(found.counts.toarray(), uneven)
    assert found.facts["n_cells_smallest_not_one"] == 1
    # a divisor that all counts share is seen with totals only
    even = counts.copy()
    even[5] *= 2
    np.testing.assert_array_equal(recover_counts(logged(even), frame(), "f").counts.toarray(), counts)
    exact = recover_counts(logged(even), frame(nUMI=even.sum(axis=1)), "f").counts
    np.testing.assert_array_equal(exact.toarray(), even)


def test_cells_without_a_value_stay_empty(counts):
    some = counts.copy()
    some[[0, 9, N_CELLS - 1]] = 0
    values = logged(np.maximum(some, 0)[some.sum(axis=1) > 0])
    padded = sparse.lil_matrix(some.shape)
    padded[np.flatnonzero(some.sum(axis=1))] = values
    np.testing.assert_array_equal(recover_counts(padded.tocsr(), frame(), "f").counts.toarray(), some)


def spoilt(counts, kind):
    """Values as other tools leave them."""
    rng = np.random.default_rng(2)
    dense = logged(counts, dtype=np.float64).toarray()
    if kind == "scaled":
        return (dense - dense.mean(axis=0)) / np.where(dense.std(axis=0), dense.std(axis=0), 1)
    if kind == "scaled and cut at zero":
        return np.maximum(spoilt(counts, "scaled"), 0)
    if kind == "corrected":
        return np.where(dense, dense + 0.1 * rng.random((1, N_GENES)), 0)
    if kind == "imputed":
        return 0.7 * dense + 0.3 * dense[rng.permutation(N_CELLS)]
    if kind == "rounded":
        return np.round(dense, 2)
    return np.where(dense, dense * rng.uniform(0.9, 1.1, (N_CELLS, 1)), 0)  # each cell regressed


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("scaled", "negative values"),
        ("scaled and cut at zero", "no multiples of one count"),
        ("corrected", "no multiples of one count"),
        ("imputed", "no multiples of one count"),
        ("rounded", "no multiples of one count"),
        ("regressed", "no multiples of one count"),
    ],
)
def test_values_that_are_no_logs_of_counts_are_refused(counts, kind, word):
    with pytest.raises(InputError, match=word) as caught:
        recover_counts(sparse.csr_matrix(spoilt(counts, kind)), frame(), "the file")
    assert caught.value.where == "the file"
    assert "raw counts" in caught.value.fix


def test_one_bad_cell_is_named(counts):
    values = logged(counts).tolil()
    values[17] = values[17] * 1.03
    with pytest.raises(
        InputError, match=r"in 1 of 60 cells .* In the cell c17, \d+% of \d+ values"
    ) as caught:
        recover_counts(values.tocsr(), frame(), "f")
    assert "would be" in caught.value.what


@pytest.mark.parametrize(("name", "log"), [("log2", np.log2), ("log10", np.log10)])
def test_another_base_is_refused_and_named(counts, name, log):
    totals = counts.sum(axis=1, keepdims=True)
    values = sparse.csr_matrix(log(1 + 1e4 * counts / totals))
    with pytest.raises(InputError) as caught:
        recover_counts(values, frame(), "f")
    assert caught.value.fix.startswith(f"they fit {name} of one plus normalised counts: multiply them by ")
    factor = float(caught.value.fix.split()[-2])
    np.testing.assert_array_equal(recover_counts(values * factor, frame(), "f").counts.toarray(), counts)


def test_normalised_values_without_a_log_are_named(counts):
    totals = counts.sum(axis=1, keepdims=True)
    with pytest.raises(InputError, match="too large for a log value"):
        recover_counts(sparse.csr_matrix(1e4 * counts / totals), frame(), "f")
    with pytest.raises(InputError) as caught:
        recover_counts(sparse.csr_matrix(10 * counts / totals), frame(), "f")
    assert caught.value.fix.startswith("they are normalised counts without a log")


def write(path, x, *, raw=None, counts=None):
    cells = ad.AnnData(X=x, obs=frame(donor=["a", "b"] * (N_CELLS // 2)), var=pd.DataFrame(index=GENES))
    if raw is not None:
        cells.raw = ad.AnnData(X=raw, obs=cells.obs, var=cells.var)
    if counts is not None:
        cells.layers["counts"] = counts
    cells.write_h5ad(path)


def read(path, file_format="h5ad", values="log1p", **options):
    contents = open_input(path, file_format, values)
    glance(contents)
    return read_prepared(prepare(contents, ReadingOptions(**options)))


def test_a_file_of_log_values_is_refused_unless_the_setting_allows_it(counts, tmp_path):
    path = tmp_path / "a.h5ad"
    write(path, logged(counts))
    with pytest.raises(InputError) as caught:
        open_input(path, "h5ad")
    assert 'set inputs.values to "log1p"' in caught.value.fix
    cells = read(path, subset="donor=b")
    np.testing.assert_array_equal(cells.X.toarray(), counts[1::2])
    facts = cells.uns["ingest"]
    assert facts["counts_from"] == "X"
    assert facts["largest_remainder"] < 0.05


def test_log_values_of_all_genes_are_found_beside_scaled_ones(counts, tmp_path):
    path = tmp_path / "a.h5ad"
    write(path, spoilt(counts, "scaled"), raw=logged(counts))
    cells = read(path)
    np.testing.assert_array_equal(cells.X.toarray(), counts)
    assert cells.uns["ingest"]["counts_from"] == "raw.X"
    write(path, spoilt(counts, "scaled"))
    with pytest.raises(InputError, match="X holds negative values"):
        read(path)


def test_counts_are_taken_where_a_file_has_them(counts, tmp_path):
    path = tmp_path / "a.h5ad"
    write(path, logged(counts), counts=counts)
    cells = read(path)
    np.testing.assert_array_equal(cells.X.toarray(), counts)
    assert cells.uns["ingest"]["counts_from"] == 'layers["counts"]'
    assert "counts_recovered_from" not in cells.uns["ingest"]


def test_a_folder_of_log_values_is_read_too(counts, tmp_path):
    mmwrite(tmp_path / "matrix.mtx", logged(counts, dtype=np.float64).T, precision=12)
    (tmp_path / "features.tsv").write_text("".join(f"{gene}\n" for gene in GENES))
    (tmp_path / "barcodes.tsv").write_text("".join(f"{cell}\n" for cell in CELLS))
    with pytest.raises(InputError, match="log values"):
        read(tmp_path, "10x_mtx", "counts")
    np.testing.assert_array_equal(read(tmp_path, "10x_mtx").X.toarray(), counts)


def test_the_setting_reaches_the_step_and_validation(counts, tmp_path):
    write(tmp_path / "a.h5ad", logged(counts))
    row = {"sample": "s", "patient": "p", "environment": "STIE", "modality": "cells", "format": "h5ad"}
    row["path"] = str(tmp_path / "a.h5ad")
    sheet = tmp_path / "samples.tsv"
    sheet.write_text("\t".join(row) + "\n" + "\t".join(row.values()) + "\n")
    samples = read_sample_sheet(sheet)
    settings = {"samples": str(sheet), "results_dir": str(tmp_path / "results")}
    with pytest.raises((InputError), match="no counts were found"):
        check_inputs(Settings.model_validate(settings), samples)
    allowed = Settings.model_validate({**settings, "inputs": {"values": "log1p"}})
    assert str(check_inputs(allowed, samples)[0]) == f"s: {N_CELLS} cells x {N_GENES} genes"
    cells = read_row(Sample(**row), Inputs(values="log1p"))
    np.testing.assert_array_equal(cells.X.toarray(), counts)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "told", "n_cells"),
    [
        ("symphony_pbmc_1200/symphony_pbmc_1200", "totals of the column nUMI, scale 10000", 1200),
        ("ucell_sample_hao_pbmc_600/ucell600_lognorm", "the smallest of a cell as one count", 600),
    ],
)
def test_public_log_values_are_whole_counts(data_dir, name, told, n_cells):
    path = data_dir / f"{name}.h5ad"
    cells = read(path)
    assert cells.n_obs == n_cells
    facts = cells.uns["ingest"]
    assert facts["counts_recovered_from"].endswith(told)
    assert facts["largest_remainder"] < 0.01
    published = ad.read_h5ad(path)
    # normalised again by totals over the file's own, the counts give the values that were published
    values = sparse.csr_matrix(published.X)
    unit = np.array([np.expm1(values[row].data.min()) for row in range(n_cells)])
    again = sparse.csr_matrix(cells.X[:, [list(cells.var_names).index(g) for g in ("CD3D", "LYZ")]].toarray())
    expected = values[:, [list(published.var_names).index(g) for g in ("CD3D", "LYZ")]].toarray()
    ones = again.toarray() * unit[:, None]
    share = np.isclose(np.log1p(ones), expected, rtol=1e-4, atol=1e-5).all(axis=1).mean()
    assert share > 0.99


@pytest.mark.data
def test_symphony_counts_without_totals_are_those_with_them(data_dir):
    cells = ad.read_h5ad(data_dir / "symphony_pbmc_1200" / "symphony_pbmc_1200.h5ad")
    with_totals = recover_counts(cells.X, cells.obs, "f").counts
    without = recover_counts(cells.X, cells.obs[[]], "f").counts
    assert (with_totals != without).nnz == 0
    assert with_totals.sum(axis=1).max() <= cells.obs["nUMI"].max()
