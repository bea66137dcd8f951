"""The steps assess-section and map-cells with its quality, from the file of a section on, as typed."""

from __future__ import annotations

import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime import names, storage
from stietime.cli import main
from stietime.report.build import make_sections
from stietime.report.results import Results
from stietime.report.sections.section import section_quality
from stietime.resources import read_markers
from stietime.sample import Sample
from stietime.settings import Inputs, Quality, Settings
from stietime.simulate.section import simulate_section

N_CELLS, N_EMPTY, N_NOISY, N_PANEL = 600, 8, 12, 300


def panel_file(path, *, um_per_pixel=0.12):
    """A simulated section as CosMx writes one: positions and areas in pixels, negative probes as features."""
    rng = np.random.default_rng(1)
    section = simulate_section("excluded", N_CELLS, 3)
    genes = [gene for gene in dict.fromkeys(read_markers()["gene"]) if gene in section.var_names][:N_PANEL]
    counts = section[:, genes].X.toarray()
    counts[:N_EMPTY] = 0
    negative = rng.poisson(0.02, (N_CELLS, 10))
    negative[N_EMPTY : N_EMPTY + N_NOISY, 0] = counts[N_EMPTY : N_EMPTY + N_NOISY].sum(axis=1)
    obs = section.obs.assign(
        x=section.obs["x"] / um_per_pixel,
        y=section.obs["y"] / um_per_pixel,
        Area=rng.uniform(60, 160, N_CELLS) / um_per_pixel**2,
        given="epithelial",
    )
    var = pd.DataFrame(index=[*genes, *(f"Negative{i}" for i in range(1, 11))])
    ad.AnnData(sparse.csr_matrix(np.hstack([counts, negative])), obs=obs, var=var).write_h5ad(path)
    return path


def ingest(path, output, *, file_format="h5ad", subset="", **settings):
    fields = {"sample": "s1", "patient": "p1", "environment": "TIME", "modality": "section"}
    row = Sample(**fields, format=file_format, path=str(path), subset=subset).as_json()
    words = ["--section", row, "--settings", Inputs(**settings).as_json(), "--output", str(output)]
    assert main(["step", "ingest-section", *words]) == 0


def assess(folder, **settings):
    here = folder / "sections" / "s1"
    words = ["--counts", str(here / "counts.h5ad"), "--settings", Quality(**settings).as_json()]
    assert main(["step", "assess-section", *words, "--output", str(here / "quality.parquet")]) == 0
    quality = storage.read_table(here / "quality.parquet")
    return quality, pd.DataFrame(quality.attrs["cuts"]).set_index("metric")


def map_cells(folder, *words):
    here = folder / "sections" / "s1"
    paths = ["--counts", str(here / "counts.h5ad"), "--quality", str(here / "quality.parquet")]
    return main(["step", "map-cells", *paths, *words, "--output", str(here / "cell_types.parquet")])


def page_of(folder):
    """The quality section of the report, made from what the steps wrote."""
    sheet = pd.DataFrame([{"sample": "s1", "patient": "p1", "modality": "section"}])
    results = Results(folder, folder / "reports" / "s1.html", Settings(), sheet, name="s1")
    (made,) = make_sections([section_quality], results)
    assert not made.failed, made.blocks
    return {block.kind: block for block in made.blocks}, [block.kind for block in made.blocks]


@pytest.fixture
def panel(tmp_path):
    path = panel_file(tmp_path / "cosmx.h5ad")
    settings = {"um_per_unit": 0.12, "cell_type_column": "given"}
    ingest(path, tmp_path / "sections" / "s1" / "counts.h5ad", **settings)
    return tmp_path


def test_a_panel_from_its_file_to_its_quality(panel):
    quality, cuts = assess(panel)
    assert list(quality.columns) == [
        *("cell", "n_counts", "n_genes", "n_negative", "pct_negative", "area_um2", "counts_per_100um2"),
        *("nucleus_ratio", "pct_mito", "keep", "reason"),
    ]
    source = ad.read_h5ad(panel / "cosmx.h5ad")
    assert list(quality["cell"]) == [f"s1:{name}" for name in source.obs_names]
    counts = source.X.toarray()
    assert quality["n_counts"].tolist() == counts[:, :N_PANEL].sum(axis=1).tolist()
    assert quality["n_negative"].tolist() == counts[:, N_PANEL:].sum(axis=1).tolist()
    np.testing.assert_allclose(quality["area_um2"], source.obs["Area"] * 0.12**2)
    assert quality["area_um2"].between(60, 160).all()
    assert (quality["reason"][:N_EMPTY] == "no_counts").all()
    noisy = slice(N_EMPTY, N_EMPTY + N_NOISY)
    assert (quality["reason"][noisy] == "high_negative").all()
    assert quality["keep"].sum() >= N_CELLS - N_EMPTY - N_NOISY - 2
    assert (quality["keep"] == (quality["reason"] == "kept")).all()
    assert cuts["n_removed"].sum() == (~quality["keep"]).sum()
    assert "one of 10 control probes" in cuts.loc["pct_negative", "note"]


