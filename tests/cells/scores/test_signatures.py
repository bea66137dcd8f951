"""Signature scores against an independent implementation, and what they must not depend on."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import rankdata

from stietime.cells.marker_sets import match_marker_sets
from stietime.cells.normalisation import log_normalise
from stietime.cells.scores.mean_difference import match_controls
from stietime.cells.scores.signatures import Method, control_weights, score_signatures
from stietime.cells.scores.tied_ranks import rank_genes
from stietime.cells.scores.ucell import capped_max_rank
from stietime.errors import InputError
from stietime.resources import read_markers

N_GENES = 120
GENES = pd.Index([f"G{n}" for n in range(N_GENES)], dtype=object)


def marker_table(sets):
    rows = [
        {"set_id": name, "parent": "", "direction": direction, "gene": gene, "weight": 1.0}
        for name, directions in sets.items()
        for direction, genes in directions.items()
        for gene in genes
    ]
    return pd.DataFrame(rows)


SETS = {
    "short": {"positive": ["G3"]},
    "both": {"positive": ["G0", "G10", "G20", "G30"], "negative": ["G5", "G15"]},
    "half": {"positive": ["G1", "G2", "absent1", "absent2"]},
    "absent": {"positive": ["G1", "absent1", "absent2"], "negative": ["absent3"]},
}


def random_counts(n_cells=40, seed=0):
    rng = np.random.default_rng(seed)
    means = rng.gamma(0.4, 3, N_GENES)
    return sparse.csr_matrix(rng.poisson(means * rng.lognormal(0, 1, (n_cells, 1))).astype(np.int32))


def brute_force(counts, genes, members, max_rank):
    """UCell as its paper and pyucell have it, one cell at a time on dense values."""
    scores = []
    for cell in counts.toarray():
        detected = cell > 0
        ranks = np.full(len(cell), max_rank, dtype=float)
        ranks[detected] = rankdata(-cell[detected], method="average")
        ranks[ranks > max_rank] = max_rank
        ours = ranks[[genes.get_loc(gene) for gene in members]]
        n = len(members)
        u = ours.sum() - n * (n + 1) / 2
        scores.append(1 - u / (max_rank * n - n * (n + 1) / 2))
    return np.array(scores)


def score(counts, genes=GENES, table=None, *, method=None, max_rank=1500, **options):
    sets = match_marker_sets(marker_table(SETS) if table is None else table, genes)
    return score_signatures(counts, genes, sets, method or Method(max_rank=max_rank), **options)


@pytest.mark.parametrize("max_rank", [400, 1500])
@pytest.mark.data
def test_scores_of_positive_genes_are_those_of_pyucell(data_dir, max_rank):
    import anndata as ad
    import pyucell

    cells = ad.read_h5ad(data_dir / "ucell_sample_hao_pbmc_600" / "ucell600_lognorm.h5ad")[:150].copy()
    sets = match_marker_sets(read_markers(), cells.var_names)
    genes = {name: members for name in sets.set_ids if (members := sets.genes_of(name))}
    signed = {name: [f"{gene}+" for gene in members] for name, members in genes.items()}
    options = {"max_rank": max_rank, "missing_genes": "skip", "n_jobs": 1}
    pyucell.compute_ucell_scores(cells, signatures=signed, **options)
    positive = replace(sets, negative=sparse.csr_matrix(sets.negative.shape))
    counts, names = sparse.csr_matrix(cells.X), pd.Index(cells.var_names)
    found = score_signatures(counts, names, positive, Method(max_rank=max_rank), min_coverage=0)
    assert len(genes) > 140
    for name in genes:
        np.testing.assert_allclose(found[name], cells.obs[f"{name}_UCell"], atol=1e-6, err_msg=name)


@pytest.mark.parametrize("max_rank", [25, 60, 110])
@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64])
def test_scores_equal_a_brute_force_ucell(max_rank, dtype):
    counts = random_counts().astype(dtype)
    if dtype is np.float64:
        counts.data = np.log1p(counts.data) / 3  # any values that keep the order of genes
    found = score(counts, max_rank=max_rank)
    for name, members in {"short": ["G3"], "half": ["G1", "G2"]}.items():
        assert np.allclose(found[name], brute_force(counts, GENES, members, max_rank), atol=1e-6)
    high = brute_force(counts, GENES, ["G0", "G10", "G20", "G30"], max_rank)
    low = brute_force(counts, GENES, ["G5", "G15"], max_rank)
    assert np.allclose(found["both"], high - low, atol=1e-6)
    assert found.to_numpy().std() > 0.05


def test_ranks_of_tied_genes_by_hand():
    counts = sparse.csr_matrix(np.array([[3, 1, 0, 3, 1, 7], [0, 0, 0, 0, 0, 0], [2, 2, 2, 2, 2, 2]]))
    found = rank_genes(counts, np.array([4, 0, 2]))
    assert found.starts.tolist() == [0, 2, 2, 5]
    assert found.n_shown.tolist() == [5, 0, 6]
    ranks = {
        (cell, int(found.columns[at])): (int(found.before[at]), int(found.up_to[at]))
        for cell in range(3)
        for at in range(found.starts[cell], found.starts[cell + 1])
    }
    assert ranks == {(0, 1): (1, 3), (0, 0): (3, 5), (2, 0): (0, 6), (2, 1): (0, 6), (2, 2): (0, 6)}


def test_stored_zeros_change_no_rank():
    counts = random_counts()
    stored = counts.copy()
    stored.data = stored.data.copy()
    stored.data[::3] = 0
    clean = stored.copy()
    clean.eliminate_zeros()
    for name in ("ucell", "aucell"):
        method = Method(name, max_rank=30, first_share=0.2)
        pd.testing.assert_frame_equal(score(stored, method=method), score(clean, method=method))


@pytest.mark.parametrize("first_share", [0.05, 0.3, 1.0])
def test_aucell_is_the_mean_over_random_orders_of_ties(first_share):
    counts, members = random_counts(6), [GENES.get_loc(gene) for gene in ("G0", "G10", "G20", "G30")]
    n_first, n = int(np.ceil(first_share * N_GENES)), len(members)
    rng, found = np.random.default_rng(3), []
    for _ in range(3000):
        noise = rng.random(counts.shape)
        order = np.lexsort([noise, -counts.toarray()])
        ranks = np.argsort(order, axis=1)[:, members] + 1
        found.append(np.maximum(n_first - ranks, 0).sum(axis=1))
    places = np.arange(1, min(n, n_first - 1) + 1)
    expected = np.mean(found, axis=0) / (n_first - places).sum()
    table = marker_table({"set": {"positive": ["G0", "G10", "G20", "G30"]}})
    ours = score(counts, table=table, method=Method("aucell", first_share=first_share))["set"]
    np.testing.assert_allclose(ours, expected, atol=0.01)


def test_aucell_of_the_first_genes_is_1_and_of_the_last_0():
    counts = np.tile(np.arange(N_GENES, 0, -1), (2, 1))
    table = marker_table({"first": {"positive": list(GENES[:4])}, "last": {"positive": list(GENES[-4:])}})
    found = score(sparse.csr_matrix(counts), table=table, method=Method("aucell", first_share=0.1))
    assert found["first"].tolist() == pytest.approx([1, 1])
    assert found["last"].tolist() == [0, 0]


def test_controls_are_the_genes_of_nearest_expression_outside_of_the_set():
    genes = pd.Index([f"G{n}" for n in range(8)], dtype=object)
    means = np.array([0.0, 1, 2, 3, 4, 5, 6, 7])
    members = sparse.csr_matrix(np.array([[0.0, 0, 2, 1, 0, 0, 0, 0]]).T)
    weights = match_controls(means, genes, members, 2).toarray()[:, 0]
    # both genes have G1 and G4 beside them: 2/3 and 1/3 of the weight, half for each control
    np.testing.assert_allclose(weights, [0, -0.5, 2 / 3, 1 / 3, -0.5, 0, 0, 0])
    assert not match_controls(means, genes, sparse.csr_matrix((8, 1)), 2).toarray().any()
    few = match_controls(means, genes, sparse.csr_matrix(np.array([[1.0, 0, 0, 0, 0, 0, 0, 0]]).T), 100)
    np.testing.assert_allclose(few.toarray()[:, 0], [1, *[-1 / 7] * 7])


def test_mean_difference_is_the_expectation_of_scores_with_random_controls():
    sc = pytest.importorskip("scanpy")
    import anndata as ad

    counts = random_counts(60)
    table = marker_table({"set": {"positive": ["G3", "G40", "G77"]}})
    sets, expression = match_marker_sets(table, GENES), log_normalise(counts)
    means = np.asarray(expression.mean(axis=0)).ravel()
    method = Method("mean_difference", n_controls=30)
    weights = control_weights(means, GENES, sets, method)
    ours = score(counts, table=table, method=method, weights=weights)["set"]
    cells = ad.AnnData(expression, var=pd.DataFrame(index=GENES.astype(str)))
    sc.tl.score_genes(cells, ["G3", "G40", "G77"], ctrl_size=30, n_bins=4, use_raw=False)
    assert np.corrcoef(ours, cells.obs["score"])[0, 1] > 0.97
    with pytest.raises(ValueError, match="needs the weights"):
        score(counts, table=table, method=method)


@pytest.mark.parametrize("name", ["ucell", "aucell"])
def test_a_score_depends_on_nothing_but_its_own_cell(name):
    counts, method = random_counts(), Method(name, max_rank=30, first_share=0.2)
    whole = score(counts, method=method)
    rng = np.random.default_rng(5)
    cells, genes = rng.permutation(counts.shape[0]), rng.permutation(N_GENES)
    shuffled = score(counts[cells][:, genes], GENES[genes], method=method)
    pd.testing.assert_frame_equal(shuffled, whole.iloc[cells].reset_index(drop=True))
    alone = pd.concat([score(counts[[row]], method=method) for row in range(5)], ignore_index=True)
    pd.testing.assert_frame_equal(alone, whole.head(5))


def test_mean_difference_does_not_depend_on_the_order_of_cells_and_genes():
    counts, sets = random_counts(), match_marker_sets(marker_table(SETS), GENES)
    method, rng = Method("mean_difference", n_controls=20), np.random.default_rng(5)
    cells, genes = rng.permutation(counts.shape[0]), rng.permutation(N_GENES)

    def scores(counts, genes):
        means = np.asarray(log_normalise(counts).mean(axis=0, dtype=np.float64)).ravel()
        sets = match_marker_sets(marker_table(SETS), genes)
        weights = control_weights(means, genes, sets, method)
        return score_signatures(counts, genes, sets, method, weights=weights)

    whole = scores(counts, GENES)
    assert len(sets.set_ids) > whole.shape[1] > 0
    shuffled = scores(counts[cells][:, genes], GENES[genes])
    pd.testing.assert_frame_equal(shuffled, whole.iloc[cells].reset_index(drop=True), atol=1e-6)


def test_bounds_and_cells_without_counts():
    counts = np.zeros((3, N_GENES), dtype=np.int32)
    counts[0, [0, 10, 20, 30]] = [90, 80, 70, 60]
    counts[0, 40:60] = 1
    counts[1, 40:60] = 5
    assert score(sparse.csr_matrix(counts), max_rank=50)["both"].tolist() == pytest.approx([1, 0, 0])


def test_sets_with_too_few_genes_are_not_scored():
    table = marker_table(SETS)
    sets = match_marker_sets(table, GENES)
    assert sets.coverage.loc["half", "coverage"] == 0.5
    assert sets.coverage.loc["absent", "genes_missing"] == "absent1,absent2,absent3"
    assert list(score(random_counts(), min_coverage=0.5)) == ["short", "both", "half"]
    assert list(score(random_counts(), min_coverage=0.51)) == ["short", "both"]
    assert list(score(random_counts(), min_coverage=0)) == ["short", "both", "half", "absent"]


def test_the_difference_is_not_cut_off_at_zero():
    counts = np.ones((2, N_GENES), dtype=np.int32)
    counts[0, [5, 15]] = 50
    counts[1, [0, 10, 20, 30]] = 50
    both = score(sparse.csr_matrix(counts), max_rank=60)["both"]
    assert both[0] < -0.5 < 0.5 < both[1]


def test_max_rank_is_capped_by_the_smallest_panel():
    assert capped_max_rank(1500, 300) == 300
    assert capped_max_rank(1500, 30_000) == 1500
    assert capped_max_rank(1500, 0) == 1


def test_genes_twice_in_a_set_count_once():
    table = marker_table({"twice": {"positive": ["G1", "G1", "G2"]}})
    once = marker_table({"twice": {"positive": ["G1", "G2"]}})
    counts = random_counts()
    pd.testing.assert_frame_equal(score(counts, table=table), score(counts, table=once))


def test_weights_are_those_of_the_table_where_asked():
    markers = read_markers()
    sets = match_marker_sets(markers, ["MZB1", "JCHAIN", "IGHG1", "MS4A1"], ["plasma"], weighted=True)
    assert dict(zip(sets.genes, sets.positive.toarray()[:, 0], strict=True)) == {
        "MZB1": 2.0,
        "JCHAIN": 1.0,
        "IGHG1": 0.5,
        "MS4A1": 0.0,
    }
    assert sets.genes_of("plasma", "negative") == ["MS4A1"]


def test_unknown_sets_and_wrong_tables_are_told():
    with pytest.raises(InputError, match="no set called nonsense"):
        match_marker_sets(read_markers(), GENES, ["nonsense"])
    with pytest.raises(InputError, match="lacks the columns gene"):
        match_marker_sets(read_markers().drop(columns="gene"), GENES)


@pytest.mark.data
def test_real_cells_equal_the_brute_force(data_dir):
    import anndata as ad

    cells = ad.read_h5ad(data_dir / "hao2021_pbmc_1000_raw" / "hao_pbmc_1000.h5ad")[:30]
    genes = pd.Index(cells.var_names.astype(object))
    sets = match_marker_sets(read_markers(), genes)
    found = score_signatures(sparse.csr_matrix(cells.X), genes, sets)
    assert found.shape[1] > 130
    for name in ("t_cell", "nk", "mono_cd14", "mhc_i", "cd4_pd1"):
        expected = brute_force(cells.X, genes, sets.genes_of(name), 1500)
        if low := sets.genes_of(name, "negative"):
            expected = expected - brute_force(cells.X, genes, low, 1500)
        assert np.allclose(found[name], expected, atol=1e-6)
