"""Calls of states: planted and not planted, their rules, and real cells."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import nbinom
from sklearn.metrics import roc_auc_score

from stietime.cells.cell_types import cells_below, kinds_of
from stietime.cells.marker_sets import match_marker_sets
from stietime.cells.scores.signatures import Method, score_signatures
from stietime.cells.scores.ucell import capped_max_rank
from stietime.cells.states.calls import (
    N_MATCHED,
    call_state,
    discovery_threshold,
    evidence_only,
    matched_genes,
    state_evidence,
)
from stietime.cells.states.rule_table import rule_table
from stietime.cells.states.rules import (
    RULES,
    StateGenes,
    describe_rule,
    informative_genes,
)
from stietime.cells.types.annotation import annotate_cells, lineage_genes
from stietime.cells.types.classify import MarkerCounts
from stietime.resources import read_markers
from stietime.settings import States
from stietime.simulate.cohort import simulate_cells

MARKERS = read_markers()
PARENTS = MARKERS.groupby("set_id")["parent"].first()
RULE = {rule.state: rule for rule in RULES}
STATE = StateGenes(("H1", "H2", "H3", "H4", "L1", "L2"), (2.0, 1, 1, 1, -1, -1), (), 1.0, has_gate=True)
OTHERS = [f"X{n}" for n in range(400)]


def parent_cells(share, n=1500, seed=0):
    """Cells of one type, some with H1-H4 six times higher and L1-L2 six times lower."""
    rng = np.random.default_rng(seed)
    genes = pd.Index([*STATE.genes, *OTHERS])
    profile = np.concatenate([[1e-4] * 4, [3e-3] * 2, rng.lognormal(-8, 1.5, len(OTHERS))])
    truth = rng.random(n) < share
    totals = rng.lognormal(8, 0.3, n)
    means = np.outer(totals, profile)
    means[np.ix_(truth, np.arange(4))] *= 6
    means[np.ix_(truth, [4, 5])] /= 6
    return sparse.csr_matrix(rng.poisson(means * rng.gamma(3, 1 / 3, means.shape))), totals, genes, truth


def call(counts, totals, genes, state=STATE, **options):
    shares = np.asarray(counts.sum(axis=0)).ravel() / totals.sum()
    drawn = matched_genes(shares, genes.get_indexer(list(state.genes)), genes.get_indexer(OTHERS))
    matched = pd.DataFrame(genes.to_numpy()[drawn], index=list(state.genes))
    return call_state(counts, totals, genes, state, matched, **options)


def test_without_random_sets_there_is_evidence_and_no_call():
    counts, totals, genes, truth = parent_cells(0.2)
    found = evidence_only(counts, totals, genes, STATE)
    assert not found.called.any()
    assert np.isnan([found.threshold, found.threshold_without_gate]).all()
    assert roc_auc_score(truth, found.evidence) > 0.95
    whole = call(counts, totals, genes)
    assert roc_auc_score(truth, found.evidence) <= roc_auc_score(truth, whole.evidence) + 0.02


@pytest.mark.parametrize("share", [0.05, 0.25, 0.5])
def test_a_planted_state_is_called(share):
    *cells, truth = parent_cells(share)
    called = call(*cells).called
    assert called[truth].mean() > 0.75
    assert called[~truth].mean() < 0.03


def test_few_cells_are_called_when_nothing_is_planted():
    *cells, _ = parent_cells(0)
    rates = (0.01, 0.02, 0.1)
    options = {"min_odds": 1, "false_discovery_rate": 1}
    found = {rate: call(*cells, false_call_rate=rate, **options).called.mean() for rate in rates}
    assert found[0.02] < 0.04
    assert found[0.01] <= found[0.02] < found[0.1]
    assert call(*cells).called.mean() < 0.002


def test_the_discovery_threshold_holds_the_share_of_chance():
    rng = np.random.default_rng(3)
    chance, n = rng.normal(size=(200, 500)), 4000
    planted = rng.random(n) < 0.2
    evidence = rng.normal(np.where(planted, 3, 0))
    for rate in (0.02, 0.1, 0.3):
        cut = discovery_threshold(evidence, chance, rate)
        called = evidence > cut
        assert (~planted[called]).mean() < 1.3 * rate + 0.01
        assert called[planted].mean() > 0.5
        # one cell further down, chance would have more than its share
        lower = np.sort(evidence[~called])[-1]
        assert (chance >= lower).mean() > rate * (evidence >= lower).mean()
    assert discovery_threshold(rng.normal(size=n) - 1, chance, 0.05) == np.inf


def test_the_same_seed_gives_the_same_call():
    *cells, _ = parent_cells(0.2)
    first, again, other = (call(*cells, seed=seed, min_odds=1) for seed in (1, 1, 2))
    assert (first.called == again.called).all()
    assert first.threshold == again.threshold != other.threshold


def test_a_cell_without_the_gate_gene_needs_more():
    counts, totals, genes, truth = parent_cells(0.25)
    found = call(counts, totals, genes)
    assert found.threshold_without_gate > found.threshold
    no_gate = counts[:, [0]].toarray().ravel() == 0
    between = (found.evidence > found.threshold) & (found.evidence < found.threshold_without_gate)
    assert (no_gate & between).any()
    assert not found.called[no_gate & between].any()
    assert found.called[~no_gate & between].all()
    lacking = StateGenes(STATE.genes[1:], STATE.weights[1:], ("H1",), 0.8, has_gate=True)
    strict = call(counts, totals, genes, lacking)
    assert (strict.evidence[strict.called] > strict.threshold_without_gate).all()
    assert strict.called[truth].any()


def test_odds_are_a_floor_of_the_threshold():
    *cells, _ = parent_cells(0.2)
    for odds in (3, 1000):
        assert call(*cells, min_odds=odds, false_call_rate=0.49).threshold >= np.log(odds) - 1e-12


def test_against_ambient_rna_a_detected_gene_is_needed():
    counts, totals, genes, truth = parent_cells(0.5)
    state = StateGenes(STATE.genes[:4], STATE.weights[:4], (), 1.0, has_gate=True)
    ambient = pd.Series(2e-5, index=genes)
    found = call(counts, totals, genes, state, reference_shares=ambient, false_call_rate=0.01)
    assert found.threshold == pytest.approx(np.log(100))
    assert found.called[truth].mean() > 0.75
    nothing = call(counts * 0, totals, genes, state, reference_shares=ambient)
    assert not nothing.called.any()


def test_evidence_is_a_likelihood_ratio():
    rng = np.random.default_rng(1)
    counts, totals = rng.poisson(1.5, (5, 3)).astype(float), np.array([900.0, 1000, 2000, 5000, 400])
    shares, weights = np.array([1e-3, 5e-4, 2e-3]), np.array([1.0, 2.0, -0.5])
    fold = np.array([4.0, 4.0, 0.25])
    without = np.outer(totals, shares)

    def likelihood(means):
        return nbinom.logpmf(counts, 1, 1 / (1 + means))

    expected = (likelihood(without * fold) - likelihood(without)) * np.abs(weights)
    assert state_evidence(counts, totals, shares, weights, 4.0) == pytest.approx(expected)


def test_random_genes_are_expressed_alike():
    shares = np.geomspace(1e-6, 1e-2, 300)
    drawn = matched_genes(shares, np.array([100, 200]), np.setdiff1d(np.arange(300), [100, 200]))
    assert drawn.shape == (2, N_MATCHED)
    assert not np.isin(drawn, [100, 200]).any()
    assert np.abs(drawn - np.array([[100], [200]])).max() <= 26
    with pytest.raises(ValueError, match="49 genes to choose from"):
        matched_genes(shares, np.array([1]), np.arange(49))


def test_genes_of_the_parent_do_not_tell_the_state():
    every = MARKERS["gene"].unique()
    ter = informative_genes(RULE["ter_cell"], MARKERS, every)
    assert set(ter.positive) == {"TFRC", "GYPA", "KLF1", "GATA1", "HMBS", "TYMS", "ARTN"}
    assert ter.gates == ("TFRC",)
    m_mdsc = informative_genes(RULE["m_mdsc"], MARKERS, every)
    assert set(m_mdsc.positive) == {"CD84", "IL10", "ARG1"}
    assert not m_mdsc.has_gate
    treg = informative_genes(RULE["treg"], MARKERS, [gene for gene in every if gene != "FOXP3"])
    assert treg.missing == ("FOXP3",)
    assert treg.has_gate
    assert treg.gates == ()
    assert treg.coverage == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("state", "lineage", "cell_type", "inside"),
    [
        ("m_mdsc", "monocyte", "mono_cd14", True),
        ("m_mdsc", "monocyte", "monocyte", True),
        ("m_mdsc", "monocyte", "mono_cd16", False),
        ("m_mdsc", "macrophage", "macrophage", False),
        ("treg", "t_cell", "cd4_t", True),
        ("treg", "t_cell", "naive_cd4_t", True),
        ("treg", "t_cell", "t_cell", False),
        ("texp", "t_cell", "cd4_t", False),
        ("ter_cell", "erythroid", "reticulocyte", True),
        ("pmn_mdsc", "neutrophil", "neutrophil", True),
        ("pmn_mdsc", "unknown", "unknown", False),
    ],
)
def test_parent_cells(state, lineage, cell_type, inside):
    lineages, kinds = (np.array([name, "b_cell"], dtype=object) for name in (lineage, cell_type))
    rule = RULE[state]
    found = cells_below(rule.parent, kinds_of(lineages, kinds), PARENTS, unresolved=rule.unresolved)
    assert found.tolist() == [inside, False]


def test_cells_below_a_composite_and_below_nothing():
    lineages = np.array(["t_cell", "monocyte", "epithelial", "unknown"], dtype=object)
    kinds = np.array(["cd4_t", "mono_cd14", "epithelial", "unknown"], dtype=object)
    kinds = kinds_of(lineages, kinds)
    assert cells_below("lymphocyte", kinds, PARENTS).tolist() == [True, False, False, False]
    assert cells_below("myeloid", kinds, PARENTS).tolist() == [False, True, False, False]
    assert cells_below("", kinds, PARENTS).all()


def test_rules_are_told_in_plain_words():
    every = MARKERS["gene"].unique()
    treg = describe_rule(RULE["treg"], informative_genes(RULE["treg"], MARKERS, every), States())
    assert treg.startswith("cd4_t cells whose counts are more likely with FOXP3, IL2RA")
    assert "CD8B" in treg
    assert "2.0% of cells" in treg
    assert "without FOXP3" in treg
    ter = describe_rule(RULE["ter_cell"], informative_genes(RULE["ter_cell"], MARKERS, every), States())
    assert "ambient RNA" in ter
    assert "at least 50 to 1" in ter


def test_the_table_of_rules_holds_every_set():
    sets = match_marker_sets(MARKERS, ["FOXP3", "IL2RA", "CD3E"])
    calls = {"treg": {"called": True, "n_parent": 9, "n_called": 2}}
    depth = pd.Series({"treg": 0.7, "t_cell": 0.8, "cd4_t": 0.1})
    table = rule_table(sets.coverage, 0.05, depth, calls, score_method="aucell")
    assert len(table) == 143
    notes = table.set_index("set_id")["note"]
    deep = "the score follows the depth of the cells (rank correlation 0.80)"
    assert notes["t_cell"] == f"{deep}; its negative genes are left out of the score: 0 of 3 are in the data"
    assert notes["nk"].startswith("not scored")
    assert "left out" not in notes["nk"]
    assert table.set_index("set_id").loc["cd4_t", "depth_correlation"] == 0.1
    assert "AUCell" in table.set_index("set_id").loc["cd4_t", "rule"]
    treg = table.set_index("set_id").loc["treg"]
    assert (treg["called"], treg["n_parent"], treg["n_called"]) == (True, 9, 2)
    assert "not scored" in table.set_index("set_id").loc["b_cell", "note"]
    assert table["n_called"].isna().sum() == 142


def call_in(counts, genes, rule, lineages, kinds, **options):
    counts, genes = sparse.csr_matrix(counts, dtype=np.float64), pd.Index(genes, dtype=object)
    totals = np.asarray(counts.sum(axis=1)).ravel()
    inside = cells_below(rule.parent, kinds_of(lineages, kinds), PARENTS, unresolved=rule.unresolved)
    state = informative_genes(rule, MARKERS, genes)
    parent, depth = counts[inside], totals[inside]
    shares = np.asarray(parent.sum(axis=0)).ravel() / depth.sum()
    candidates = np.flatnonzero(~genes.isin(MARKERS["gene"]))
    drawn = matched_genes(shares, genes.get_indexer(list(state.genes)), candidates)
    matched = pd.DataFrame(genes.to_numpy()[drawn], index=list(state.genes))
    outside = None
    if rule.reference == "outside":
        others = (lineages != rule.parent) & (lineages != "unknown")
        outside = pd.Series(
            np.asarray(counts[others].sum(axis=0)).ravel() / totals[others].sum(), index=genes
        )
    found = call_state(
        parent, depth, genes, state, matched, reference_shares=outside, min_odds=rule.min_odds, **options
    )
    return inside, found


@pytest.fixture(scope="module")
def simulated():
    parts = [simulate_cells(1500, seed=7, environment=environment) for environment in ("TIME", "STIE")]
    parts = [part[part.obs["true_kind"] == "cell"] for part in parts]
    obs = pd.concat([part.obs.assign(environment=e) for part, e in zip(parts, ("TIME", "STIE"), strict=True)])
    return sparse.csr_matrix(sparse.vstack([part.X for part in parts])), parts[0].var_names, obs


def true_labels(obs):
    kinds = obs["true_cell_type"].replace("red_cell", "erythroid").to_numpy(dtype=object)
    return obs["true_lineage"].to_numpy(dtype=object), kinds


@pytest.mark.parametrize("state", list(RULE))
def test_simulated_states_are_called_and_their_direction_found(simulated, state):
    counts, genes, obs = simulated
    inside, found = call_in(counts, genes, RULE[state], *true_labels(obs))
    truth = (obs["true_state"] == state).to_numpy()[inside]
    assert found.called[truth].mean() > {"ter_cell": 0.95}.get(state, 0.4)
    assert found.called[~truth].mean() < 0.05
    where = obs["environment"].to_numpy()[inside]
    planted, called = (pd.Series(values).groupby(where).mean() for values in (truth, found.called))
    assert np.sign(called["TIME"] - called["STIE"]) == np.sign(planted["TIME"] - planted["STIE"])
    assert abs(called["TIME"] - called["STIE"]) > 0.05


@pytest.mark.parametrize("state", list(RULE))
def test_simulated_cells_without_the_state_are_not_called(simulated, state):
    counts, genes, obs = simulated
    without = (obs["true_state"] != state).to_numpy()
    _, found = call_in(counts[np.flatnonzero(without)], genes, RULE[state], *true_labels(obs[without]))
    assert found.called.mean() < 0.06


def test_red_cells_are_no_ter_cells(simulated):
    counts, genes, obs = simulated
    inside, found = call_in(counts, genes, RULE["ter_cell"], *true_labels(obs))
    red = (obs["true_cell_type"] == "red_cell").to_numpy()[inside]
    assert red.sum() > 50
    assert found.called[red].mean() <= 0.01


def real_cells(path):
    import anndata as ad

    cells = ad.read_h5ad(path)
    genes = pd.Index(cells.var_names.astype(object))
    counts = sparse.csr_matrix(cells.X, dtype=np.float64)
    kept = lineage_genes(MARKERS, genes)
    totals = np.asarray(counts.sum(axis=1)).ravel()
    types = annotate_cells(MarkerCounts(counts[:, genes.get_indexer(kept)], pd.Index(kept), totals), MARKERS)
    labels = (types["lineage"].to_numpy(dtype=object), types["cell_type"].to_numpy(dtype=object))
    return cells, counts, genes, labels


@pytest.mark.data
def test_healthy_blood_has_few_of_the_states(data_dir):
    _, counts, genes, labels = real_cells(data_dir / "hao2021_pbmc_1000_raw" / "hao_pbmc_1000.h5ad")
    _, treg = call_in(counts, genes, RULE["treg"], *labels)
    assert 0.02 < treg.called.mean() < 0.10
    _, m_mdsc = call_in(counts, genes, RULE["m_mdsc"], *labels)
    assert m_mdsc.called.mean() < 0.12
    assert (labels[0] == "erythroid").mean() < 0.01


@pytest.mark.data
def test_tumour_treg_are_those_of_the_authors(data_dir):
    path = data_dir / "zilionis_nsclc_blood_tumor_300" / "zilionis300_counts_recovered.h5ad"
    cells, counts, genes, labels = real_cells(path)
    inside, found = call_in(counts, genes, RULE["treg"], *labels)
    subsets = cells.obs["Minor.subset"].astype(str).to_numpy()[inside]
    # tT3 are the authors' regulatory T cells
    assert found.called.sum() >= 8
    assert (subsets[found.called] == "tT3").mean() > 0.8
    assert found.called[subsets == "tT3"].mean() > 0.5


@pytest.mark.data
def test_marrow_erythroblasts_stand_above_reticulocytes(data_dir):
    path = data_dir / "openproblems_bmmc_citeseq_multiome" / "cite_merged_2v.h5ad"
    cells, counts, genes, labels = real_cells(path)
    stage = cells.obs["cell_type"].astype(str).to_numpy()
    sets = match_marker_sets(MARKERS, genes)
    # more than half of the set's genes, TFRC among them, are not in these data
    assert sets.coverage.loc["ter_cell", "coverage"] < 0.5
    method = Method(max_rank=capped_max_rank(1500, len(genes)))
    scores = score_signatures(counts, genes, sets, method, min_coverage=0.3)["ter_cell"].to_numpy()
    young = np.isin(stage, ["Proerythroblast", "Erythroblast"])
    assert scores[young].mean() > scores[stage == "Reticulocyte"].mean() + 0.1
    inside, found = call_in(counts, genes, RULE["ter_cell"], *labels)
    evidence = pd.Series(found.evidence).groupby(stage[inside]).median()
    assert evidence["Proerythroblast"] > evidence["Normoblast"] > 2 * evidence["Reticulocyte"]
    assert found.called[young[inside]].all()