def test_a_dropped_cell_keeps_its_place_and_is_unknown(panel, caplog):
    quality, _ = assess(panel)
    caplog.set_level(logging.INFO)
    assert map_cells(panel) == 0
    types = storage.read_table(panel / "sections" / "s1" / "cell_types.parquet")
    assert list(types["cell"]) == list(quality["cell"])
    dropped = ~quality["keep"].to_numpy()
    assert set(types.loc[dropped, names.LINEAGE]) == set(types.loc[dropped, names.CELL_TYPE]) == {"unknown"}
    assert (types.loc[dropped, names.CONFIDENCE] == 0).all()
    assert (types.loc[~dropped, names.LINEAGE] != "unknown").mean() > 0.8
    n = int(dropped.sum())
    assert f"{n} of {N_CELLS} cells are not kept (high_negative {N_NOISY}, no_counts {N_EMPTY}" in caplog.text
    # the authors' types too are not used where the cell cannot be judged
    assert map_cells(panel, "--settings", '{"method": "given"}') == 0
    types = storage.read_table(panel / "sections" / "s1" / "cell_types.parquet")
    assert (types["lineage"] == np.where(dropped, "unknown", "epithelial")).all()


def test_dropped_cells_do_not_teach_the_types_of_others(panel):
    assess(panel)
    assert map_cells(panel) == 0
    here = panel / "sections" / "s1"
    before = storage.read_table(here / "cell_types.parquet")
    cells = storage.read_cells(here / "counts.h5ad")
    keep = storage.read_table(here / "quality.parquet")["keep"].to_numpy()
    storage.write_cells(cells[keep].copy(), here / "kept.h5ad")
    words = ["step", "map-cells", "--counts", str(here / "kept.h5ad"), "--output", str(here / "kept.parquet")]
    assert main(words) == 0
    pd.testing.assert_frame_equal(
        before[keep].reset_index(drop=True), storage.read_table(here / "kept.parquet"), check_dtype=False
    )


def test_a_section_that_keeps_no_cell_says_which_filter(panel, caplog):
    path = panel / "sections" / "s1" / "counts.h5ad"
    cells = storage.read_cells(path)
    cells.obs["n_negative_probe_counts"] = 0
    cells.X = sparse.csr_matrix(cells.shape, dtype=np.int32)
    storage.write_cells(cells, path)
    quality, _ = assess(panel)
    assert set(quality["reason"]) == {"no_counts"}
    assert f"no cell is kept, so that no type will be known: no_counts (cut 1) {N_CELLS}" in caplog.text
    assert map_cells(panel) == 0
    types = storage.read_table(panel / "sections" / "s1" / "cell_types.parquet")
    assert set(types["lineage"]) == {"unknown"}


def test_areas_that_do_not_fit_are_left_out_and_told(tmp_path):
    path = panel_file(tmp_path / "cosmx.h5ad")
    cells = ad.read_h5ad(path)
    cells.obs["cell_area"] = cells.obs["Area"] * 0.12**2 * 30
    cells.write_h5ad(path)
    ingest(path, tmp_path / "sections" / "s1" / "counts.h5ad", um_per_unit=0.12)
    quality, cuts = assess(tmp_path)
    assert quality[["area_um2", "counts_per_100um2"]].isna().all(axis=None)
    assert "check inputs.um_per_unit" in cuts.loc["area_um2", "note"]
    assert "large_area" not in set(quality["reason"])


def test_counts_of_controls_beside_the_matrix_are_used(panel):
    path = panel / "sections" / "s1" / "counts.h5ad"
    cells = storage.read_cells(path)
    cells.obs["source_control_probe_counts"] = cells.obs.pop("n_negative_probe_counts").to_numpy() - 0.0
    cells.obs["source_control_codeword_counts"] = 1
    storage.write_cells(cells, path)
    quality, _ = assess(panel)
    source = ad.read_h5ad(panel / "cosmx.h5ad").X.toarray()[:, N_PANEL:].sum(axis=1)
    assert quality["n_negative"].tolist() == (source + 1).tolist()


def test_quality_of_other_cells_is_refused(panel, capsys):
    assess(panel)
    path = panel / "sections" / "s1" / "quality.parquet"
    storage.write_table(storage.read_table(path)[5:], path)
    assert map_cells(panel) == 2
    assert "5 cells are missing" in capsys.readouterr().err


