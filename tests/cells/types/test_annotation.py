"""Cell types by marker sets: planted types, traps, and authors' labels that never enter."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime.cells.cell_types import LINEAGES, SETS, lineage_of_given, without_lineage_genes
from stietime.cells.marker_sets import match_marker_sets
from stietime.cells.types import classify
from stietime.cells.types.annotation import annotate_cells, lineage_genes, lineages_without_genes
from stietime.cells.types.classify import MarkerCounts, Probabilities
from stietime.cells.types.clear_cells import find_clear_cells, marker_scores
from stietime.cells.types.naive_bayes import learn_profiles, log_likelihood
from stietime.cells.types.surroundings import lean_on_clusters, lean_on_neighbours
from stietime.cells.types.t_cells import cd8_probability
from stietime.resources import read_markers
from stietime.simulate.cohort import simulate_cells

MARKERS = read_markers()
MYELOID = {"monocyte": "myeloid", "macrophage": "myeloid", "dc": "myeloid"}
STROMA = {"fibroblast": "stroma", "pericyte": "stroma", "basophil": "mast"}


def marker_counts(counts, genes, totals=None):
    genes = pd.Index(genes, dtype=object)
    kept = lineage_genes(MARKERS, genes)
    counts = sparse.csr_matrix(counts, dtype=np.float64)
    totals = np.asarray(counts.sum(axis=1)).ravel() if totals is None else totals
    return MarkerCounts(counts[:, genes.get_indexer(kept)], pd.Index(kept), totals)


@pytest.fixture(scope="module")
def simulated():
    """Single cells of a tumour and of blood; types and counts."""
    parts = [simulate_cells(700, seed=3, environment=environment) for environment in ("TIME", "STIE")]
    parts = [part[part.obs["true_kind"] == "cell"] for part in parts]
    counts = sparse.csr_matrix(sparse.vstack([part.X for part in parts]))
    return counts, parts[0].var_names, pd.concat([part.obs for part in parts])


@pytest.fixture(scope="module")
def annotated(simulated):
    counts, genes, obs = simulated
    found = annotate_cells(marker_counts(counts, genes), MARKERS)
    return found.set_index(obs.index)


def test_planted_types_are_found(simulated, annotated):
    obs = simulated[2]
    assert (annotated["lineage"] == obs["true_lineage"]).mean() > 0.98
    told = obs["true_cell_type"].replace("red_cell", "erythroid")
    for kind, found in annotated["cell_type"].groupby(told):
        assert (found == kind).mean() > 0.8, kind


def test_every_column_is_as_promised(simulated, annotated):
    counts, genes, _ = simulated
    assert set(annotated["lineage"]) <= {*LINEAGES, "unknown"}
    assert annotated["cell_type_confidence"].between(0, 1).all()
    known = annotated[annotated["lineage"] != "unknown"]
    assert (known["runner_up"] != known["cell_type"]).all()
    shown = pd.DataFrame((counts > 0).toarray(), columns=genes, index=annotated.index)
    for cell, evidence in known["evidence"].head(200).items():
        named = evidence.split(",")
        assert 1 <= len(named) <= 5
        assert shown.loc[cell, named].all()


def test_certain_cells_are_right_more_often(simulated, annotated):
    right = annotated["cell_type"] == simulated[2]["true_cell_type"].replace("red_cell", "erythroid")
    certain = annotated["cell_type_confidence"] > 0.9
    assert right[certain].mean() > 0.98
    assert right[certain].mean() > right[~certain].mean()


def test_ambient_haemoglobin_makes_no_erythroid_cells(simulated):
    counts, genes, obs = simulated
    rng = np.random.default_rng(0)
    ambient = sparse.lil_matrix(counts.shape)
    for gene in ("HBB", "HBA1", "HBA2"):
        ambient[:, genes.get_loc(gene)] = rng.poisson(15, (counts.shape[0], 1))
    found = annotate_cells(marker_counts(counts + ambient.tocsr(), genes), MARKERS)
    others = (obs["true_lineage"] != "erythroid").to_numpy()
    assert (found["lineage"][others] == "erythroid").mean() < 0.005
    assert (found["lineage"][~others] == "erythroid").mean() > 0.95


def test_a_cell_without_markers_is_unknown(simulated):
    counts, genes, _ = simulated
    data = marker_counts(counts, genes)
    bare = sparse.vstack([data.counts, sparse.csr_matrix((3, len(data.genes)))], format="csr")
    found = annotate_cells(MarkerCounts(bare, data.genes, np.append(data.totals, [2000.0, 500, 0])), MARKERS)
    assert found["lineage"].tail(3).tolist() == ["unknown"] * 3
    assert found["cell_type"].tail(3).tolist() == ["unknown"] * 3
    assert found["evidence"].tail(3).tolist() == [""] * 3


def test_nothing_is_told_without_marker_genes():
    counts = sparse.csr_matrix(np.ones((4, 2)))
    found = annotate_cells(marker_counts(counts, ["LYZ", "CORO1A"]), MARKERS)
    assert (found["lineage"] == "unknown").all()
    assert set(lineages_without_genes(MARKERS, ["LYZ", "CORO1A"])) == set(LINEAGES)
    assert "t_cell" not in lineages_without_genes(MARKERS, ["CD3D", "CD3E", "CD2"])


def test_a_cluster_moves_undecided_cells_and_no_clear_ones():
    own = Probabilities(("a", "b", "unknown"), np.array([[1.0, 0, 0], [0.5, 0.49, 0.01], *[[0, 1.0, 0]] * 8]))
    for weight in (0.5, 1.0):
        leaned = lean_on_clusters(own, ["x"] * 10, weight).matrix
        assert leaned.sum(axis=1) == pytest.approx(np.ones(10))
        assert leaned[0].tolist() == [1, 0, 0]
        assert leaned[1].argmax() == 1
    assert lean_on_clusters(own, ["x"] * 10, 0.0).matrix.tolist() == own.matrix.tolist()


def test_neighbours_move_undecided_cells_and_no_clear_ones(monkeypatch):
    own = np.array([[1.0, 0, 0], [0.5, 0.4, 0.1], [0, 1.0, 0], [0, 0.8, 0.2], [0.3, 0.3, 0.4]])
    weights = np.zeros((5, 5))
    weights[0, 2] = weights[2, 0] = weights[1, 2] = weights[2, 1] = 1
    weights[1, 3] = weights[3, 1] = 0.5
    np.fill_diagonal(weights, 7)  # a cell is no neighbour of itself
    for size in (16_384, 2):
        monkeypatch.setattr(classify, "_CELLS_AT_ONCE", size)
        found = Probabilities(("a", "b", "unknown"), own)
        leaned = lean_on_neighbours(found, sparse.csr_matrix(weights), 0.5).matrix
        assert leaned[0].tolist() == [1, 0, 0]
        share = 0.5 * (1 - 0.1)
        near = (own[2] + 0.5 * own[3]) / 1.5
        assert leaned[1] == pytest.approx((1 - share) * own[1] + share * near)
        assert leaned[4].tolist() == own[4].tolist()  # alone
        assert lean_on_neighbours(found, sparse.csr_matrix(weights), 0.0).matrix.tolist() == own.tolist()


def test_one_cluster_for_all_leaves_clear_types_alone(simulated, annotated):
    counts, genes, _ = simulated
    found = annotate_cells(marker_counts(counts, genes), MARKERS, ["0"] * counts.shape[0], cluster_weight=1.0)
    clear = (annotated["cell_type_confidence"] > 0.99).to_numpy()
    assert clear.mean() > 0.6
    assert (found["lineage"][clear].to_numpy() == annotated["lineage"][clear].to_numpy()).all()


def test_marker_scores_by_hand():
    table = MARKERS[MARKERS["set_id"] == "plasma"]
    sets = match_marker_sets(table, ["MZB1", "JCHAIN", "MS4A1"], ["plasma"], weighted=True)
    counts = sparse.csr_matrix(np.array([[4.0, 0, 0], [4, 4, 0], [0, 0, 4]]))
    high = np.log1p(10_000 * 4 / 1000)
    high /= 1 + high
    expected = [high * 2 / 3, high, -high]
    assert marker_scores(counts, np.full(3, 1000.0), sets)[:, 0] == pytest.approx(expected, rel=1e-5)


def test_clear_cells_are_few_and_right(simulated):
    counts, genes, obs = simulated
    data = marker_counts(counts, genes)
    sets = match_marker_sets(without_lineage_genes(MARKERS), data.genes, list(SETS), weighted=True)
    clear = find_clear_cells(data.counts[:, data.genes.get_indexer(sets.genes)], data.totals, sets)
    chosen = clear >= 0
    lineages = np.array([SETS[name][1] for name in sets.set_ids])[clear[chosen]]
    assert 0.3 < chosen.mean() < 0.95
    assert (lineages == obs["true_lineage"].to_numpy()[chosen]).mean() > 0.99


def test_log_likelihood_is_that_of_scipy():
    from scipy.stats import nbinom

    rng = np.random.default_rng(2)
    counts, totals = rng.poisson(2, (6, 4)), np.array([100.0, 100, 250, 300, 40, 1000])
    profiles = rng.dirichlet(np.ones(4), 3) * 0.1
    found = log_likelihood(sparse.csr_matrix(counts, dtype=np.float64), totals, profiles)
    means = totals[:, None, None] * profiles[None]
    exact = nbinom.logpmf(counts[:, None, :], 1, 1 / (1 + means)).sum(axis=2)
    # terms that all profiles share are left out
    assert found - found[:, :1] == pytest.approx(exact - exact[:, :1])


def test_profiles_are_shares_drawn_to_the_prior():
    counts = sparse.csr_matrix(np.array([[10.0, 0], [30, 0], [0, 8]]))
    totals, prior = np.array([2000.0, 4000, 9]), np.array([0.001, 0.002])
    expected = np.array([[42 / 8000, 4 / 8000], [0.001, 0.002]])
    labels = learn_profiles(counts, totals, np.array([0, 0, -1]), np.tile(prior, (2, 1)))
    assert labels == pytest.approx(expected)
    shares = learn_profiles(counts, totals, np.array([[1.0, 0], [1, 0], [0, 0]]), prior)
    assert shares == pytest.approx(expected)
    half = learn_profiles(counts, totals, np.array([[0.5], [0], [0]]), prior)
    assert half == pytest.approx(np.array([[7 / 3000, 4 / 3000]]))


def test_cd4_and_cd8_are_told_by_their_own_genes():
    rng = np.random.default_rng(4)
    truth = rng.random(600) < 0.35
    rates = {
        "CD4": (0.4, 0.01),
        "CD40LG": (0.3, 0.01),
        "CD8A": (0.02, 1.2),
        "CD8B": (0.02, 1.2),
        "NKG7": (0.3, 3),
    }
    means = np.array([[rates[gene][int(cd8)] for gene in rates] for cd8 in truth])
    counts = sparse.csr_matrix(rng.poisson(means).astype(float))
    genes = pd.Index(list(rates))
    cd8 = cd8_probability(counts, np.full(600, 2000.0), genes, ["CD4", "CD40LG"], ["CD8A", "CD8B"])
    assert ((cd8 > 0.5) == truth).mean() > 0.93
    assert cd8.mean() == pytest.approx(truth.mean(), abs=0.05)
    untold = cd8_probability(counts[:, [4]], np.full(600, 2000.0), genes[[4]], ["CD4"], ["CD8A"])
    assert np.isnan(untold).all()


@pytest.mark.parametrize(
    ("given", "lineage"),
    [
        *[("treg", "t_cell"), ("cd8_t", "t_cell"), ("mono_cd16", "monocyte"), ("kupffer", "macrophage")],
        *[("monocyte", "monocyte"), ("dc", "dc"), ("caf", "fibroblast"), ("reticulocyte", "erythroid")],
        *[("immune", "unknown"), ("myeloid", "unknown"), ("unknown", "unknown"), ("ter_cell", "erythroid")],
        *[("lymphatic_endothelial", "endothelial"), ("malignant_nsclc", "epithelial"), ("ilc3", "unknown")],
    ],
)
def test_lineage_of_a_given_type(given, lineage):
    assert lineage_of_given(given, MARKERS.groupby("set_id")["parent"].first()) == lineage


def read_real(path):
    import anndata as ad

    cells = ad.read_h5ad(path)
    return cells, annotate_cells(marker_counts(cells.X, cells.var_names), MARKERS).set_index(cells.obs_names)


@pytest.mark.data
def test_zilionis_agrees_with_the_authors(data_dir):
    folder = data_dir / "zilionis_nsclc_blood_tumor_300"
    cells, found = read_real(folder / "zilionis300_counts_recovered.h5ad")
    names = {
        "T cells": "t_cell",
        "NK cells": "nk",
        "B cells": "b_cell",
        "Plasma cells": "plasma",
        "Monocytes": "myeloid",
        "MoMacDC": "myeloid",
        "Neutrophils": "neutrophil",
        "Mast cells": "mast",
        "Basophils": "mast",
        "pDC": "pdc",
    }
    whole = {"Endothelial cells": "endothelial", "Fibroblasts": "stroma", "Smooth muscle cells": "stroma"}
    authors = cells.obs["Major.cell.type"].astype(str)
    truth = authors.map(lambda name: whole.get(name) or names.get(name[1:]) or "epithelial")
    # one cell the authors could not name, and a myeloid precursor, which no marker set stands for
    compared = ~authors.isin(["ND", "bMyeloid precursor-like"])
    agreement = (found["lineage"].replace({**MYELOID, **STROMA}) == truth)[compared]
    assert compared.sum() == 298
    assert agreement.mean() >= 0.95
    assert agreement[authors == "bNeutrophils"].all()


@pytest.mark.data
def test_purified_blood_cells(data_dir):
    cells, found = read_real(data_dir / "zheng2017_pbmc_facs" / "pbmc_facs_half.h5ad")
    sorted_as = cells.obs["celltype"].astype(str)
    kinds = {"CD19+ B": "b_cell", "CD56+ NK": "nk", "CD14+ Monocyte": "monocyte"}
    known = sorted_as[sorted_as != "CD34+"]
    truth = known.map(lambda name: kinds.get(name, "t_cell"))
    assert (found.loc[known.index, "lineage"] == truth).mean() > 0.97
    t_cells = known[known.str.startswith(("CD4+", "CD8+"))]
    assert (found.loc[t_cells.index, "cell_type"].str[:3] == t_cells.str[:3].str.lower()).mean() > 0.88


@pytest.mark.data
def test_healthy_blood_is_made_of_blood_cells(data_dir):
    _, found = read_real(data_dir / "hao2021_pbmc_1000_raw" / "hao_pbmc_1000.h5ad")
    share = found["lineage"].value_counts(normalize=True)
    blood = ["t_cell", "nk", "b_cell", "plasma", "monocyte", "dc", "pdc", "platelet"]
    assert share.reindex(blood).sum() > 0.98
    assert 0.4 < share["t_cell"] < 0.6
    assert share["dc"] > 0.005
    assert share.get("unknown", 0) < 0.01


@pytest.mark.data
def test_marrow_erythroid_cells_are_found(data_dir):
    folder = data_dir / "openproblems_bmmc_citeseq_multiome"
    cells, found = read_real(folder / "cite_merged_2v.h5ad")
    stages = ["Proerythroblast", "Erythroblast", "Normoblast", "Reticulocyte"]
    erythroid = cells.obs["cell_type"].isin(stages)
    assert (found.loc[erythroid, "lineage"] == "erythroid").mean() > 0.97
    assert (found.loc[~erythroid, "lineage"] == "erythroid").mean() < 0.02
