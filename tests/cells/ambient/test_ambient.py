"""Ambient RNA: planted shares, the measured profile of a real sample, and where nothing can be said."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from stietime.cells.ambient.correction import subtract_ambient
from stietime.cells.ambient.estimate import TABLE_COLUMNS, ambient_table, estimate_ambient, haemoglobin_share
from stietime.cells.quality.provisional_lineage import provisional_lineages
from stietime.resources import read_markers
from stietime.simulate.cohort import Artefacts, Sample, simulate_sample

MARKERS = read_markers()
PLANTED = {0: 0.0, 75: 0.024, 340: 0.10, 760: 0.20, 1300: 0.30}  # counts per droplet: about that share


def planted(environment, n_cells, ambient_umi, seed=1):
    """Give counts, genes, provisional lineages, the true share and the true profile."""
    artefacts = Artefacts(0.04, 0.05, ambient_umi, 0.6)
    cells = simulate_sample(Sample("p1", environment, "before"), n_cells, seed, artefacts)
    counts, genes = sparse.csr_matrix(cells.X), list(cells.var_names)
    truth = cells.obs["true_ambient_umi"].sum() / counts.sum()
    lineages = provisional_lineages(counts, genes, MARKERS)
    return counts, genes, lineages, truth, cells.var["ambient_share"].to_numpy()


@pytest.fixture(scope="module")
def blood():
    return planted("STIE", 500, 340)


@pytest.mark.parametrize("ambient_umi", PLANTED)
@pytest.mark.parametrize(
    ("environment", "n_cells"), [("STIE", 500), ("STIE", 2000), ("TIME", 500), ("TIME", 2000)]
)
def test_the_planted_contamination_is_found(environment, n_cells, ambient_umi):
    counts, genes, lineages, truth, profile = planted(environment, n_cells, ambient_umi)
    assert truth == pytest.approx(PLANTED[ambient_umi], abs=0.08)  # the simulation plants what it should
    found = estimate_ambient(counts, genes, lineages, MARKERS)
    assert abs(found.contamination - truth) <= 0.03
    assert found.low <= truth <= found.high
    assert found.source == "estimated"
    assert found.n_cells > 0
    assert found.profile.sum() == pytest.approx(1)
    if ambient_umi:
        assert np.corrcoef(found.profile, profile)[0, 1] >= 0.95


def test_with_empty_droplets_their_profile_is_taken(blood):
    counts, genes, lineages, truth, profile = blood
    empty = np.random.default_rng(1).multinomial(200_000, profile)
    found = estimate_ambient(counts, genes, lineages, MARKERS, empty_droplet_counts=empty)
    assert found.source == "empty_droplets"
    np.testing.assert_allclose(found.profile, empty / empty.sum())
    assert abs(found.contamination - truth) <= 0.02
    few = estimate_ambient(counts, genes, lineages, MARKERS, empty_droplet_counts=empty // 10_000)
    assert few.source == "estimated"
    assert "counts in empty droplets, fewer than 1000: not used" in few.note


def test_the_order_of_cells_and_genes_does_not_matter(blood):
    counts, genes, lineages, _, _ = blood
    rng = np.random.default_rng(2)
    rows, columns = rng.permutation(counts.shape[0]), rng.permutation(counts.shape[1])
    found = estimate_ambient(counts, genes, lineages, MARKERS)
    again = estimate_ambient(
        sparse.csr_matrix(counts[rows][:, columns]), [genes[i] for i in columns], lineages[rows], MARKERS
    )
    assert again.contamination == pytest.approx(found.contamination, rel=1e-9)
    assert (again.low, again.high) == pytest.approx((found.low, found.high), rel=1e-9)
    np.testing.assert_allclose(again.profile, found.profile[columns], rtol=1e-9)


def test_red_cells_that_are_lost_are_still_seen_in_the_profile():
    counts, genes, lineages, _, profile = planted("STIE", 2000, 760)
    kept = lineages != "erythroid"
    found = estimate_ambient(counts[kept], genes, lineages[kept], MARKERS)
    true, cells = haemoglobin_share(profile, genes), np.asarray(counts[kept].sum(axis=0)).ravel()
    of_cells = haemoglobin_share(cells / cells.sum(), genes)
    assert abs(haemoglobin_share(found.profile, genes) - true) < abs(of_cells - true) / 2


def test_one_lineage_cannot_tell(blood):
    counts, genes, lineages, _, _ = blood
    kept = lineages == "t_cell"
    found = estimate_ambient(counts[kept], genes, lineages[kept], MARKERS)
    assert np.isnan([found.contamination, found.low, found.high]).all()
    assert found.source == ""
    assert found.note.startswith("one lineage only (t_cell")
    assert found.profile.sum() == pytest.approx(1)


def test_few_cells_cannot_tell(blood):
    counts, genes, lineages, _, _ = blood
    found = estimate_ambient(counts[:15], genes, lineages[:15], MARKERS)
    assert np.isnan(found.contamination)
    assert "no lineage has 20 cells" in found.note


@pytest.mark.parametrize(
    ("gene", "n_cells", "why"),
    [
        ("LYZ", 500, "only 1 marker genes that other lineages cannot express, fewer than 3"),
        ("NOT_A_MARKER", 500, "no marker gene of one lineage that another cannot express"),
        ("LYZ", 0, "no lineage has 20 cells (of 0: none of a lineage)"),
    ],
)
def test_one_gene_or_no_cell_cannot_tell(blood, gene, n_cells, why):
    counts, genes, lineages, _, _ = blood
    one = counts[:n_cells][:, [genes.index("LYZ")]]
    found = estimate_ambient(one, [gene], lineages[:n_cells], MARKERS)
    assert np.isnan([found.contamination, found.low, found.high]).all()
    assert found.note.startswith(why)
    assert found.source == ""
    assert found.profile.tolist() == [1.0 if n_cells else 0.0]


def test_the_table_lists_what_could_be_faked(blood):
    counts, genes, lineages, _, _ = blood
    found = estimate_ambient(counts, genes, lineages, MARKERS)
    table = ambient_table(found, counts, genes, MARKERS)
    assert tuple(table.columns) == TABLE_COLUMNS
    assert table["ambient_share"].is_monotonic_decreasing
    assert (table["ambient_share"] > 0).all()
    assert table["ambient_share"].sum() == pytest.approx(1)
    row = table.set_index("gene").loc["LYZ"]
    assert "monocyte" in row["marker_of"].split(",")
    depth = np.median(np.asarray(counts.sum(axis=1)))
    seen = 1 - np.exp(-found.contamination * depth * row["ambient_share"])
    assert f"seen in {seen:.0%} of cells" in row["could_fake"]
    assert (table.loc[table["marker_of"] == "", "could_fake"] == "").all()


@pytest.mark.data
def test_the_profile_of_real_cells_is_that_of_their_empty_droplets(data_dir):
    cells = ad.read_h5ad(data_dir / "soupx_pbmc4k_ambient" / "soupx_pbmc_2170.h5ad")
    counts, genes = sparse.csr_matrix(cells.X).astype(int), list(cells.var_names)
    lineages = provisional_lineages(counts, genes, MARKERS)
    found = estimate_ambient(counts, genes, lineages, MARKERS)
    measured = cells.var["soup_est"].to_numpy()
    assert np.corrcoef(found.profile, measured)[0, 1] >= 0.95
    assert 0 < found.contamination < 0.15
    known = estimate_ambient(
        counts, genes, lineages, MARKERS, empty_droplet_counts=cells.var["soup_counts"].to_numpy()
    )
    assert known.contamination == pytest.approx(found.contamination, abs=0.03)
    # HBB is not in this ambient RNA: none may be made up
    assert haemoglobin_share(found.profile, genes) < 0.001


def water_filling(cell, share, target):
    """Spread by bisection: an independent way to the same numbers."""
    low, high = 0.0, 1e12
    for _ in range(300):
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(cell, middle * share).sum() < target else (low, middle)
    return cell - np.minimum(cell, high * share)


def test_subtraction_takes_the_expected_counts_and_no_more_than_there_are():
    rng = np.random.default_rng(4)
    counts = rng.poisson(rng.gamma(0.3, 5, 60), (40, 60))
    share = rng.dirichlet(np.full(60, 0.3))
    share[:5] = 0
    found = subtract_ambient(sparse.csr_matrix(counts), share, 0.2).toarray()
    expected = [water_filling(cell.astype(float), share, 0.2 * cell.sum()) for cell in counts]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert found.dtype == np.float32
    assert (found >= 0).all()
    np.testing.assert_array_equal(found[:, :5], counts[:, :5])
    np.testing.assert_allclose(found.sum(), 0.8 * counts.sum(), rtol=1e-5)


def test_subtraction_at_the_ends():
    counts = sparse.csr_matrix(np.array([[4, 0, 6], [0, 0, 0]]))
    share = np.array([0.5, 0.5, 0.0])
    np.testing.assert_array_equal(subtract_ambient(counts, share, 0.0).toarray(), counts.toarray())
    np.testing.assert_array_equal(subtract_ambient(counts, share, 1.0).toarray(), [[0, 0, 6], [0, 0, 0]])
    with pytest.raises(ValueError, match="not between 0 and 1"):
        subtract_ambient(counts, share, np.nan)
    with pytest.raises(ValueError, match="2 values for 3 genes"):
        subtract_ambient(counts, share[:2], 0.1)


def test_subtraction_brings_cells_nearer_to_their_own_rna(blood):
    """Haemoglobin in T cells, which is all ambient RNA, falls by most."""
    counts, genes, lineages, truth, profile = blood
    corrected = subtract_ambient(counts, profile, truth)
    columns = [i for i, gene in enumerate(genes) if gene in ("HBB", "HBA1", "HBA2")]
    is_t = np.flatnonzero(lineages == "t_cell")
    assert corrected[is_t][:, columns].sum() < 0.5 * counts[is_t][:, columns].sum()