def test_the_report_shows_what_a_panel_measures_and_names_the_rest(panel):
    quality, _ = assess(panel)
    assert map_cells(panel) == 0
    cells = storage.read_cells(panel / "sections" / "s1" / "counts.h5ad")
    spots = storage.cell_table(
        cells.obs_names, x_um=cells.obsm["spatial"][:, 0], y_um=cells.obsm["spatial"][:, 1]
    )
    storage.write_table(spots, panel / "sections" / "s1" / "spots.parquet")
    blocks, kinds = page_of(panel)
    assert kinds == ["picture", "table", "picture", "table", "box"]
    assert blocks["box"].lines == (
        "nucleus / cell area: the file has no areas of nuclei.",
        "mitochondrial counts (%): too few mitochondrial genes are among the genes.",
    )
    assert f"{(~quality['keep']).sum()} dropped cells" in blocks["picture"].caption
    (panel / "sections" / "s1" / "spots.parquet").unlink()
    assert page_of(panel)[1] == ["picture", "table", "table", "box"]


def test_the_report_of_cell_types_without_counts_says_so(tmp_path):
    table = pd.DataFrame({"x": np.arange(30.0), "y": np.arange(30.0) ** 2, "kind": "epithelial"})
    table.to_csv(tmp_path / "cells.csv", index=False)
    ingest(tmp_path / "cells.csv", tmp_path / "sections" / "s1" / "counts.h5ad", file_format="cell_table")
    quality, _ = assess(tmp_path)
    assert quality["keep"].all()
    blocks, kinds = page_of(tmp_path)
    assert kinds == ["box"]
    assert "the section has cell types and no counts." in blocks["box"].lines[0]
    assert len(blocks["box"].lines) == 3


JEFWORKS = "jefworks_breast_visium_xenium/breast_{}.h5ad"


@pytest.mark.data
def test_a_xenium_section(data_dir, tmp_path):
    # 16.97 units of the aligned positions are the 100 um between two spots of the Visium slide
    path = data_dir / JEFWORKS.format("xenium")
    ingest(path, tmp_path / "sections" / "s1" / "counts.h5ad", um_per_unit=100 / 16.97)
    quality, cuts = assess(tmp_path)
    source = ad.read_h5ad(path)
    np.testing.assert_allclose(quality["area_um2"], source.obs["cell_area"])
    np.testing.assert_allclose(quality["nucleus_ratio"], source.obs["nucleus_area"] / source.obs["cell_area"])
    assert len(quality) == 17_136
    assert quality["keep"].mean() > 0.999  # published after the maker's own filter
    assert 5 <= cuts.loc["n_counts", "lower"] < 12
    ingest(path, tmp_path / "sections" / "s1" / "counts.h5ad")
    wrong, cuts = assess(tmp_path)
    assert wrong["area_um2"].isna().all()
    assert "27.3 times the section" in cuts.loc["area_um2", "note"]


@pytest.mark.data
def test_visium_spots(data_dir, tmp_path):
    path = data_dir / JEFWORKS.format("visium")
    ingest(path, tmp_path / "sections" / "s1" / "counts.h5ad", um_per_unit=100 / 16.97)
    quality, cuts = assess(tmp_path)
    assert len(quality) == 709
    assert quality["keep"].all()
    assert cuts.loc["n_counts", "lower"] == 150
    assert quality[["area_um2", "pct_negative", "pct_mito"]].isna().all(axis=None)
    assert page_of(tmp_path)[1] == ["picture", "table", "table", "box"]


@pytest.mark.data
def test_legacy_spots_beside_the_pathologist(data_dir, tmp_path):
    folder = data_dir / "her2st_breast_ST"
    (path, *_) = sorted((folder / "ST-cnts").iterdir())
    counts = pd.read_csv(path, sep="\t", index_col=0)
    places = np.array([name.split("x") for name in counts.index], dtype=float)
    obs = pd.DataFrame(places, columns=["x", "y"], index=counts.index)
    cells = ad.AnnData(sparse.csr_matrix(counts.to_numpy()), obs=obs, var=pd.DataFrame(index=counts.columns))
    cells.write_h5ad(tmp_path / "st.h5ad")
    ingest(tmp_path / "st.h5ad", tmp_path / "sections" / "s1" / "counts.h5ad", um_per_unit=200)
    quality, _ = assess(tmp_path)
    assert quality["keep"].mean() > 0.98
    assert quality.loc[~quality["keep"], "n_counts"].max() < 150


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "subset", "columns", "n"),
    [
        ("keren2018_tnbc_mibi/cells_xy_type_class.csv.gz", "patient=1", ("column", "row"), 5166),
        ("cosmx_nsclc_lung5_1_celltypes/lung5_cells.csv.gz", "", ("X", "Y"), 100_149),
    ],
)
def test_published_cell_types_without_counts(data_dir, tmp_path, name, subset, columns, n):
    settings = {"x_column": columns[0], "y_column": columns[1], "um_per_unit": 0.12}
    output = tmp_path / "sections" / "s1" / "counts.h5ad"
    ingest(data_dir / name, output, file_format="cell_table", subset=subset, **settings)
    quality, cuts = assess(tmp_path)
    assert len(quality) == n
    assert quality["keep"].all()
    assert quality.drop(columns=["cell", "keep", "reason"]).isna().all(axis=None)
    assert cuts["note"].str.startswith("not measured").all()
    assert page_of(tmp_path)[1] == ["box"]
