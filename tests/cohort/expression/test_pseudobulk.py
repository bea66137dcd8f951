"""Sums by sample and type against plain loops; who makes a gene; the tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime.cells.clusters.sums import sum_clusters
from stietime.cohort.design.designs import Contrast
from stietime.cohort.expression.pseudobulk import Pseudobulks, TypeSums, summed_kinds
from stietime.cohort.expression.regulators import find_makers, regulator_genes
from stietime.cohort.expression.tables import (
    GENE_COLUMNS,
    REGULATOR_COLUMNS,
    TEST_COLUMNS,
    Options,
    compare_expression,
)
from stietime.cohort.testing.contrasts import NOT_MEASURED, NOT_SEEN, TESTED, TOO_FEW
from stietime.cohort.testing.effects import false_discovery_rates
from stietime.resources import read_claims, read_markers

KINDS = [("nk", "nk"), ("t_cell", "cd4_t"), ("t_cell", "cd8_t"), ("unknown", "unknown")]


def test_sums_as_a_plain_loop():
    rng = np.random.default_rng(1)
    genes = pd.Index(["A", "B", "C", "D"], dtype=object)
    counts = rng.poisson(0.7, (90, 4)).astype(np.int32)
    codes = rng.choice([0, 1, 3], 90)
    sums = sum_clusters(sparse.csr_matrix(counts), np.zeros(90), codes, len(KINDS))
    found = summed_kinds(genes, KINDS, sums.counts, sums.detected, sums.sizes, ["C", "missing", "A"])
    assert found.kinds == (KINDS[0], KINDS[1], KINDS[3])  # no CD8 cell is here
    for row, code in enumerate((0, 1, 3)):
        own = [counts[cell] for cell in range(90) if codes[cell] == code]
        assert list(found.counts[row]) == list(np.sum(own, axis=0))
        assert found.n_cells[row] == len(own)
        assert found.detected.loc[row, "C"] == sum(1 for cell in own if cell[2])
    assert list(found.detected.columns) == ["C", "A"]
    large = summed_kinds(genes, KINDS, sums.counts * 1e9, sums.detected, sums.sizes, [])
    assert large.counts.max() == sums.counts[[0, 1, 3]].max() * 1e9


def sums_of(genes, by_kind, n_cells=40, detected=None):
    """Make the sums of a sample from a row of counts per kind."""
    kinds = tuple(by_kind)
    counts = np.array([by_kind[kind] for kind in kinds])
    seen = np.minimum(counts, n_cells) if detected is None else np.array(detected)
    cells = np.full(len(kinds), n_cells)
    return TypeSums(pd.Index(genes, dtype=object), kinds, counts, pd.DataFrame(seen, columns=genes), cells)


def test_levels_and_genes_that_not_all_samples_have():
    bulks = Pseudobulks(
        {
            "s1": sums_of(
                ["A", "B", "C"], {KINDS[1]: [1, 2, 3], KINDS[2]: [10, 20, 30], KINDS[3]: [5, 5, 5]}
            ),
            "s2": sums_of(["C", "A"], {KINDS[0]: [7, 8]}),
        }
    )
    assert bulks.types("lineage") == ["nk", "t_cell"]
    assert bulks.types("cell_type") == ["cd4_t", "cd8_t", "nk"]
    genes, left_out = bulks.shared_genes(["s1", "s2"])
    assert (list(genes), left_out) == (["A", "C"], 1)
    t_cells = bulks.members("lineage", "t_cell")
    np.testing.assert_array_equal(
        bulks.counts(t_cells, ["s1", "s2", "s1"], genes), [[11, 33], [0, 0], [11, 33]]
    )
    np.testing.assert_array_equal(bulks.counts(bulks.members("cell_type", "nk"), ["s2"], genes), [[8, 7]])
    assert dict(bulks.cells(t_cells)) == {"s1": 80, "s2": 0}


def test_makers():
    genes = ["A", "B", "Z"]
    bulks = Pseudobulks(
        {
            "s1": sums_of(genes, {KINDS[0]: [90, 5, 0], KINDS[1]: [10, 5, 0]}, 1000, [[50, 5, 0], [9, 5, 0]]),
            "s2": sums_of(["A"], {KINDS[1]: [0], KINDS[3]: [100]}, 1000, [[0], [90]]),
        }
    )
    options = {"levels": ["lineage", "cell_type"], "min_share": 0.1, "min_detection": 0.01}
    table = find_makers(bulks, ["s1", "s2"], [*genes, "absent"], **options)
    rows = table.set_index(["level", "gene", "cell_type"])
    nk = rows.loc[("lineage", "A", "nk")]
    # cells without a type take part in the whole
    assert nk["share_of_expression"] == pytest.approx(90 / 200)
    assert nk["detection"] == pytest.approx(0.05)
    assert nk["makes_it"]
    cd4 = rows.loc[("cell_type", "A", "cd4_t")]
    assert (cd4["share_of_expression"], cd4["makes_it"]) == (0.05, False)
    # s2 does not measure B: its cells are not counted as without it
    assert rows.loc[("lineage", "B", "nk"), "detection"] == pytest.approx(0.005)
    assert not rows.loc[("lineage", "B", "nk"), "makes_it"]
    assert rows.loc[[("lineage", "Z", "nk"), ("lineage", "absent", "nk")], "share_of_expression"].isna().all()
    assert not rows.loc[("lineage", "absent", "t_cell"), "makes_it"]
    assert len(table) == 4 * (2 + 2)


def test_regulators_of_the_reviews():
    genes = regulator_genes(read_claims(), read_markers())
    named = {"TGFB1", "IDO1", "ARTN", "GFRA3", "RET", "PDCD1", "CD274", "CTLA4", "IFNG", "CXCL9"}
    assert named <= set(genes)
    assert genes == sorted(set(genes))
    claims = pd.DataFrame(
        [("G1", "gene_expression"), ("set", "protein_or_metabolite_only"), ("x", "cell_fraction")],
        columns=["entity_id", "testable"],
    )
    markers = pd.DataFrame(
        [
            ("set", "program", "positive", "P"),
            ("set", "program", "negative", "N"),
            ("r", "regulator", "positive", "R"),
        ],
        columns=["set_id", "level", "direction", "gene"],
    )
    assert regulator_genes(claims, markers) == ["G1", "P", "R"]


OPTIONS = Options(("lineage", "cell_type"), 10, 10, 3, 0.1, 0.01)
N_GENES = 200


@pytest.fixture(scope="module")
def cohort():
    """Four pairs: g0 eight times higher in NK cells' first arm; CD8 cells in two patients only."""
    rng = np.random.default_rng(2)
    base = np.exp(rng.normal(4, 1, N_GENES))
    genes = [f"g{i}" for i in range(N_GENES)]
    samples, arms = {}, {"b": {}, "t": {}}
    for patient in range(4):
        own = base * np.exp(rng.normal(0, 0.3, N_GENES))
        for side, arm in arms.items():
            fold = np.ones(N_GENES)
            fold[0] = 8 if side == "b" else 1
            kinds = {KINDS[0]: rng.poisson(own * fold), KINDS[1]: rng.poisson(own * 0.5)}
            if patient < 2:
                kinds[KINDS[2]] = rng.poisson(own)
            kinds[KINDS[1]][0] = 0
            panel = genes[:-1] if (patient, side) == (0, "b") else genes
            kinds = {kind: counts[: len(panel)] for kind, counts in kinds.items()}
            samples[f"p{patient}_{side}"] = sums_of(panel, kinds)
            arm[f"p{patient}_{side}"] = f"p{patient}"
    contrast = Contrast("b_vs_t", "d", "", pd.Series(arms["b"]), pd.Series(arms["t"]), paired=True)
    return contrast, Pseudobulks(samples)


