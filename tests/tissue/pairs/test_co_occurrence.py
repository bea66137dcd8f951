from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stietime.tissue.pairs import co_occurrence


def section(seed: int, n_cells: int, n_types: int = 5, side: float = 500) -> tuple[np.ndarray, pd.Series]:
    rng = np.random.default_rng(seed)
    # positions that float32 holds exactly, as squidpy computes in it
    positions = (rng.random((n_cells, 2)) * side).astype(np.float32).astype(float)
    share = rng.dirichlet(np.full(n_types, 2.0))
    types = rng.choice([f"type_{i}" for i in range(n_types)], size=n_cells, p=share)
    types[positions[:, 0] < side / 3] = "type_0"
    return positions, pd.Series(types)


def test_ratio_equals_its_definition_counted_by_hand():
    positions, types = section(1, 120)
    distances = [20.0, 75.0]
    table = co_occurrence.co_occurrence(positions, types, distances)
    away = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    for row in table.itertuples():
        near = (away <= row.distance_um) & ~np.eye(120, dtype=bool)
        of_b = near[:, (types == row.type_b).to_numpy()]
        given_b = of_b[(types == row.type_a).to_numpy()].sum() / of_b.sum()
        by_chance = near[(types == row.type_a).to_numpy()].sum() / near.sum()
        assert row.ratio == pytest.approx(given_b / by_chance)
        pairs = of_b[(types == row.type_a).to_numpy()].sum() / (2 if row.type_a == row.type_b else 1)
        assert row.n_pairs == pairs


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_ratio_equals_squidpy(seed):
    import anndata as ad
    import squidpy as sq

    positions, types = section(seed, 1200)
    distances = np.linspace(0, 200, 21)
    obs = pd.DataFrame({"type": pd.Categorical(types)}, index=types.index.astype(str))
    adata = ad.AnnData(np.zeros((len(types), 1)), obs=obs)
    adata.obsm["spatial"] = positions
    ratio, _ = sq.gr.co_occurrence(adata, "type", interval=distances, copy=True)
    names = sorted(types.unique())
    table = co_occurrence.co_occurrence(positions, types, distances[1:].tolist())
    ours = table.set_index(["type_a", "type_b", "distance_um"])["ratio"]
    for (a, b, distance), value in ours.items():
        theirs = ratio[names.index(a), names.index(b), np.flatnonzero(distances == distance)[0] - 1]
        assert value == pytest.approx(theirs, abs=1e-6)


def test_a_type_without_neighbours_is_empty_not_zero():
    positions = np.array([[0.0, 0.0], [5.0, 0.0], [500.0, 0.0]])
    table = co_occurrence.co_occurrence(positions, pd.Series(["a", "a", "lonely"]), [10.0, 1000.0])
    table = table.set_index(["type_a", "type_b", "distance_um"])
    assert table.loc[("a", "a", 10.0), "ratio"] == 1
    assert np.isnan(table.loc[("a", "lonely", 10.0), "ratio"])
    assert table.loc[("a", "lonely", 1000.0), "ratio"] > 1
