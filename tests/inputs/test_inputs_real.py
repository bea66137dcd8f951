"""The readers on real public files, against scanpy's own readers and the published facts."""

from __future__ import annotations

import gzip

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from stietime.errors import InputError
from stietime.inputs.read import ReadingOptions, glance, open_input, prepare, read_prepared
from stietime.resources import read_gene_aliases, read_markers

pytestmark = pytest.mark.data

THREE_CHEMISTRIES = {"1k_PBMC_v2_filt": 954, "1k_PBMC_v3_filt": 906, "5prime_PBMC_filt_1kcells": 1000}


def read(path, file_format="h5ad", **options):
    options.setdefault("aliases", read_gene_aliases(options.get("species", "human")))
    contents = open_input(path, file_format)
    glance(contents)
    return read_prepared(prepare(contents, ReadingOptions(**options)))


def names_of(folder):
    text = gzip.decompress((folder / "features.tsv.gz").read_bytes()).decode()
    return [line.split("\t")[1] for line in text.splitlines()]


@pytest.fixture
def zilionis(data_dir):
    return data_dir / "zilionis_nsclc_blood_tumor_300" / "zilionis300_counts_recovered.h5ad"


def test_zilionis_samples_add_up_to_the_file(zilionis):
    whole = ad.read_h5ad(zilionis)
    n = {}
    for tissue in ("blood", "tumor"):
        for patient in sorted(set(whole.obs["Patient"])):
            if tissue == "blood" and patient == "p5":
                continue
            cells = read(zilionis, subset=f"Tissue={tissue}; Patient={patient}")
            n[tissue, patient] = cells.n_obs
            assert cells.X.sum() == whole[cells.obs_names].X.sum()
    assert n["blood", "p1"] == 42
    assert n["tumor", "p1"] == 77
    assert sum(n.values()) == whole.n_obs
    with pytest.raises(InputError, match="no row has Patient=p5"):
        read(zilionis, subset="Tissue=blood; Patient=p5")
    with pytest.raises(InputError, match="found blood, tumor"):
        read(zilionis, subset="Tissue=lung")


def test_zilionis_has_the_markers_under_their_current_names(zilionis):
    cells = read(zilionis)
    assert cells.uns["ingest"]["n_genes_renamed"] > 500
    assert {"STING1", "CGAS", "JCHAIN", "CXCL8"} <= set(cells.var_names)
    old = ad.read_h5ad(zilionis)
    np.testing.assert_array_equal(cells[:, "STING1"].X.toarray(), old[:, "TMEM173"].X.toarray())
    markers = set(read_markers()["gene"])
    assert len(markers & set(cells.var_names)) > len(markers & set(old.var_names))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (
            "zheng2017_pbmc_facs/pbmc_facs_half",
            {"IGJ": "JCHAIN", "MRC1L1": "MRC1", "C10orf54": "VSIR", "IL8": "CXCL8"},
        ),
        ("soupx_pbmc4k_ambient/soupx_pbmc_2170", {"SEPP1": "SELENOP", "MB21D1": "CGAS", "TMEM173": "STING1"}),
        ("hao2021_pbmc_1000_raw/hao_pbmc_1000", {"TMEM173": "STING1"}),
    ],
)
def test_older_references_come_out_under_current_names(data_dir, name, found):
    path = data_dir / f"{name}.h5ad"
    old = ad.read_h5ad(path)
    cells = read(path)
    assert cells.X.sum() == old.X.sum()
    for before, after in found.items():
        assert before not in cells.var_names
        assert cells[:, after].X.sum() == old[:, before].X.sum()
    aliases = read_gene_aliases()
    current = {aliases.get(gene, gene) for gene in old.var_names} & set(read_markers()["gene"])
    assert current <= set(cells.var_names)


def test_the_same_pbmc_as_folder_and_as_h5ad(data_dir):
    folder = data_dir / "pbmc_three_chemistries_10x"
    cells = read(folder / "mtx_v2_raw", "10x_mtx", aliases={})
    filtered = read(folder / "1k_PBMC_v2_filt.h5ad", aliases={})
    assert cells.shape[0] == 996
    assert cells.uns["ingest"]["n_genes_in_file"] == 33538
    shared = cells[filtered.obs_names, filtered.var_names]
    differs = shared.var_names[np.asarray((shared.X != filtered.X).sum(axis=0)).ravel() > 0]
    # the h5ad lost genes seen in few cells before its doubled names were told apart
    doubled = {name.removesuffix("-1") for name in names_of(folder / "mtx_v2_raw") if name.endswith("-1")}
    assert set(differs) < doubled
    assert len(differs) < 6
    assert (shared.X.toarray() >= filtered.X.toarray()).all()


