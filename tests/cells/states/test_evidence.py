"""What calls rest on: genes by call, and cells as examples."""

import numpy as np
import pandas as pd
from scipy import sparse

from stietime.cells.states.calls import StateCall
from stietime.cells.states.evidence import N_EXAMPLES, describe_genes, example_cells
from stietime.cells.states.rules import StateGenes

GENES = StateGenes(("HIGH", "LOW"), (1.0, -1.0), (), 1.0)
COUNTS = sparse.csr_matrix(np.array([[3, 0], [1, 1], [0, 4], [0, 0], [5, 0], [0, 1]], dtype=float))
TOTALS = np.array([1000.0, 1000, 2000, 500, 1000, 4000])
CALLED = np.array([True, True, False, False, True, False])
WHERE = pd.Index(["TIME", "TIME", "TIME", "TIME", "STIE", "STIE"])


def test_genes_are_described_by_call_and_environment():
    found = describe_genes(COUNTS, TOTALS, GENES, CALLED, WHERE)
    keyed = found.set_index(["gene", "environment", "group"])
    assert len(found) == 2 * 4
    first = keyed.loc[("HIGH", "TIME", "called")]
    assert (first["n_cells"], first["share_detected"], first["mean_per_10000"]) == (2, 1.0, 20.0)
    other = keyed.loc[("LOW", "TIME", "not called")]
    assert (other["n_cells"], other["share_detected"], other["mean_per_10000"]) == (2, 0.5, 16.0)
    assert other["direction"] == "negative"
    assert describe_genes(COUNTS[:0], TOTALS[:0], GENES, CALLED[:0], WHERE[:0]).empty


def test_examples_are_those_with_the_most_evidence():
    n = 20
    evidence = np.arange(n, dtype=float)
    call = StateCall(evidence > 9.5, evidence, 9.5, 12.0)
    counts = sparse.csr_matrix(np.column_stack([np.arange(n), np.zeros(n)]))
    cells = pd.Index([f"s:{number}" for number in range(n)])
    where = pd.Index(["TIME"] * n)
    found = example_cells(cells, counts, np.full(n, 100.0), GENES, call, where)
    by_group = found.groupby("group")["cell"].agg(list)
    assert by_group["called"] == ["s:19", "s:18", "s:17"][:N_EXAMPLES]
    assert by_group["not called"] == ["s:9", "s:8", "s:7"][:N_EXAMPLES]
    assert found.loc[found["cell"] == "s:19", "genes"].item() == "HIGH 19"
    assert found["n_counts"].tolist() == [100] * 6


def test_the_order_of_cells_chooses_no_other_examples():
    rng = np.random.default_rng(0)
    evidence = rng.integers(0, 3, 40).astype(float)  # with many ties
    cells = pd.Index([f"s:{number:02d}" for number in range(40)])
    counts = sparse.csr_matrix(rng.poisson(1, (40, 2)).astype(float))
    where = pd.Index(rng.choice(["STIE", "TIME"], 40))

    def chosen(order):
        call = StateCall(evidence[order] > 1, evidence[order], 1.0, 1.0)
        given = (cells[order], counts[order], np.full(40, 9.0), GENES, call, where[order])
        return example_cells(*given)

    pd.testing.assert_frame_equal(chosen(np.arange(40)), chosen(rng.permutation(40)))
