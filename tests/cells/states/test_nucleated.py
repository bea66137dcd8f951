"""Nucleated erythroid cells told from reticulocytes: sorted stages, planted cells, marrow."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import nbinom

from stietime.cells.quality.erythroid import DIVIDING_GENES, NUCLEATED_GENES
from stietime.cells.states.calls import StateCall
from stietime.cells.states.nucleated import (
    STAGES,
    nucleated_evidence,
    require_nucleus,
    stage_coverage,
    stage_genes,
    stage_levels,
)
from stietime.resources import read_gene_aliases

LEVELS = stage_levels()
GENES = pd.Index([*LEVELS, "HBB"], dtype=object)


def cells_at(stage, n, total, seed=0):
    rng = np.random.default_rng(seed)
    shares = np.array([level[STAGES.index(stage)] for level in LEVELS.values()])
    counts = rng.poisson(total * np.append(shares, 1 - shares.sum()), (n, len(GENES)))
    return sparse.csr_matrix(counts), counts.sum(axis=1).astype(float)


def test_the_stage_genes_are_those_of_the_lists():
    assert set(LEVELS) == {*NUCLEATED_GENES.split(), *DIVIDING_GENES.split()}
    assert stage_genes(["Tfrc", "Hbb-bs", "Mki67"]) == ["Tfrc", "Mki67"]
    assert stage_coverage(["TFRC", "HBB"]) == pytest.approx(1 / len(LEVELS))


@pytest.mark.parametrize(("stage", "is_nucleated"), [("P5", True), ("P6", True), ("P7", True), ("P8", False)])
def test_cells_of_the_stages_are_told(stage, is_nucleated):
    counts, totals = cells_at(stage, 400, 3000)
    called = nucleated_evidence(counts, totals, GENES) > np.log(50)
    assert called.mean() > 0.9 if is_nucleated else called.mean() < 0.005


def test_evidence_is_a_ratio_of_negative_binomial_likelihoods():
    counts, totals = cells_at("P7", 5, 2000)
    keep = [0, 3, 12, 20]
    part, genes = counts[:, keep], GENES[keep]
    summed = np.asarray(part.sum(axis=1)).ravel()
    levels = np.array([LEVELS[gene] for gene in genes])

    def likelihood(stage):
        level = levels[:, STAGES.index(stage)]
        mean, size = totals * level.sum(), level.sum() ** 2 / (level**2).sum()
        return nbinom.pmf(summed, size, size / (size + mean))

    expected = np.log(np.mean([likelihood(stage) for stage in STAGES[:3]], axis=0) / likelihood("P8"))
    assert nucleated_evidence(part, totals, genes) == pytest.approx(expected)


def test_the_weaker_evidence_decides():
    call = StateCall(np.array([True, True, False]), np.array([9.0, 8.0, 1.0]), 3.9, 3.9)
    found = require_nucleus(call, np.array([5.0, 1.0, 9.0]))
    assert found.called.tolist() == [True, False, False]
    assert found.evidence.tolist() == [5.0, 1.0, 1.0]
    assert (found.called == (found.evidence > found.threshold)).all()


@pytest.mark.data
def test_the_levels_are_those_of_the_sorted_stages(data_dir):
    table = pd.read_csv(
        data_dir / "ludwig2019_erythroid_stages_bulk_rnaseq" / "rnaseq_raw_gene_counts.csv.gz"
    )
    aliases = read_gene_aliases("human")
    genes = table["genes"].map(lambda gene: aliases.get(gene, gene)).to_numpy()
    reads = table.drop(columns="genes").groupby(genes).sum()
    stages = [name.split("_")[2] for name in reads.columns]
    level = (reads / reads.sum()).T.groupby(stages).mean().T
    for gene, found in LEVELS.items():
        assert found == pytest.approx(level.loc[gene, list(STAGES)].to_numpy(), abs=6e-7)


@pytest.mark.data
def test_reticulocytes_of_marrow_are_not_nucleated(data_dir):
    cells = ad.read_h5ad(data_dir / "openproblems_bmmc_citeseq_multiome" / "cite_merged_2v.h5ad")
    aliases = read_gene_aliases("human")
    genes = pd.Index([aliases.get(gene, gene) for gene in cells.var_names], dtype=object)
    totals = np.asarray(cells.X.sum(axis=1), dtype=float).ravel()
    nucleated = nucleated_evidence(sparse.csr_matrix(cells.X), totals, genes) > np.log(50)
    stage = cells.obs["cell_type"].astype(str).to_numpy()
    assert nucleated[np.isin(stage, ["Proerythroblast", "Erythroblast"])].all()
    assert not nucleated[stage == "Reticulocyte"].any()
