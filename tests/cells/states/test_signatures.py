"""Signature scores against an independent implementation, and what they must not depend on."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import rankdata

from stietime.cells.marker_sets import match_marker_sets
from stietime.cells.states import signatures
from stietime.cells.states.signatures import capped_max_rank, combine_directions, score_signatures
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
        ranks[detected] = np.floor(rankdata(-cell[detected], method="average"))
        ranks[ranks > max_rank] = max_rank
        ours = ranks[[genes.get_loc(gene) for gene in members]]
        n = len(members)
        u = ours.sum() - n * (n + 1) / 2
        scores.append(1 - u / (max_rank * n - n * (n + 1) / 2))
    return np.array(scores)


def score(counts, genes=GENES, table=None, **options):
    sets = match_marker_sets(marker_table(SETS) if table is None else table, genes)
    return score_signatures(counts, genes, sets, **options)


@pytest.mark.parametrize("max_rank", [25, 60, 110])
def test_scores_equal_a_brute_force_ucell(max_rank):
    counts = random_counts()
    positive, negative = score(counts, max_rank=max_rank)
    for name, members in {"short": ["G3"], "both": ["G0", "G10", "G20", "G30"], "half": ["G1", "G2"]}.items():
        assert np.allclose(positive[name], brute_force(counts, GENES, members, max_rank), atol=1e-6)
    assert np.allclose(negative["both"], brute_force(counts, GENES, ["G5", "G15"], max_rank), atol=1e-6)
    assert (negative["short"] == 0).all()
    assert positive.to_numpy().std() > 0.05


def test_a_score_depends_on_nothing_but_its_own_cell():
    counts = random_counts()
    whole = score(counts, max_rank=30)[0]
    rng = np.random.default_rng(5)
    cells, genes = rng.permutation(counts.shape[0]), rng.permutation(N_GENES)
    shuffled = score(counts[cells][:, genes], GENES[genes], max_rank=30)[0]
    pd.testing.assert_frame_equal(shuffled, whole.iloc[cells].reset_index(drop=True))
    alone = pd.concat([score(counts[[row]], max_rank=30)[0] for row in range(5)], ignore_index=True)
    pd.testing.assert_frame_equal(alone, whole.head(5))


def test_blocks_of_cells_change_nothing(monkeypatch):
    counts = random_counts(25)
    whole = score(counts, max_rank=30)
    monkeypatch.setattr(signatures, "_MAX_VALUES_PER_BLOCK", 3)
    for part, expected in zip(score(counts, max_rank=30), whole, strict=True):
        pd.testing.assert_frame_equal(part, expected)


def test_bounds_and_cells_without_counts():
    counts = np.zeros((3, N_GENES), dtype=np.int32)
    counts[0, [0, 10, 20, 30]] = [90, 80, 70, 60]
    counts[0, 40:60] = 1
    counts[1, 40:60] = 5
    positive, _ = score(sparse.csr_matrix(counts), max_rank=50)
    assert positive["both"].tolist() == pytest.approx([1, 0, 0])


def test_sets_with_too_few_genes_are_not_scored():
    table = marker_table(SETS)
    sets = match_marker_sets(table, GENES)
    assert sets.coverage.loc["half", "coverage"] == 0.5
    assert sets.coverage.loc["absent", "genes_missing"] == "absent1,absent2,absent3"
    assert list(score(random_counts(), min_coverage=0.5)[0]) == ["short", "both", "half"]
    assert list(score(random_counts(), min_coverage=0.51)[0]) == ["short", "both"]
    assert list(score(random_counts(), min_coverage=0)[0]) == ["short", "both", "half", "absent"]


def test_the_difference_is_not_cut_off_at_zero():
    counts = np.ones((2, N_GENES), dtype=np.int32)
    counts[0, [5, 15]] = 50
    counts[1, [0, 10, 20, 30]] = 50
    both = combine_directions(*score(sparse.csr_matrix(counts), max_rank=60))["both"]
    assert both[0] < -0.5 < 0.5 < both[1]


def test_max_rank_is_capped_by_the_smallest_panel():
    assert capped_max_rank(1500, 300) == 300
    assert capped_max_rank(1500, 30_000) == 1500
    assert capped_max_rank(1500, 0) == 1


def test_genes_twice_in_a_set_count_once():
    table = marker_table({"twice": {"positive": ["G1", "G1", "G2"]}})
    once = marker_table({"twice": {"positive": ["G1", "G2"]}})
    counts = random_counts()
    pd.testing.assert_frame_equal(score(counts, table=table)[0], score(counts, table=once)[0])


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
    positive, _ = score_signatures(sparse.csr_matrix(cells.X), genes, sets, max_rank=1500)
    assert positive.shape[1] > 130
    for name in ("t_cell", "nk", "mono_cd14", "mhc_i", "cd4_pd1"):
        expected = brute_force(cells.X, genes, sets.genes_of(name), 1500)
        assert np.allclose(positive[name], expected, atol=1e-6)
