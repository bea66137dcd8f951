"""Deconvolution: planted mixtures are found again, better than by least squares."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.optimize import nnls

from stietime.tissue.spots.deconvolution import (
    deconvolve,
    estimate_dispersion,
    fit_molecules,
    share_errors,
)
from stietime.tissue.spots.reference_profiles import Reference, reference_profiles

N_GENES, N_TYPES = 400, 6


def planted_reference(seed=1):
    """Profiles of which every type has some genes of its own, with 3,000 molecules in a cell."""
    random = np.random.default_rng(seed)
    base = random.gamma(0.5, 1.0, N_GENES)
    profiles = np.tile(base, (N_TYPES, 1)) * random.lognormal(0, 0.3, (N_TYPES, N_GENES))
    for kind in range(N_TYPES):
        profiles[kind, kind * 15 : (kind + 1) * 15] += 4
    profiles /= profiles.sum(axis=1, keepdims=True)
    genes = pd.Index([f"G{i}" for i in range(N_GENES)], dtype=object)
    types = pd.Index([f"type_{k}" for k in range(N_TYPES)], dtype=object)
    return Reference(types, genes, profiles, profiles * 1e6, np.full(N_TYPES, 3000.0))


def planted_spots(reference, depth, *, n=150, efficiency=None, ambient=0.0, seed=2):
    """Counts of spots of known shares: depth is the mean number of molecules."""
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.full(N_TYPES, 0.4), n)
    profiles = reference.profiles if efficiency is None else reference.profiles * efficiency
    mean = shares @ profiles
    mean /= mean.sum(axis=1, keepdims=True)
    mean = (1 - ambient) * mean + ambient * mean.mean(axis=0)
    totals = depth * random.lognormal(0, 0.3, (n, 1))
    return sparse.csr_matrix(random.poisson(mean * totals)), shares


def least_squares(counts, reference):
    found = np.array([nnls(reference.profiles.T, row)[0] for row in counts.toarray().astype(float)])
    return found / found.sum(axis=1, keepdims=True)


def error(found, shares):
    return float(np.sqrt(np.mean((found - shares) ** 2)))


@pytest.mark.parametrize(("depth", "within"), [(500, 0.075), (5000, 0.025)])
def test_planted_shares_are_found_better_than_by_least_squares(depth, within):
    reference = planted_reference()
    counts, shares = planted_spots(reference, depth)
    found = deconvolve(counts, reference.genes, reference, scale_genes=False)
    assert error(found.shares, shares) <= within
    assert error(found.shares, shares) < error(least_squares(counts, reference), shares)
    np.testing.assert_allclose(found.shares.sum(axis=1), 1)


def test_gene_efficiencies_of_the_platform_are_estimated():
    reference = planted_reference()
    efficiency = np.random.default_rng(5).lognormal(0, 0.8, N_GENES)
    counts, shares = planted_spots(reference, 3000, efficiency=efficiency)
    scaled = deconvolve(counts, reference.genes, reference)
    plain = deconvolve(counts, reference.genes, reference, scale_genes=False)
    assert error(scaled.shares, shares) < 0.8 * error(plain.shares, shares)
    assert error(scaled.shares, shares) < 0.7 * error(least_squares(counts, reference), shares)
    used = reference.genes.get_indexer(scaled.genes)
    assert np.corrcoef(np.log(scaled.efficiency), np.log(efficiency[used]))[0, 1] > 0.9


def test_intervals_cover_the_planted_share():
    reference = planted_reference()
    counts, shares = planted_spots(reference, 2000, n=300)
    found = deconvolve(counts, reference.genes, reference, scale_genes=False)
    inner = shares > 0.1  # on the boundary the error is a bound, not that of a normal estimate
    z = ((found.shares - shares) / found.standard_errors)[inner]
    assert 0.90 <= np.mean(np.abs(z) < 1.96) <= 0.985


def test_a_type_missing_from_the_reference_leaves_the_others_in_order():
    reference = planted_reference()
    counts, shares = planted_spots(reference, 3000)
    less = Reference(
        reference.types[:-1],
        reference.genes,
        reference.profiles[:-1],
        reference.counts[:-1],
        reference.counts_per_cell[:-1],
    )
    found = deconvolve(counts, reference.genes, less)
    rest = shares[:, -1] < 0.3
    truth = shares[rest, :-1] / shares[rest, :-1].sum(axis=1, keepdims=True)
    for kind in range(N_TYPES - 1):
        assert np.corrcoef(found.shares[rest, kind], truth[:, kind])[0, 1] > 0.9


def test_ambient_rna_flattens_but_does_not_reorder():
    reference = planted_reference()
    counts, shares = planted_spots(reference, 3000, ambient=0.2)
    found = deconvolve(counts, reference.genes, reference)
    for kind in range(N_TYPES):
        assert np.corrcoef(found.shares[:, kind], shares[:, kind])[0, 1] > 0.95


def test_a_spot_without_counts_has_no_shares():
    reference = planted_reference()
    counts, _ = planted_spots(reference, 500, n=20)
    dense = counts.toarray()
    dense[3] = 0
    found = deconvolve(sparse.csr_matrix(dense), reference.genes, reference)
    assert np.isnan(found.shares[3]).all()
    assert np.isnan(found.standard_errors[3]).all()
    assert np.isfinite(np.delete(found.shares, 3, axis=0)).all()


def negative_binomial(counts, mean, dispersion):
    size = 1 / dispersion
    return float((counts * np.log(mean) - (counts + size) * np.log(mean + size)).sum())


def test_every_round_raises_the_likelihood():
    reference = planted_reference()
    counts, _ = planted_spots(reference, 1000, n=20)
    dense = counts.toarray()
    values = [
        negative_binomial(
            dense, fit_molecules(counts, reference.profiles, 0.4, n_rounds=n) @ reference.profiles, 0.4
        )
        for n in (1, 2, 5, 20, 60)
    ]
    assert np.all(np.diff(values) > 0)


def test_blocks_of_spots_change_nothing(monkeypatch):
    reference = planted_reference()
    counts, _ = planted_spots(reference, 800, n=60)
    whole = deconvolve(counts, reference.genes, reference)
    monkeypatch.setattr("stietime.tissue.spots.deconvolution._BLOCK", 17)
    cut = deconvolve(counts, reference.genes, reference)
    np.testing.assert_allclose(cut.shares, whole.shares, rtol=1e-9, atol=1e-12)


def test_dispersion_is_found_again():
    reference = planted_reference()
    random = np.random.default_rng(7)
    molecules = np.full((400, N_TYPES), 3000 / N_TYPES)
    mean = molecules @ reference.profiles
    counts = sparse.csr_matrix(random.poisson(mean * random.gamma(1 / 0.5, 0.5, mean.shape)))
    assert estimate_dispersion(counts, reference.profiles, molecules) == pytest.approx(0.5, rel=0.1)


def test_errors_shrink_with_the_root_of_the_depth():
    reference = planted_reference()
    molecules = np.array([[100.0] * N_TYPES, [400.0] * N_TYPES])
    few, many = share_errors(molecules, reference.profiles, 0.0)
    np.testing.assert_allclose(few / many, 2, rtol=1e-6)


def test_patients_with_many_cells_do_not_stand_for_all():
    rows = [
        ("t_cell", "p1", "A", 1000, 1000, 1000),
        ("t_cell", "p2", "B", 20, 20, 20),
        ("b_cell", "p1", "C", 10, 10, 10),
        ("mast", "p1", "C", 4, 4, 4),
    ]
    sums = pd.DataFrame(rows, columns=["cell_type", "patient", "gene", "counts", "n_cells", "n_counts"])
    reference = reference_profiles(sums, min_cells=5)
    assert list(reference.types) == ["b_cell", "t_cell"]
    t_cell = dict(zip(reference.genes, reference.counts[1], strict=True))
    assert t_cell["A"] == pytest.approx(t_cell["B"]) == pytest.approx(20)
    assert (reference.profiles > 0).all()
    np.testing.assert_allclose(reference.profiles.sum(axis=1), 1)