def test_genes_that_another_tool_made_unique_are_one_gene_again(data_dir):
    folder = data_dir / "pbmc_three_chemistries_10x"
    cells = read(folder / "mtx_v2_raw", "10x_mtx", aliases={})
    assert 20 <= cells.uns["ingest"]["n_genes_merged"] <= 30  # 24 symbols stand twice in this reference
    published = ad.read_h5ad(folder / "1k_PBMC_v2_filt.h5ad")
    for gene in ("MATR3", "PINX1", "DIABLO"):  # there the counts are under the plain name
        assert cells[published.obs_names, gene].X.sum() == published[:, gene].X.sum() > 0


def test_a_folder_as_geo_has_it_reads_the_same(data_dir, tmp_path):
    source = data_dir / "pbmc_three_chemistries_10x" / "mtx_v2_raw"
    symbols = names_of(source)
    (tmp_path / "GSM1_genes.tsv").write_text("\n".join(symbols) + "\n")  # one column, not compressed
    for name in ("matrix.mtx.gz", "barcodes.tsv.gz"):
        (tmp_path / f"GSM1_{name}").symlink_to(source / name)
    geo, plain = read(tmp_path, "10x_mtx"), read(source, "10x_mtx")
    assert (geo.X != plain.X).nnz == 0
    assert list(geo.var_names) == list(plain.var_names)


@pytest.mark.parametrize("name", THREE_CHEMISTRIES)
def test_three_chemistries_share_most_genes_after_renaming(data_dir, name):
    cells = read(data_dir / "pbmc_three_chemistries_10x" / f"{name}.h5ad")
    assert cells.n_obs == THREE_CHEMISTRIES[name]
    assert "STING1" in cells.var_names


def test_a_cellranger_h5_reads_as_scanpy_reads_it(data_dir):
    sc = pytest.importorskip("scanpy")
    path = data_dir / "squidpy_reference" / "filtered_feature_bc_matrix.h5"
    expected = sc.read_10x_h5(path)
    # its names are ids, for which there are no symbols
    cells = read(path, "10x_h5", aliases={}, max_genes_missing_symbol_fraction=1.0)
    assert list(cells.obs_names) == list(expected.obs_names)
    by_symbol = pd.DataFrame(expected.X.toarray().T).groupby(np.asarray(expected.var_names)).sum().T
    np.testing.assert_array_equal(cells.X.toarray(), by_symbol[list(cells.var_names)].to_numpy())


def test_spaceranger_output_of_mouse_brain_is_mouse(data_dir):
    folder = data_dir / "visium_cytassist_mouse_brainlike_2898" / "outs" / "filtered_feature_bc_matrix"
    cells = read(folder, "10x_mtx", species="mouse")
    assert cells.n_obs == 2898
    with pytest.raises(InputError, match="look like mouse"):
        read(folder, "10x_mtx", species="human")


def test_mouse_spleen(data_dir):
    path = data_dir / "jaitin2014_mouse_spleen_4590" / "jaitin_spleen.h5ad"
    cells = read(path, species="mouse", subset="number_of_cells=1")
    assert cells.n_obs == 4468
    with pytest.raises(InputError, match="write mouse"):
        read(path, species="human")


@pytest.mark.parametrize(
    "name", ["symphony_pbmc_1200/symphony_pbmc_1200", "ucell_sample_hao_pbmc_600/ucell600_lognorm"]
)
def test_files_with_log_values_only_are_refused(data_dir, name):
    with pytest.raises(InputError, match=r"no counts were found: .*X holds log values") as caught:
        read(data_dir / f"{name}.h5ad")
    assert f"{name}.h5ad" in str(caught.value)


def test_p_values_are_refused(data_dir):
    with pytest.raises(InputError, match="NaN"):
        read(data_dir / "squidpy_reference" / "ligrec_pvalues_reference.h5ad")


def test_keren_patients_are_in_a_field_of_800_micrometres(data_dir):
    path = data_dir / "keren2018_tnbc_mibi" / "cells_xy_type_class.csv.gz"
    published = pd.read_csv(path)
    options = {"with_positions": True, "x_column": "column", "y_column": "row", "um_per_unit": 800 / 2048}
    for patient in (1, 16):
        cells = read(path, "cell_table", subset=f"patient={patient}", **options)
        expected = published[published["patient"] == patient]
        assert cells.shape == (len(expected), 0)
        np.testing.assert_allclose(cells.obsm["spatial"][:, 0], expected["column"] * 0.390625)
        assert cells.obsm["spatial"].min() >= 0
        assert 700 < cells.obsm["spatial"].max() <= 800
        assert list(cells.obs["source_class"].unique()) == list(expected["class"].unique())


def test_xenium_is_a_section_with_counts_and_positions(data_dir):
    path = data_dir / "jefworks_breast_visium_xenium" / "breast_xenium.h5ad"
    expected = ad.read_h5ad(path)
    cells = read(path, with_positions=True)
    assert cells.shape == (17136, 313)
    np.testing.assert_allclose(cells.obsm["spatial"], expected.obsm["spatial"])
    aligned = read(path, with_positions=True, x_column="aligned_x", y_column="aligned_y")
    np.testing.assert_allclose(aligned.obsm["spatial"][:, 1], expected.obs["aligned_y"])
