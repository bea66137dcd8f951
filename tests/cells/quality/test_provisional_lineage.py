import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from stietime.cells.cell_types import LINEAGES
from stietime.cells.quality.provisional_lineage import provisional_lineages, second_lineage
from stietime.names import UNCLEAR
from stietime.resources import read_gene_aliases, read_markers
from stietime.simulate.cohort import Artefacts, Sample, simulate_sample

MARKERS = read_markers("human")
AMBIENT_OF_30_PERCENT = 1300  # expected UMI of ambient RNA per droplet
LINEAGE_OF_AUTHORS = {
    "bMonocytes": {"monocyte"},
    "tMoMacDC": {"monocyte", "macrophage", "dc"},
    "bT cells": {"t_cell"},
    "tT cells": {"t_cell"},
    "bB cells": {"b_cell"},
    "tB cells": {"b_cell"},
    "bNK cells": {"nk"},
    "tNK cells": {"nk"},
    "bNeutrophils": {"neutrophil"},
    "tNeutrophils": {"neutrophil"},
    "tPlasma cells": {"plasma"},
    "tMast cells": {"mast"},
    "Fibroblasts": {"fibroblast"},
    "Endothelial cells": {"endothelial"},
}


def simulated(environment, ambient, n_cells=2000, seed=3):
    artefacts = Artefacts(0.04, 0.05, ambient, 0.6)
    return simulate_sample(Sample("p1", environment, "before"), n_cells, seed, artefacts)


def judged(cells):
    """True cells with their planted lineage and the guess."""
    guess = provisional_lineages(cells.X, list(cells.var_names), MARKERS)
    alive = (cells.obs["true_kind"] == "cell").to_numpy()
    return cells.obs["true_lineage"].to_numpy(dtype=object)[alive], guess[alive]


@pytest.fixture(scope="module", params=["STIE", "TIME"])
def clean(request):
    return judged(simulated(request.param, 0))


@pytest.fixture(scope="module", params=["STIE", "TIME"])
def contaminated(request):
    cells = simulated(request.param, AMBIENT_OF_30_PERCENT)
    share = cells.obs["true_ambient_umi"].sum() / cells.X.sum()
    assert 0.25 < share < 0.4
    return judged(cells)


def right_by_lineage(truth, guess):
    """Share of right guesses among cells that are not unclear, of lineages with 20 cells or more."""
    clear = guess != UNCLEAR
    names = [name for name in np.unique(truth) if (clear & (truth == name)).sum() >= 20]
    return {name: (guess[clear & (truth == name)] == name).mean() for name in names}


def test_planted_lineages_are_found_without_ambient_rna(clean):
    truth, guess = clean
    assert (guess != UNCLEAR).mean() >= 0.93
    assert (guess[guess != UNCLEAR] == truth[guess != UNCLEAR]).mean() >= 0.99
    right = right_by_lineage(truth, guess)
    assert len(right) >= 7
    assert min(right.values()) >= 0.97, right


def test_planted_lineages_are_found_under_30_percent_ambient_rna(contaminated):
    truth, guess = contaminated
    assert (guess != UNCLEAR).mean() >= 0.88
    assert (guess[guess != UNCLEAR] == truth[guess != UNCLEAR]).mean() >= 0.97
    right = right_by_lineage(truth, guess)
    # a neutrophil of 200 to 400 genes is mostly ambient RNA by then
    assert right.pop("neutrophil") >= 0.8
    assert min(right.values()) >= 0.95, right


def test_a_cell_is_judged_on_its_own():
    cells = simulated("TIME", 75, n_cells=300)
    genes = list(cells.var_names)
    guess = provisional_lineages(cells.X, genes, MARKERS)
    order = np.random.default_rng(0).permutation(cells.n_obs)
    np.testing.assert_array_equal(provisional_lineages(cells.X[order], genes, MARKERS), guess[order])
    np.testing.assert_array_equal(provisional_lineages(cells.X[:7], genes, MARKERS), guess[:7])
    columns = np.random.default_rng(1).permutation(cells.n_vars)
    shuffled = provisional_lineages(cells.X[:, columns], [genes[place] for place in columns], MARKERS)
    np.testing.assert_array_equal(shuffled, guess)


