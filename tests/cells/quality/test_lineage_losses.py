import numpy as np
import pytest
from scipy.stats import fisher_exact

from stietime.cells.quality.lineage_losses import ANY, LOSS_COLUMNS, lineage_losses
from stietime.names import KEPT, UNCLEAR


def cells_of(**groups):
    """Lineages and reasons from `lineage={reason: number}`."""
    lineages, reasons = [], []
    for lineage, numbers in groups.items():
        for reason, number in numbers.items():
            lineages += [lineage] * number
            reasons += [reason] * number
    return np.array(lineages, dtype=object), np.array(reasons, dtype=object)


PLANTED = cells_of(
    t_cell={KEPT: 880, "high_mito": 20, "doublet": 10},
    neutrophil={KEPT: 60, "low_genes": 35, "high_mito": 5},
    mast={KEPT: 3, "high_mito": 2},
)


def row(table, lineage, reason):
    found = table[(table["lineage"] == lineage) & (table["reason"] == reason)]
    assert len(found) == 1
    return found.iloc[0]


def test_every_lineage_has_every_reason_and_any():
    table = lineage_losses("s1", *PLANTED, max_loss=0.2)
    assert list(table.columns) == list(LOSS_COLUMNS)
    assert len(table) == 3 * 4
    single = table[table["reason"] != ANY]
    assert single["n_removed"].sum() == table[table["reason"] == ANY]["n_removed"].sum() == 72
    found = row(table, "neutrophil", ANY)
    assert (found["n_cells"], found["n_removed"], found["fraction"]) == (100, 40, 0.4)
    assert found["rest_fraction"] == pytest.approx(32 / 915)


def test_p_is_that_of_fishers_exact_test():
    lineages, reasons = PLANTED
    table = lineage_losses("s1", lineages, reasons, max_loss=0.2)
    for found in table.itertuples():
        own = lineages == found.lineage
        lost = reasons != KEPT if found.reason == ANY else reasons == found.reason
        counts = [[(own & lost).sum(), (own & ~lost).sum()], [(~own & lost).sum(), (~own & ~lost).sum()]]
        assert found.p == pytest.approx(fisher_exact(counts, alternative="greater").pvalue)


def test_a_lineage_that_loses_more_than_its_share_is_warned_of_and_a_few_cells_are_not():
    table = lineage_losses("s1", *PLANTED, max_loss=0.2)
    warned = table[table["warning"] != ""]
    assert set(zip(warned["lineage"], warned["reason"], strict=True)) == {
        ("neutrophil", "low_genes"),
        ("neutrophil", ANY),
    }
    words = row(table, "neutrophil", ANY)["warning"]
    assert words == "loses 40% (40 of 100), the other cells 3.5%"
    assert row(table, "mast", ANY)["fraction"] == 0.4
    assert (lineage_losses("s1", *PLANTED, max_loss=0.4)["warning"] == "").all()


def test_empty_droplets_do_not_hide_a_loss():
    lineages, reasons = cells_of(
        t_cell={KEPT: 500},
        neutrophil={KEPT: 50, "low_genes": 50},
        unclear={"empty": 20_000, "high_mito": 30, KEPT: 5},
    )
    table = lineage_losses("s1", lineages, reasons, max_loss=0.2)
    found = row(table, "neutrophil", ANY)
    assert found["rest_fraction"] == pytest.approx(30 / 535)
    assert found["warning"]
    assert row(table, UNCLEAR, ANY)["fraction"] > 0.99
    assert (table.loc[table["lineage"] == UNCLEAR, "warning"] == "").all()


def test_one_lineage_nothing_lost_and_no_cells():
    alone = lineage_losses("s1", *cells_of(t_cell={KEPT: 5, "empty": 5}), max_loss=0.2)
    assert alone["rest_fraction"].isna().all()
    assert alone["p"].isna().all()
    assert (alone["warning"] == "").all()
    whole = lineage_losses("s1", *cells_of(t_cell={KEPT: 5}, nk={KEPT: 2}), max_loss=0.2)
    assert whole["reason"].tolist() == [ANY, ANY]
    assert whole["p"].tolist() == [1, 1]
    none = lineage_losses("s1", np.array([], dtype=object), np.array([], dtype=object), max_loss=0.2)
    assert list(none.columns) == list(LOSS_COLUMNS)
    assert none.empty
