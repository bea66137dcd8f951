"""The step assess-quality on captures of every size, and what its results must not depend on."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime import names, storage
from stietime.cli import main
from stietime.resources import read_gene_aliases
from stietime.simulate.cohort import Artefacts, Sample, simulate_sample

TABLES = ("quality.parquet", "cuts.tsv", "losses.tsv", "ambient.tsv", "sample_quality.tsv")
OPTIONS = ("--output", "--cuts", "--losses", "--ambient", "--sample-quality")


def counts_of(n_cells, *, genes=slice(None), environment="STIE", **columns):
    """A simulated sample as `ingest` writes it, with further columns of obs."""
    cells = simulate_sample(Sample("p1", environment, "before"), n_cells, 1, Artefacts(0.08, 0.05, 75, 0.6))
    cells = cells[:, genes].copy()
    sheet = {"sample": "p1", "patient": "p1", "environment": environment, "timepoint": "before", "sex": ""}
    obs = pd.DataFrame(sheet | columns, index=[f"p1:{i}" for i in range(n_cells)])
    truth = cells.obs.reset_index(drop=True).set_axis(obs.index)
    obs = pd.concat([obs, truth.filter(like="true_").add_prefix(names.SOURCE_PREFIX)], axis=1)
    counts = sparse.csr_matrix(cells.X).astype(np.int32)
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=cells.var_names))


def assess(cells, folder, settings=None, threads=1):
    """Run the step as it is typed; its exit code and its tables by their names."""
    storage.write_cells(cells, folder / "counts.h5ad")
    outputs = [word for option, name in zip(OPTIONS, TABLES, strict=True) for word in (option, folder / name)]
    words = ["step", "assess-quality", "--counts", folder / "counts.h5ad", *outputs, "--threads", threads]
    code = main([*map(str, words), "--settings", json.dumps(settings or {})])
    if code:
        return code, {}
    tables = {name: pd.read_csv(folder / name, sep="\t", keep_default_na=False) for name in TABLES[1:]}
    quality = pd.read_parquet(folder / "quality.parquet").set_index("cell")
    return code, tables | {"quality": quality, "facts": tables["sample_quality.tsv"].iloc[0]}


def whole(tables, n_cells):
    """Whether every cell has one row and one reason, and every dropped one is counted once."""
    quality = tables["quality"]
    dropped = ~quality["keep"]
    assert len(quality) == n_cells
    assert (quality.loc[~dropped, "reason"] == "kept").all()
    assert quality.loc[dropped, "reason"].isin(["kept", ""]).sum() == 0
    assert tables["cuts.tsv"]["n_removed"].sum() == dropped.sum()
    assert tables["facts"]["n_measured"] == n_cells
    # the cells of an excluded sample have passed, and are left out together
    assert tables["facts"]["n_kept"] == quality["reason"].isin(["kept", "sample_excluded"]).sum()


@pytest.mark.parametrize(
    ("n_cells", "tested"), [(1, False), (2, False), (15, False), (80, False), (500, True)]
)
def test_captures_of_every_size_run_and_say_what_was_not_tested(tmp_path, n_cells, tested):
    code, tables = assess(counts_of(n_cells), tmp_path)
    assert code == 0
    whole(tables, n_cells)
    note = tables["facts"]["doublet_note"]
    if tested:
        assert "threshold" in note
    else:
        passed = tables["quality"]["reason"].isin(["kept", "doublet"]).sum()
        assert note == f"not tested: {passed} cells; at least 100 are needed (min_cells_for_doublets)"
        assert tables["quality"]["doublet_score"].isna().all()
        # most of so few cells live
        assert tables["facts"]["n_kept"] >= 0.8 * n_cells
    if n_cells <= 15:
        assert tables["facts"]["contamination_source"] == ""
        assert tables["facts"]["contamination_note"]
        assert tables["facts"]["verdict"] == "caution"


@pytest.mark.parametrize("n_cells", [1, 300])
def test_one_gene_is_measured_and_the_sample_excluded_with_the_filter_and_its_numbers(tmp_path, n_cells):
    cells = counts_of(n_cells, genes=["MALAT1"] if n_cells == 1 else [0])
    code, tables = assess(cells, tmp_path)
    assert code == 0
    whole(tables, n_cells)
    facts = tables["facts"]
    assert (facts["verdict"], facts["n_kept"]) == ("excluded", 0)
    assert f"all {n_cells} cells dropped: empty {n_cells} (fewer than 50 counts, or" in facts["reason"]
    code, tables = assess(cells, tmp_path, {"min_counts": 0, "min_genes": 0})
    assert code == 0
    whole(tables, n_cells)


def test_a_panel_of_300_genes_is_judged_by_what_is_on_it(tmp_path):
    panel = simulate_sample(Sample("p1", "STIE", "before"), 10, 1).var_names[:300]
    code, tables = assess(counts_of(600, genes=list(panel)), tmp_path)
    assert code == 0
    whole(tables, 600)
    assert tables["quality"]["pct_mito"].isna().all() == (not panel.str.startswith("MT-").any())
    assert tables["facts"]["n_kept"] >= 0.7 * 600


def test_results_depend_neither_on_the_order_of_cells_nor_on_threads(tmp_path):
    cells = counts_of(700, environment="TIME")
    order = np.random.default_rng(3).permutation(cells.n_obs)
    _, first = assess(cells, tmp_path / "a", threads=1)
    _, again = assess(cells[order].copy(), tmp_path / "b", threads=2)
    pd.testing.assert_frame_equal(first["quality"], again["quality"].loc[first["quality"].index], rtol=1e-12)
    for name in TABLES[1:]:
        pd.testing.assert_frame_equal(first[name], again[name], rtol=1e-9)
    assert first["quality"]["is_doublet"].any()


def test_captures_of_a_sample_are_judged_apart(tmp_path):
    cells = counts_of(700, environment="TIME")
    cells.obs[names.SOURCE_PREFIX + "lane"] = np.repeat(["lane_1", "lane_2"], [400, 300])
    code, tables = assess(cells, tmp_path, {"capture_column": "lane"})
    assert code == 0
    assert "capture lane_1: threshold" in tables["facts"]["doublet_note"]
    cells.X = sparse.vstack([cells.X[:400], cells.X[600:700], cells.X[400:600]]).tocsr()
    _, other = assess(cells, tmp_path, {"capture_column": "lane"})
    first, second = (found["quality"]["doublet_score"].iloc[:400] for found in (tables, other))
    np.testing.assert_array_equal(first, second)


def test_labelled_doublets_are_called_and_other_columns_are_refused(tmp_path, capsys):
    cells = counts_of(300)
    labels = np.where(np.arange(300) % 50 == 0, "Doublet", "Singlet")
    cells.obs[names.SOURCE_PREFIX + "hto"] = labels
    code, tables = assess(cells, tmp_path / "a", {"doublet_column": "hto"})
    assert code == 0
    quality = tables["quality"]
    labelled = quality[(labels == "Doublet") & quality["reason"].isin(["kept", "doublet"])]
    assert len(labelled) > 3
    assert (labelled["reason"] == "doublet").all()
    assert labelled["doublet_evidence"].isin(["label", "score+label"]).all()
    for option in ("capture_column", "doublet_column"):
        assert assess(cells, tmp_path / "b", {option: "lane"})[0] == 2
        message = capsys.readouterr().err
        assert f"quality.{option} is 'lane', and the input of p1 has no such column" in message
        assert "hto" in message
        assert not (tmp_path / "b" / "quality.parquet").exists()


def test_a_sample_beyond_a_rule_is_excluded_and_keeps_its_rows(tmp_path):
    code, tables = assess(counts_of(200), tmp_path, {"min_cells_usable": 400})
    assert code == 0
    whole(tables, 200)
    facts, quality = tables["facts"], tables["quality"]
    assert facts["verdict"] == "excluded"
    assert "400" in facts["reason"]
    assert not quality["keep"].any()
    assert (quality["reason"] == "sample_excluded").sum() > 100
    assert "sample_excluded" in set(tables["losses.tsv"]["reason"])
    # what was measured stays
    assert facts["contamination_source"] == "estimated"


def test_ter_cells_and_neutrophils_go_through_every_filter(tmp_path):
    lost = {"ter_cell": [], "neutrophil": [], "dying": []}
    for environment in ("STIE", "TIME"):
        cells = counts_of(3000, environment=environment)
        _, tables = assess(cells, tmp_path / environment)
        truth = cells.obs.filter(like="source_true_").rename(columns=lambda c: c.removeprefix("source_true_"))
        dropped = ~tables["quality"]["keep"]
        alive = truth["kind"] == "cell"
        lost["ter_cell"] += list(dropped[alive & (truth["state"] == "ter_cell")])
        lost["neutrophil"] += list(dropped[alive & (truth["lineage"] == "neutrophil")])
        lost["dying"] += list(dropped[truth["kind"] == "dying"])
    assert min(map(len, lost.values())) >= 20
    assert np.mean(lost["ter_cell"]) <= 0.05
    assert np.mean(lost["neutrophil"]) <= 0.05
    assert np.mean(lost["dying"]) >= 0.9


@pytest.mark.data
@pytest.mark.parametrize("name", ["cite_merged_2v", "multiome_merged"])
def test_nucleated_erythroid_cells_of_marrow_are_all_kept_by_the_defaults(data_dir, tmp_path, name):
    marrow = ad.read_h5ad(data_dir / "openproblems_bmmc_citeseq_multiome" / f"{name}.h5ad")
    aliases = read_gene_aliases("human")
    obs = pd.DataFrame({"sample": name, "source_type": marrow.obs["cell_type"].astype(str)})
    counts = sparse.csr_matrix(marrow.X).astype(np.int32)
    var = pd.DataFrame(index=[aliases.get(gene, gene) for gene in marrow.var_names])
    cells = ad.AnnData(counts, obs=obs, var=var)
    staged = obs["source_type"].isin(["Proerythroblast", "Erythroblast", "Normoblast"]).to_numpy()
    code, tables = assess(cells, tmp_path)
    assert code == 0
    assert staged.sum() >= 34
    assert tables["quality"].loc[staged, "keep"].all()


def test_an_unfiltered_matrix_gives_its_cells_and_measures_ambient_rna_in_the_droplets(tmp_path):
    cells = counts_of(300)
    profile = np.asarray(cells.X.sum(axis=0)).ravel() / cells.X.sum()
    empty = np.random.default_rng(0).multinomial(np.repeat([60, 8], [1500, 3500]), profile)
    droplets = ad.AnnData(sparse.vstack([cells.X, sparse.csr_matrix(empty)]).tocsr().astype(np.int32))
    sheet = cells.obs[["sample", "patient", "environment", "timepoint"]].iloc[[0] * droplets.n_obs]
    droplets.obs, droplets.var = sheet.set_axis([f"p1:{i}" for i in range(5300)]), cells.var
    code, tables = assess(droplets, tmp_path)
    assert code == 0
    whole(tables, 5300)
    facts, quality = tables["facts"], tables["quality"]
    assert facts["contamination_source"] == "empty_droplets"
    assert 0 <= float(facts["contamination"]) <= 0.08
    assert 4990 <= facts["n_empty_droplets"] <= 5010
    assert (quality["reason"].iloc[300:] == "empty").mean() >= 0.999
    assert quality["keep"].iloc[:300].mean() >= 0.8
    assert "unfiltered matrix" in "".join(tables["cuts.tsv"]["note"])