def test_symbols_of_mouse_are_told_too():
    cells = simulated("STIE", 0, n_cells=300)
    mouse = [gene.capitalize() for gene in cells.var_names]
    guess = provisional_lineages(cells.X, list(cells.var_names), MARKERS)
    # haemoglobins are named otherwise in mice; all other markers differ in case only
    other = ~np.isin(guess, ["erythroid", UNCLEAR])
    assert (provisional_lineages(cells.X, mouse, MARKERS)[other] == guess[other]).mean() > 0.98


def test_clear_and_unclear_cells_of_known_counts():
    genes = ["CD3D", "CD3E", "TRAC", "CD79A", "MS4A1", "HBB", "HBA1", "ACTB"]
    counts = np.array(
        [
            [4, 3, 5, 0, 0, 0, 0, 1000],  # a T cell
            [0, 0, 0, 6, 5, 0, 0, 1000],  # a B cell
            [0, 0, 0, 0, 0, 300, 500, 400],  # a red cell: haemoglobin alone is enough
            [0, 0, 0, 0, 0, 3, 5, 2000],  # a few haemoglobins, as ambient RNA brings them
            [0, 0, 0, 0, 0, 0, 0, 1000],
            [0, 0, 0, 0, 0, 0, 0, 0],
        ]
    )
    guess = provisional_lineages(sparse.csr_matrix(counts), genes, MARKERS)
    assert guess.tolist() == ["t_cell", "b_cell", "erythroid", UNCLEAR, UNCLEAR, UNCLEAR]


def test_a_gene_says_nothing_where_there_are_no_markers():
    counts = sparse.csr_matrix(np.full((5, 1), 7))
    for genes, markers in ((["ACTB"], MARKERS), (["CD3E"], MARKERS.iloc[:0]), (["CD3E"], MARKERS)):
        assert set(provisional_lineages(counts, genes, markers)) == {UNCLEAR}
        assert not second_lineage(counts, genes, markers).any()


def test_no_cells_is_no_crash():
    none = sparse.csr_matrix((0, 2), dtype=np.int32)
    assert provisional_lineages(none, ["CD3E", "CD3D"], MARKERS).shape == (0,)
    assert second_lineage(none, ["CD3E", "CD3D"], MARKERS).shape == (0,)


def test_two_lineages_in_one_droplet_are_told_from_one():
    cells = simulated("STIE", 75)
    two = second_lineage(cells.X, list(cells.var_names), MARKERS)
    kind = cells.obs["true_kind"].to_numpy()
    assert two[kind == "cell"].mean() <= 0.01
    assert two[kind == "doublet"].mean() >= 0.3


@pytest.mark.data
def test_labels_of_the_authors_of_blood_and_tumour(data_dir):
    cells = ad.read_h5ad(data_dir / "zilionis_nsclc_blood_tumor_300" / "zilionis300_counts_recovered.h5ad")
    aliases = read_gene_aliases("human")
    genes = [aliases.get(gene, gene) for gene in cells.var_names]
    guess = provisional_lineages(sparse.csr_matrix(cells.X), genes, MARKERS)
    labels = cells.obs["Major.cell.type"].astype(str)
    known = labels.isin(LINEAGE_OF_AUTHORS).to_numpy() & (guess != UNCLEAR)
    right = [
        name in LINEAGE_OF_AUTHORS[label] for name, label in zip(guess[known], labels[known], strict=True)
    ]
    assert known.sum() > 180
    assert np.mean(right) >= 0.95
    assert set(guess) <= {*LINEAGES, UNCLEAR}
    neutrophils = labels.isin(["bNeutrophils", "tNeutrophils"]).to_numpy()
    assert (guess[neutrophils] == "neutrophil").mean() >= 0.8
