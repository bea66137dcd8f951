"""10x matrices in HDF5 and Matrix Market, in the layouts CellRanger and GEO have."""

from __future__ import annotations

import gzip

import anndata as ad
import h5py
import numpy as np
import pytest
from scipy import io, sparse

from stietime.errors import InputError
from stietime.inputs.read import ReadingOptions, glance, open_input, prepare, read_prepared

IDS = [f"ENSG{i:011d}" for i in range(6)]
SYMBOLS = ["CD3E", "CD4", "IL8", "CD3E", "GAPDH", "CD19_ab"]
TYPES = ["Gene Expression"] * 5 + ["Antibody Capture"]
BARCODES = [f"AAAC{i}-1" for i in range(4)]
COUNTS = np.arange(24).reshape(4, 6) % 5  # cells x features


def read(path, file_format, **options):
    contents = open_input(path, file_format)
    glance(contents)
    return read_prepared(prepare(contents, ReadingOptions(**options)))


def as_bytes(texts):
    return np.array([text.encode() for text in texts])


def write_h5(path, version, name="matrix", types=TYPES):
    with h5py.File(path, "a") as handle:
        group = handle.create_group(name)
        matrix = sparse.csc_matrix(COUNTS.T)
        for key in ("data", "indices", "indptr"):
            group[key] = getattr(matrix, key)
        group["shape"], group["barcodes"] = np.array(matrix.shape), as_bytes(BARCODES)
        if version == 2:
            group["genes"], group["gene_names"] = as_bytes(IDS), as_bytes(SYMBOLS)
        else:
            features = group.create_group("features")
            for key, texts in (("id", IDS), ("name", SYMBOLS), ("feature_type", types)):
                features[key] = as_bytes(texts)
            features["_all_tag_keys"] = as_bytes(["genome"])


def write_mtx(
    folder, *, prefix="", features="features.tsv", columns=3, packed=True, matrix=COUNTS.T, transform=str
):
    folder.mkdir(exist_ok=True)
    lines = ["\t".join(row[:columns]) for row in zip(IDS, SYMBOLS, TYPES, strict=True)]
    if columns == 1:
        lines = SYMBOLS
    texts = {features: "\n".join(lines) + "\n", "barcodes.tsv": "\n".join(BARCODES) + "\n"}
    io.mmwrite(folder / "temporary.mtx", sparse.coo_matrix(matrix))
    texts["matrix.mtx"] = (folder / "temporary.mtx").read_text()
    (folder / "temporary.mtx").unlink()
    for name, text in texts.items():
        content = transform(text).encode()
        path = folder / f"{prefix}{name}{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)
    return folder


def test_control_probes_of_a_panel_are_counted_beside_the_genes(tmp_path):
    types = [*["Gene Expression"] * 3, "Negative Control Probe", "Unassigned Codeword", "Antibody Capture"]
    write_h5(tmp_path / "a.h5", 3, types=types)
    cells = read(tmp_path / "a.h5", "10x_h5")
    assert list(cells.var_names) == ["CD3E", "CD4", "IL8"]
    assert list(cells.obs["n_negative_probe_counts"]) == list(COUNTS[:, [3, 4]].sum(axis=1))
    facts = cells.uns["ingest"]
    assert (facts["n_genes"], facts["n_negative_probes"], facts["n_features_other"]) == (3, 2, 1)


def test_version_3_takes_gene_expression_and_counts_the_rest(tmp_path):
    write_h5(tmp_path / "a.h5", 3)
    cells = read(tmp_path / "a.h5", "10x_h5")
    # the two CD3E of the file are one gene
    assert list(cells.var_names) == ["CD3E", "CD4", "IL8", "GAPDH"]
    np.testing.assert_array_equal(cells[:, "CD3E"].X.toarray().ravel(), COUNTS[:, 0] + COUNTS[:, 3])
    np.testing.assert_array_equal(cells[:, "GAPDH"].X.toarray().ravel(), COUNTS[:, 4])
    assert list(cells.obs_names) == BARCODES
    facts = cells.uns["ingest"]
    assert (facts["n_features_other"], facts["n_genes_merged"], facts["n_genes_in_file"]) == (1, 1, 5)


def test_version_2_has_no_types_and_may_hold_one_genome(tmp_path):
    write_h5(tmp_path / "a.h5", 2, "hg19")
    cells = read(tmp_path / "a.h5", "10x_h5", aliases={"IL8": "CXCL8"})
    assert list(cells.var_names) == ["CD3E", "CD4", "CXCL8", "GAPDH", "CD19_ab"]
    assert cells.X.sum() == COUNTS.sum()
    write_h5(tmp_path / "a.h5", 2, "mm10")
    with pytest.raises(InputError, match="several genomes: hg19, mm10"):
        open_input(tmp_path / "a.h5", "10x_h5")


