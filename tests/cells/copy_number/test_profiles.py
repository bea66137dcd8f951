"""Profiles along the genome, against infercnvpy and a plain implementation."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime.cells.copy_number.profiles import (
    baseline_of,
    make_windows,
    order_genes,
    relative_expression,
    smooth,
)
from stietime.resources import read_gene_positions

# 24 cells, 520 genes on three chromosomes: log-normalised Poisson draws, and what
# `infercnvpy.tl.infercnv` 0.6.1 makes of them with `reference_cat=["t_cell", "macrophage"]` and
# `dynamic_threshold=None` (under pandas 3 it needs `future.infer_string` off)
REFERENCE = Path(__file__).with_name("infercnvpy.npz")


def small_genome(n_genes=400, n_chromosomes=4, seed=0):
    random = np.random.default_rng(seed)
    chromosomes = [str(i + 1) for i in sorted(random.integers(0, n_chromosomes, n_genes))]
    symbols = [f"G{i}" for i in range(n_genes)]
    starts = random.permutation(n_genes * 10)[:n_genes]
    return pd.DataFrame({"symbol": symbols, "chromosome": chromosomes, "arm": "p", "start": starts})


def profiles_of(expression, lineages, places, *, window_genes, step_genes, observed):
    windows = make_windows(places, window_genes=window_genes, step_genes=step_genes)
    baseline = baseline_of(expression[lineages != observed], lineages[lineages != observed])
    return smooth(relative_expression(expression, baseline, max_log_ratio=3), windows.weights), windows


def test_profiles_equal_those_of_infercnvpy():
    frozen = np.load(REFERENCE)
    shape = (len(frozen["lineages"]), len(frozen["starts"]))
    expression = sparse.csr_matrix((frozen["data"], frozen["indices"], frozen["indptr"]), shape=shape)
    places = pd.DataFrame({"chromosome": frozen["chromosomes"], "start": frozen["starts"]})
    lineages = frozen["lineages"].astype(object)
    profiles, windows = profiles_of(
        expression, lineages, places, window_genes=100, step_genes=10, observed="epithelial"
    )
    assert profiles.shape == frozen["profiles"].shape
    assert np.abs(profiles - frozen["profiles"]).max() < 1e-6
    assert (windows.places.groupby("chromosome", sort=False).size().min()) == 1  # one chromosome is short


@pytest.mark.parametrize(("window_genes", "step_genes"), [(20, 1), (21, 7), (500, 10)])
def test_profiles_equal_a_plain_implementation(window_genes, step_genes):
    random = np.random.default_rng(1)
    places = small_genome().sort_values(["chromosome", "start"]).reset_index(drop=True)
    dense = np.where(random.random((30, len(places))) < 0.6, 0, random.gamma(2, 1, (30, len(places))))
    lineages = np.array(["a", "b", "x"] * 10, dtype=object)
    profiles, _ = profiles_of(
        sparse.csr_matrix(dense),
        lineages,
        places,
        window_genes=window_genes,
        step_genes=step_genes,
        observed="x",
    )
    means = np.stack([dense[lineages == name].mean(axis=0) for name in "ab"])
    low, high = means.min(axis=0), means.max(axis=0)
    ratio = np.where(dense > high, dense - high, np.where(dense < low, dense - low, 0)).clip(-3, 3)
    columns = []
    for chromosome in places["chromosome"].unique():
        part = ratio[:, (places["chromosome"] == chromosome).to_numpy()]
        n = part.shape[1]
        if n <= window_genes:
            columns.append(part.mean(axis=1))
            continue
        weights = [min(i + 1, window_genes - i) for i in range(window_genes)]
        columns += [
            np.average(part[:, first : first + window_genes], axis=1, weights=weights)
            for first in range(0, n - window_genes + 1, step_genes)
        ]
    expected = np.stack(columns, axis=1)
    expected -= np.median(expected, axis=1, keepdims=True)
    assert np.allclose(profiles, expected, atol=1e-12)


def test_genes_are_ordered_along_the_autosomes_whatever_their_order():
    places = small_genome()
    sexed = pd.DataFrame({"symbol": ["SEXY"], "chromosome": ["X"], "arm": "p", "start": [1]})
    positions = pd.concat([places, sexed])
    genes = pd.Index([*places["symbol"], "SEXY", "NOWHERE"], dtype=object)
    order = order_genes(genes, positions)
    shuffled = pd.Index(np.random.default_rng(0).permutation(genes.to_numpy()), dtype=object)
    again = order_genes(shuffled, positions)
    assert "SEXY" not in set(order.places["symbol"])
    assert len(order.columns) == len(places)
    assert order.places.equals(again.places)
    assert (shuffled[again.columns] == genes[order.columns]).all()
    for _, part in order.places.groupby("chromosome"):
        assert part["start"].is_monotonic_increasing


def test_positions_of_known_genes():
    human = read_gene_positions().set_index("symbol")
    known = {
        "EGFR": ("7", "p", 55.0),
        "MYC": ("8", "q", 127.7),
        "TP53": ("17", "p", 7.66),
        "ERBB2": ("17", "q", 39.7),
        "PTEN": ("10", "q", 87.9),
        "CDKN2A": ("9", "p", 21.97),
        "RB1": ("13", "q", 48.3),
        "AR": ("X", "q", 67.5),
    }
    for gene, (chromosome, arm, megabases) in known.items():
        assert tuple(human.loc[gene, ["chromosome", "arm"]]) == (chromosome, arm)
        assert human.loc[gene, "start"] / 1e6 == pytest.approx(megabases, abs=0.1)
    assert human.index.is_unique
    assert set(human["chromosome"]) == {*map(str, range(1, 23)), "X", "Y"}
    mouse = read_gene_positions("mouse").set_index("symbol")
    assert tuple(mouse.loc["Egfr", ["chromosome", "start"]]) == ("11", 16752203)
    assert mouse.loc["Trp53", "chromosome"] == "11"
    assert mouse.index.is_unique
    assert set(mouse["arm"]) == {""}
