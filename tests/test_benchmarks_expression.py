"""The benchmark of genes between patients: its draws, its comparators, and the page."""

from __future__ import annotations

import numpy as np
import pandas as pd
from benchmarks import expression
from benchmarks.pages import between_marks, figures_as_markdown
from benchmarks.parts import PAGES
from benchmarks.record import RESULTS


def test_draws_hold_what_is_planted():
    rng = np.random.default_rng(1)
    cohort = expression.draw(rng, expression.Case("pairs", 30, paired=True, depth=0.1), fold=8.0)
    assert cohort.counts.shape == (60, expression.N_GENES)
    assert (cohort.truth != 0).sum() == expression.MOVED
    shares = cohort.counts.div(cohort.counts.sum(axis=1), axis=0)
    moved = np.log2(shares[:30].mean() / shares[30:].mean())[: expression.MOVED]
    assert (np.sign(moved) == np.sign(cohort.truth[: expression.MOVED])).mean() > 0.95
    assert 0.05 < cohort.counts.iloc[:30].to_numpy().sum() / cohort.counts.iloc[30:].to_numpy().sum() < 0.2
    assert np.linalg.matrix_rank(cohort.design.matrix) == 31


def test_comparators_test_the_same_genes():
    cohort = expression.draw(np.random.default_rng(2), expression.CASES[-1], n_genes=80)
    tables = [test(cohort) for test in (expression.ours, expression.pydeseq2, expression.moderated)]
    for table in tables[1:]:
        both = table["p"].notna() & tables[0]["p"].notna()
        assert both.sum() >= 70
        assert np.corrcoef(table["estimate"][both], tables[0]["estimate"][both])[0, 1] > 0.8


def test_figures_of_a_case_and_the_page():
    case = expression.CASES[1]
    figures = [*expression.level(case, 1), *expression.power(case, 1)]
    assert {figure.peer_name for figure in figures} == {expression.MODERATED}
    assert len(figures) == 6
    assert all(0 <= figure.ours <= 1 for figure in figures)
    results = RESULTS / "expression.tsv"
    assert len(pd.read_csv(results, sep="\t")) == 50
    page = (PAGES / "expression.md").read_text(encoding="utf-8")
    assert between_marks(page, "expression", figures_as_markdown(results, ["ratio", "seed"])) == page
