"""What other genes say of a state: against a plain loop, planted programmes, differences of samples."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.metrics import roc_auc_score

from stietime.cells.states.likeness import (
    MIN_CELLS,
    PSEUDO_CELLS,
    PSEUDO_COUNT,
    TEMPERATURE,
    agreement,
    likeness,
    profile_table,
    state_share,
    weigh_cells,
    weighted_sums,
)

GENES = pd.Index([f"G{n}" for n in range(300)])


def cells(share, *, programme=3.0, sample_effect=1.0, n=800, seed=0):
    """Evidence that tells cells with a state from others, and counts in which G0-G19 are higher in these.

    The second sample holds most of the state, and has G20-G39 higher in all its cells.
    """
    rng = np.random.default_rng(seed)
    samples = np.where(np.arange(n) < n // 2, "first", "second")
    truth = rng.random(n) < np.where(samples == "first", share / 4, 7 * share / 4)
    # log-likelihood ratio of a normal with mean 4 and variance 4 against one with mean 0
    drawn = rng.normal(np.where(truth, 4.0, 0.0), 2.0)
    evidence = (drawn**2 - (drawn - 4.0) ** 2) / 8
    profile = rng.lognormal(0, 1, len(GENES))
    means = np.outer(rng.lognormal(0, 0.4, n), 1000 * profile / profile.sum())
    means[np.ix_(truth, np.arange(20))] *= programme
    means[np.ix_(samples == "second", np.arange(20, 40))] *= sample_effect
    return evidence, sparse.csr_matrix(rng.poisson(means).astype(float)), samples, truth


def learned(evidence, counts, samples):
    weights = weigh_cells(evidence, samples)
    sums = weighted_sums(counts, weights)
    return weights, sums, likeness(counts, weights, sums, len(evidence))


def test_likeness_is_that_of_a_plain_loop_that_leaves_each_cell_out():
    evidence, counts, samples, _ = cells(0.2, n=60)
    dense = counts.toarray()
    weights, sums, found = learned(evidence, counts, samples)
    both = np.stack([weights.with_state, weights.without])
    average = (both @ dense).sum(axis=0)
    added = np.maximum(PSEUDO_CELLS * average / 60, PSEUDO_COUNT)
    depth = added / (average / average.sum())
    for cell in range(60):
        others = np.arange(60) != cell
        profiles = both[:, others] @ dense[others]
        logs = np.log((profiles + added) / (profiles.sum(axis=1, keepdims=True) + depth))
        assert found[cell] == pytest.approx(dense[cell] @ (logs[0] - logs[1]) / TEMPERATURE)
    # some cells at a time give the same
    parts = [np.arange(0, 25), np.arange(25, 60)]
    pieces = [type(weights)(weights.with_state[part], weights.without[part]) for part in parts]
    added = sum(weighted_sums(counts[part], piece) for part, piece in zip(parts, pieces, strict=True))
    np.testing.assert_allclose(added, sums)
    again = [likeness(counts[part], piece, sums, 60) for part, piece in zip(parts, pieces, strict=True)]
    np.testing.assert_allclose(np.concatenate(again), found)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_the_planted_share_is_estimated(share):
    evidence, *_, truth = cells(share, n=4000)
    assert state_share(evidence) == pytest.approx(truth.mean(), abs=0.03)


def test_a_programme_is_found_and_tells_cells_better_than_the_evidence_alone():
    evidence, counts, samples, truth = cells(0.2)
    weights, sums, found = learned(evidence, counts, samples)
    assert weights.enough
    assert roc_auc_score(truth, found) > 0.95
    assert roc_auc_score(truth, evidence + found) > roc_auc_score(truth, evidence)
    table = profile_table(sums, GENES, len(evidence))
    higher = table.loc[table["log2_ratio"] > 0, "gene"]
    assert higher.isin(GENES[:20]).mean() > 0.8
    row = table.iloc[0]
    assert row["per_10000_with"] / row["per_10000_without"] == pytest.approx(2 ** row["log2_ratio"], rel=0.1)


def test_what_differs_between_samples_is_not_learned():
    evidence, counts, samples, truth = cells(0.2, programme=1.0, sample_effect=5.0)
    _, sums, found = learned(evidence, counts, samples)
    table = profile_table(sums, GENES, len(evidence))
    of_sample = table["gene"].isin(GENES[20:40])
    assert of_sample.sum() < 10
    assert table.loc[of_sample, "log2_ratio"].abs().max() < 0.5
    assert abs(agreement(found, truth, samples) - 0.5) < 0.1
    *_, blind = learned(evidence, counts, np.zeros(len(samples)))
    assert abs(found).mean() < 0.5 * abs(blind).mean()  # not knowing the samples, it would learn the sample


def test_without_a_state_nothing_is_learned():
    evidence, _, samples, _ = cells(0.0)
    assert state_share(evidence) < 0.01
    assert not weigh_cells(evidence, samples).enough
    everywhere, _, samples, _ = cells(0.2)
    weights = weigh_cells(everywhere + 50, samples)
    assert weights.with_state.sum() > MIN_CELLS
    # a sample that is all state brings nothing to compare with
    only = weigh_cells(np.where(samples == "second", 50.0, -50.0), samples)
    assert only.without[samples == "second"].sum() < 1e-6


def test_agreement_is_the_area_under_the_curve_within_samples():
    rng = np.random.default_rng(1)
    values, called = rng.integers(0, 20, 300).astype(float), rng.random(300) < 0.3
    one = np.array(["a"] * 300)
    assert agreement(values, called, one) == pytest.approx(roc_auc_score(called, values))
    two = np.where(np.arange(300) < 100, "a", "b")
    shifted = values + np.where(two == "a", 1000.0, 0.0)
    areas = [roc_auc_score(called[two == name], values[two == name]) for name in "ab"]
    pairs = [called[two == name].sum() * (~called[two == name]).sum() for name in "ab"]
    assert agreement(shifted, called, two) == pytest.approx(np.average(areas, weights=pairs))
    assert np.isnan(agreement(values, np.zeros(300, dtype=bool), one))
