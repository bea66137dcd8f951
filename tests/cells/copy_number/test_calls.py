"""Calls of malignant cells: planted gains and losses, nothing planted, and healthy blood."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from tests.cells.copy_number.planted import GAINS_AND_LOSSES, plant

from stietime.cells.copy_number.calls import (
    Measured,
    call_malignant,
    describe_arms,
    draw_orders,
    joint_limits,
    measure,
)
from stietime.cells.copy_number.profiles import Relative, make_windows, order_genes, smooth
from stietime.cells.copy_number.reference import draw_halves
from stietime.cells.normalisation import log_normalise
from stietime.resources import read_gene_positions

RATE = 0.01


def infer(counts, genes, lineages, observed="epithelial", seed=1):
    """Copy numbers of the cells of one lineage against all others, as the step infers them."""
    order = order_genes(genes, read_gene_positions())
    expression = sparse.csr_matrix(log_normalise(counts)[:, order.columns])
    own = lineages == observed
    shares = [np.asarray((expression[who] > 0).mean(axis=0)).ravel() for who in (own, ~own)]
    used = np.maximum(*shares) >= 0.1
    places = order.places[used].reset_index(drop=True)
    expression = sparse.csr_matrix(expression[:, np.flatnonzero(used)])
    cells = pd.Index([f"s:{i}" for i in np.flatnonzero(~own)], dtype=object)
    found = call_malignant(
        expression[own],
        expression[~own],
        lineages[~own],
        draw_halves(cells, lineages[~own], 1),
        make_windows(places, window_genes=100, step_genes=10),
        max_log_ratio=3,
        false_call_rate=RATE,
        n_orders=6,
        seed=seed,
    )
    return found, places


@pytest.mark.parametrize("seed", [1, 2])
def test_planted_gains_and_losses_are_called(seed):
    counts, genes, lineages, malignant = plant(seed, GAINS_AND_LOSSES, share=0.5)
    found, places = infer(counts, genes, lineages)
    truth = malignant[lineages == "epithelial"]
    assert found.called[truth].mean() > 0.8
    assert found.called[~truth].mean() <= RATE
    arms = describe_arms(places, found.gene_means, found.p).set_index(["chromosome", "arm"])
    told = arms[arms["state"] != ""]
    assert len(told) >= 4
    for (chromosome, _), state in told["state"].items():
        change = GAINS_AND_LOSSES[chromosome]  # an arm that nothing was planted in is a KeyError
        assert state == ("gain" if change > 1 else "loss")


@pytest.mark.parametrize("seed", range(3))
def test_lineages_that_differ_elsewhere_are_not_called(seed):
    counts, genes, lineages, _ = plant(seed)
    found, places = infer(counts, genes, lineages)
    assert found.called.mean() <= RATE
    # the reference alone would call them: they correlate with each other, being of one lineage
    assert np.median(found.cells.correlation) > joint_limits(found.reference, RATE)[1]
    assert (describe_arms(places, found.gene_means, found.p)["state"] == "").all() or found.p <= 0.001


def test_copy_numbers_at_shuffled_positions_are_not_called():
    counts, genes, lineages, _ = plant(3, GAINS_AND_LOSSES)
    assert infer(counts, genes, lineages)[0].called.mean() > 0.6
    shuffled = pd.Index(np.random.default_rng(0).permutation(genes.to_numpy()), dtype=object)
    found, _ = infer(counts, shuffled, lineages)
    assert found.p > 0.001
    assert not found.called.any()


def test_calls_do_not_depend_on_the_order_of_cells_and_genes():
    counts, genes, lineages, _ = plant(1, GAINS_AND_LOSSES, share=0.5)
    found, _ = infer(counts, genes, lineages)
    random = np.random.default_rng(0)
    columns = random.permutation(len(genes))
    rows = np.arange(len(lineages))
    own = np.flatnonzero(lineages == "epithelial")
    rows[own] = random.permutation(own)
    again, _ = infer(counts[rows][:, columns], genes[columns], lineages[rows])
    back = np.argsort(rows[own])
    assert np.allclose(again.cells.signal[back], found.cells.signal)
    assert np.allclose(again.cells.correlation[back], found.cells.correlation)
    assert (again.called[back] == found.called).all()


def test_signal_and_correlation_by_their_definition():
    random = np.random.default_rng(0)
    relative = Relative(sparse.random(1203, 60, 0.4, format="csr", random_state=1), random.normal(0, 0.1, 60))
    places = pd.DataFrame({"chromosome": "1", "start": range(60)})
    weights = make_windows(places, window_genes=10, step_genes=3).weights
    profiles = smooth(relative, weights)
    raw = (relative.seen.toarray() + relative.unseen) @ weights.toarray()
    among = measure(relative, weights, relative.mean(), among=True)
    apart = measure(relative, weights, relative.mean(), among=False)
    assert np.allclose(among.signal, (profiles**2).mean(axis=1))
    for cell in (0, 499, 500, 1202):  # cells are measured 500 at a time
        others = np.delete(raw, cell, axis=0).mean(axis=0)
        assert among.correlation[cell] == pytest.approx(np.corrcoef(profiles[cell], others)[0, 1])
        assert apart.correlation[cell] == pytest.approx(np.corrcoef(profiles[cell], raw.mean(axis=0))[0, 1])


@pytest.mark.parametrize("n", [40, 1000])
def test_limits_hold_the_rate(n):
    random = np.random.default_rng(0)
    exceeded = []
    for _ in range(200):
        draw = random.normal(0, 1, (2, n + 2000))
        draw[1] += draw[0]  # signal and correlation belong together
        signal, correlation = joint_limits(Measured(*draw[:, :n]), RATE)
        exceeded.append(((draw[0, n:] > signal) & (draw[1, n:] > correlation)).mean())
        assert ((draw[0, :n] > signal) & (draw[1, :n] > correlation)).mean() <= RATE
    assert np.mean(exceeded) <= max(RATE, 1 / n) * 1.1
    assert np.mean(exceeded) > 0.2 * RATE


def test_orders_keep_runs_together():
    for order in draw_orders(103, 10, 5, seed=1):
        assert sorted(order) == list(range(103))
        assert (np.diff(order) == 1).sum() >= 103 - 10
    assert [list(o) for o in draw_orders(50, 10, 3, 1)] == [list(o) for o in draw_orders(50, 10, 3, 1)]


@pytest.mark.data
def test_lineages_of_healthy_blood_are_not_called(data_dir):
    """One sorted population after the other stands in the place of the epithelial cells."""
    cells = ad.read_h5ad(data_dir / "zheng2017_pbmc_facs" / "pbmc_facs_half.h5ad")
    counts = sparse.csr_matrix(cells.X)
    lineages = cells.obs["celltype"].astype(str).to_numpy(dtype=object)
    genes = pd.Index(cells.var_names, dtype=object)
    n_called = [
        infer(counts, genes, lineages, observed)[0].called.sum()
        for observed in ("CD14+ Monocyte", "CD19+ B", "CD56+ NK", "CD34+")
    ]
    assert n_called == [0, 0, 0, 0]
