"""Profiles from marker sets alone: planted types are told apart without a reference."""

import numpy as np
import pandas as pd
from scipy import sparse

from stietime.tissue.spots.deconvolution import deconvolve
from stietime.tissue.spots.marker_profiles import profiles_from_markers

N_GENES = 300


def planted(seed=1, n=200):
    random = np.random.default_rng(seed)
    profiles = np.tile(random.gamma(0.5, 1.0, N_GENES), (3, 1))
    for kind in range(3):
        others = [k for k in range(3) if k != kind]
        profiles[kind, kind * 5 : kind * 5 + 5] = 2.0  # its markers
        profiles[others, kind * 5 : kind * 5 + 5] = 0.0
        profiles[kind, 50 + kind * 40 : 90 + kind * 40] *= 6.0  # what else it has
    profiles /= profiles.sum(axis=1, keepdims=True)
    shares = random.dirichlet([0.4, 0.4, 0.4], n)
    counts = random.poisson(shares @ profiles * random.lognormal(7.5, 0.3, (n, 1)))
    genes = pd.Index([f"G{i}" for i in range(N_GENES)], dtype=object)
    markers = {f"type_{k}": [f"G{i}" for i in range(k * 5, k * 5 + 5)] for k in range(3)}
    return sparse.csr_matrix(counts), genes, markers, shares, profiles


def test_planted_types_are_told_by_their_markers():
    counts, genes, markers, shares, _ = planted()
    reference = profiles_from_markers(counts, genes, markers)
    assert list(reference.types) == list(markers)
    found = deconvolve(counts, genes, reference, scale_genes=False)
    for kind in range(3):
        assert np.corrcoef(found.shares[:, kind], shares[:, kind])[0, 1] > 0.9


def test_a_marker_is_in_no_other_profile():
    counts, genes, markers, _, _ = planted()
    reference = profiles_from_markers(counts, genes, markers)
    for kind, named in enumerate(markers.values()):
        columns = reference.genes.get_indexer(named)
        others = np.delete(reference.profiles, kind, axis=0)[:, columns]
        assert others.max() < 1e-9 < reference.profiles[kind, columns].min()


def test_a_type_without_marker_counts_has_no_profile():
    counts, genes, markers, _, _ = planted()
    dense = counts.toarray()
    dense[:, 5:10] = 0
    reference = profiles_from_markers(sparse.csr_matrix(dense), genes, markers | {"absent": ["NOT_HERE"]})
    assert list(reference.types) == ["type_0", "type_2"]