@pytest.fixture(scope="module")
def tables(cohort):
    contrast, bulks = cohort
    return compare_expression([contrast], bulks, ["g0", "g1", "g199", "nowhere"], OPTIONS)


def test_table_of_tests(tables):
    tests = tables.tests.set_index(["level", "cell_type"])
    assert tuple(tables.tests.columns) == TEST_COLUMNS
    assert len(tests) == 2 + 3
    nk = tests.loc[("lineage", "nk")]
    assert (nk["status"], nk["n_pairs"], nk["n_samples"], nk["n_cells"]) == (TESTED, 4, 8, 320)
    assert (nk["n_genes"], nk["n_genes_left_out"]) == (N_GENES - 1, 1)
    cd8 = tests.loc[("cell_type", "cd8_t")]
    assert (cd8["status"], cd8["note"]) == (TOO_FEW, "not testable: 2 pairs with 10 cells, 3 needed")


def test_table_of_genes(tables):
    genes = tables.genes
    assert tuple(genes.columns) == GENE_COLUMNS
    assert set(genes["cell_type"]) == {"nk", "t_cell", "cd4_t"}
    found = genes[(genes["gene"] == "g0") & (genes["cell_type"] == "nk")]
    assert list(found["level"]) == ["lineage", "cell_type"]  # all of its lineage: the same test stands twice
    assert found["estimate"].iloc[0] == found["estimate"].iloc[1] == pytest.approx(3, abs=0.3)
    assert (found["q"] < 1e-6).all()
    assert (found["n_pairs"] == 4).all()
    own = genes[(genes["level"] == "lineage") & (genes["cell_type"] == "t_cell")]
    np.testing.assert_allclose(own["q"], false_discovery_rates(own["p"].to_numpy()))
    assert not (genes["gene"] == "g199").any()