def test_h5_files_that_are_something_else(tmp_path):
    text = tmp_path / "text.h5"
    text.write_text("%%MatrixMarket")
    with pytest.raises(InputError, match="it is text that begins with '%%MatrixMarket'"):
        open_input(text, "10x_h5")
    ad.AnnData(sparse.csr_matrix(COUNTS)).write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(InputError, match="no CellRanger matrix") as caught:
        open_input(tmp_path / "a.h5ad", "10x_h5")
    assert "h5ad" in caught.value.fix
    write_h5(tmp_path / "a.h5", 3)
    with h5py.File(tmp_path / "a.h5", "a") as handle:
        del handle["matrix/barcodes"]
        handle["matrix/barcodes"] = as_bytes(BARCODES[:3])
    with pytest.raises(InputError, match="6 x 4, with 6 features and 3 barcodes"):
        open_input(tmp_path / "a.h5", "10x_h5")


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"packed": False},
        {"prefix": "GSM123_patient1_"},
        {"prefix": "GSM123_", "features": "genes.tsv", "columns": 2},
        {"features": "genes.tsv", "columns": 1},
        {"features": "genes.tsv", "columns": 1, "packed": False},
        {"matrix": COUNTS},  # cells x genes, as kb-python writes
        {"matrix": COUNTS.T.astype(float)},
        {"transform": lambda text: text.replace("\n", "\r\n")},
    ],
)
def test_every_layout_of_a_folder_gives_the_same(tmp_path, layout):
    folder = write_mtx(tmp_path / "m", **layout)
    cells = read(folder, "10x_mtx")
    typed = layout.get("columns", 3) == 3
    assert list(cells.var_names) == ["CD3E", "CD4", "IL8", "GAPDH"] + ([] if typed else ["CD19_ab"])
    np.testing.assert_array_equal(cells[:, "CD4"].X.toarray().ravel(), COUNTS[:, 1])
    np.testing.assert_array_equal(cells[:, "CD3E"].X.toarray().ravel(), COUNTS[:, 0] + COUNTS[:, 3])
    assert list(cells.obs_names) == BARCODES
    assert cells.X.dtype == np.int32


def test_a_folder_of_several_samples_needs_the_matrix_named(tmp_path):
    folder = write_mtx(tmp_path / "m", prefix="GSM1_")
    write_mtx(folder, prefix="GSM2_", matrix=2 * COUNTS.T)
    with pytest.raises(InputError, match=r"2 matrices: GSM1_matrix.mtx.gz, GSM2_matrix.mtx.gz"):
        open_input(folder, "10x_mtx")
    cells = read(folder / "GSM2_matrix.mtx.gz", "10x_mtx")
    assert cells.X.sum() == 2 * COUNTS[:, :5].sum()


def test_features_may_be_shared_but_barcodes_may_not(tmp_path):
    folder = write_mtx(tmp_path / "m", prefix="GSM1_")
    write_mtx(folder, prefix="GSM2_")
    (folder / "GSM1_features.tsv.gz").unlink()
    (folder / "GSM2_features.tsv.gz").rename(folder / "GSE9_features.tsv.gz")
    assert read(folder / "GSM1_matrix.mtx.gz", "10x_mtx").n_obs == 4
    (folder / "GSM1_barcodes.tsv.gz").unlink()
    with pytest.raises(InputError, match=r"no barcodes.tsv that goes with GSM1_; found GSM2_barcodes.tsv.gz"):
        open_input(folder / "GSM1_matrix.mtx.gz", "10x_mtx")


def test_sizes_that_do_not_agree_are_explained(tmp_path):
    folder = write_mtx(tmp_path / "m", packed=False)
    (folder / "barcodes.tsv").write_text("barcode\n" + "\n".join(BARCODES) + "\n")
    with pytest.raises(
        InputError, match=r"6 x 4, but features.tsv has 6 lines and barcodes.tsv has 5"
    ) as caught:
        open_input(folder, "10x_mtx")
    assert "header" in caught.value.fix
    (folder / "barcodes.tsv").write_text("A\nB\n")
    with pytest.raises(InputError) as caught:
        open_input(folder, "10x_mtx")
    assert "one sample together" in caught.value.fix


def test_folders_that_hold_something_else(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        open_input(tmp_path / "none", "10x_mtx")
    (tmp_path / "readme.txt").touch()
    with pytest.raises(InputError, match=r"no .mtx or .mtx.gz file; it holds readme.txt"):
        open_input(tmp_path, "10x_mtx")
    with pytest.raises(InputError, match=r"readme.txt is not a .mtx file"):
        open_input(tmp_path / "readme.txt", "10x_mtx")
    folder = write_mtx(tmp_path / "m", packed=False)
    (folder / "matrix.mtx").write_text("gene,cell,count\n")
    with pytest.raises(InputError, match="no sparse Matrix Market file; it begins with 'gene,cell"):
        open_input(folder, "10x_mtx")
    (folder / "features.tsv").write_bytes(gzip.compress(b"x" * 5000)[:20])
    with pytest.raises(InputError, match="cannot be read as text"):
        open_input(folder, "10x_mtx")


def test_log_values_and_a_cut_matrix_are_refused(tmp_path):
    folder = write_mtx(tmp_path / "log", matrix=np.log1p(COUNTS.T))
    with pytest.raises(InputError, match="log values"):
        glance(open_input(folder, "10x_mtx"))
    folder = write_mtx(tmp_path / "cut", packed=False)
    whole = (folder / "matrix.mtx").read_text().splitlines()
    (folder / "matrix.mtx").write_text("\n".join(whole[:-4]) + "\n")
    with pytest.raises(InputError, match="damaged"):
        read(folder, "10x_mtx")


def test_antibodies_alone_are_refused(tmp_path):
    folder = write_mtx(
        tmp_path / "m", transform=lambda text: text.replace("Gene Expression", "Antibody Capture")
    )
    with pytest.raises(InputError, match="found Antibody Capture"):
        open_input(folder, "10x_mtx")


@pytest.mark.parametrize("spoil", ["-3", "nan"])
def test_negative_and_missing_values_are_refused(tmp_path, spoil):
    def transform(text):
        if not text.startswith("%%"):
            return text
        lines = text.replace("integer", "real").splitlines()
        lines[-1] = f"{lines[-1].rpartition(' ')[0]} {spoil}"
        return "\n".join(lines) + "\n"

    folder = write_mtx(tmp_path / "m", transform=transform)
    with pytest.raises(InputError, match=r"negative|NaN"):
        read(folder, "10x_mtx")
