"""Further states: their rules, those that exclude each other, and nothing called where nothing is planted."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime import names
from stietime.cells.states.calls import call_state, matched_genes
from stietime.cells.states.further_rules import (
    EVERY_RULE,
    EXCLUSIVE,
    FURTHER_RULES,
    MIXED,
    SCORED_ONLY,
    keep_the_likelier,
)
from stietime.cells.states.rules import describe_rule, informative_genes
from stietime.resources import read_markers
from stietime.settings import States
from stietime.simulate.reference import reference

MARKERS = read_markers()
SETS = MARKERS.drop_duplicates("set_id").set_index("set_id")
SOURCE = reference()
ORDINARY = {"cd8_t": "cd8_memory", "cd4_t": "cd4_memory", "macrophage": "macrophage_c1q"}


def test_every_called_state_has_one_rule_for_a_set_of_the_table():
    assert [rule.state for rule in EVERY_RULE] == list(names.CALLED_STATES)
    for rule in FURTHER_RULES:
        assert SETS.loc[rule.state, "parent"] == rule.parent
        assert rule.limit
        assert rule.falsifier
    pairs = {state for pair in (*EXCLUSIVE, *MIXED) for state in pair}
    assert pairs <= set(names.CALLED_STATES)
    assert set(SCORED_ONLY) <= set(SETS.index)
    assert not set(SCORED_ONLY) & set(names.CALLED_STATES)


def test_a_gate_gene_of_ordinary_cells_is_asked_for_and_adds_nothing():
    rule = {rule.state: rule for rule in FURTHER_RULES}["tpex_tcf7"]
    genes = informative_genes(rule, MARKERS, frozenset(MARKERS["gene"]))
    assert genes.gates == ("TCF7",)
    assert "TCF7" not in genes.positive
    assert not {"GZMB", "PRF1"} & set(genes.genes)
    assert dict(zip(genes.genes, genes.weights, strict=True))["TCF7"] < 1e-3
    assert "without TCF7" in describe_rule(rule, genes, States())


def test_the_likelier_of_two_states_that_exclude_each_other_stays():
    called = {"texp": [1, 1, 1, 0], "tex_term": [1, 1, 0, 1], "tpex_tcf7": [0, 1, 0, 1]}
    evidence = {"texp": [5, 2, 3, 0], "tex_term": [4, 3, 9, 2], "tpex_tcf7": [9, 1, 0, 2]}
    masks = {name: np.array(values, dtype=bool) for name, values in called.items()}
    kept = keep_the_likelier(masks, {name: np.array(values, float) for name, values in evidence.items()})
    assert kept["texp"].tolist() == [True, False, True, False]
    assert kept["tex_term"].tolist() == [False, True, False, False]
    assert kept["tpex_tcf7"].tolist() == [False, False, False, True]
    assert masks["texp"].tolist() == [True, True, True, False]
    alone = keep_the_likelier({"texp": masks["texp"]}, {"texp": np.zeros(4)})
    assert alone["texp"].all() == masks["texp"].all()


def cells_of(population, n, seed):
    """Cells of one population at the depth of 10x, the set's genes and 600 others."""
    profile = SOURCE.profiles[SOURCE.populations.index.get_loc(population)]
    rng = np.random.default_rng(seed)
    totals = np.round(2600 * rng.lognormal(0, 0.3, n))
    means = np.outer(totals, profile)
    return rng.negative_binomial(4, 4 / (4 + means)), totals


@pytest.mark.parametrize("rule", [rule for rule in FURTHER_RULES if rule.parent in ORDINARY])
def test_next_to_nothing_is_called_where_nothing_is_planted(rule):
    others = np.flatnonzero(~SOURCE.genes.isin(MARKERS["gene"]))
    base = ORDINARY[rule.parent]
    counts, totals = cells_of(base, 600, 1)
    state = informative_genes(rule, MARKERS, frozenset(SOURCE.genes))
    shares = counts.sum(axis=0) / totals.sum()
    drawn = matched_genes(shares, SOURCE.genes.get_indexer(list(state.genes)), others)
    matched = pd.DataFrame(SOURCE.genes.to_numpy()[drawn], index=list(state.genes))
    columns = pd.Index(dict.fromkeys([*state.genes, *matched.to_numpy().ravel()]), dtype=object)
    own = sparse.csr_matrix(counts[:, SOURCE.genes.get_indexer(columns)].astype(float))
    call = call_state(own, totals, columns, state, matched, min_odds=rule.min_odds)
    assert call.called.mean() <= 0.01