def test_table_of_regulators(tables):
    table = tables.regulators
    assert tuple(table.columns) == REGULATOR_COLUMNS
    assert len(table) == 4 * (2 + 3)
    rows = table.set_index(["level", "cell_type", "gene"])
    nk = rows.loc[("cell_type", "nk", "g0")]
    assert nk["makes_it"]
    assert nk["status"] == TESTED
    assert nk["share_of_expression"] == pytest.approx(0.75, abs=0.15)
    assert rows.loc[("cell_type", "cd4_t", "g0"), "status"] == NOT_SEEN
    assert not rows.loc[("cell_type", "cd4_t", "g0"), "makes_it"]
    assert rows.loc[("cell_type", "cd8_t", "g1"), "status"] == TOO_FEW
    missing = rows.loc[("lineage", "nk", "g199")]
    assert (missing["status"], missing["note"]) == (
        NOT_MEASURED, "not measured: the gene is missing in samples of the contrast",
    )  # fmt: skip
    assert rows.loc[("lineage", "nk", "nowhere"), "note"] == "not measured: the gene is in no sample"
    # one family per level: the makers
    family = table[(table["level"] == "cell_type") & table["makes_it"] & table["p"].notna()]
    np.testing.assert_allclose(family["q"], false_discovery_rates(family["p"].to_numpy()))
    assert table.loc[~table["makes_it"].astype(bool), "q"].isna().all()


def test_cohorts_without_a_test(cohort):
    contrast, bulks = cohort
    first = contrast.first.iloc[:1], contrast.second.iloc[:1]
    alone = Contrast("alone", "d", "", *first, paired=True)
    empty = Contrast("empty", "d", "", contrast.first.iloc[:0], contrast.second, paired=True)
    found = compare_expression([alone, empty], bulks, ["g0"], OPTIONS)
    assert found.genes.empty
    assert set(found.regulators["status"]) == {TOO_FEW, NOT_MEASURED}
    assert found.regulators["p"].isna().all()
    assert set(found.tests.loc[found.tests["contrast"] == "empty", "status"]) == {NOT_MEASURED}
    none = compare_expression([], bulks, ["g0"], OPTIONS)
    assert [len(table) for table in none] == [0, 0, 0]
    assert tuple(none.regulators.columns) == REGULATOR_COLUMNS
