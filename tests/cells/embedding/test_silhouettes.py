import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import silhouette_samples

from stietime.cells.embedding.silhouettes import silhouettes


def planted(n=400, seed=0):
    rng = np.random.default_rng(seed)
    types, batches = rng.choice(list("xyz"), n, p=[0.5, 0.3, 0.2]), rng.choice(list("abcd"), n)
    points = rng.normal(size=(n, 5)) + 3 * (types == "y")[:, None] + 0.8 * (batches == "c")[:, None]
    return points + 100, pd.Series(types), pd.Series(batches)


def test_widths_of_types_are_those_of_scikit_learn():
    points, types, batches = planted()
    found = silhouettes(points, types, batches)["type"]
    np.testing.assert_allclose(found, silhouette_samples(points, types), atol=1e-9)


def test_widths_of_batches_are_those_of_scikit_learn_within_each_type():
    points, types, batches = planted(1200)  # more cells than one block holds
    found = silhouettes(points, types, batches)["batch"]
    for kind in "xyz":
        rows = (types == kind).to_numpy()
        np.testing.assert_allclose(found[rows], silhouette_samples(points[rows], batches[rows]), atol=1e-9)


def test_a_group_of_one_cell_has_no_width_and_equal_cells_do_no_harm():
    points, types, batches = planted(60)
    types.iloc[0] = "alone"
    found = silhouettes(points, types, batches)["type"]
    np.testing.assert_allclose(found, silhouette_samples(points, types), atol=1e-9)
    same = silhouettes(np.ones((6, 3)), pd.Series(list("xxxyyy")), pd.Series(list("abcabc")))
    assert (same["type"] == 0).all()


def test_what_has_no_width_is_nan():
    points, types, batches = planted(90)
    types[types == "z"] = None
    batches[types == "y"] = "a"
    found = silhouettes(points, types, batches)
    missing, one_batch = types.isna(), types == "y"
    assert found.loc[missing].isna().all(axis=None)
    assert found.loc[one_batch, "batch"].isna().all()
    assert found.loc[types == "x", "batch"].notna().all()
    kept = (~missing).to_numpy()
    np.testing.assert_allclose(
        found.loc[kept, "type"], silhouette_samples(points[kept], types[kept]), atol=1e-9
    )
    assert silhouettes(points, pd.Series(["x"] * 90), batches)["type"].isna().all()
    assert silhouettes(points, pd.Series([None] * 90, dtype=object), batches).isna().all(axis=None)


@pytest.mark.parametrize("n", [3, 4])
def test_a_type_whose_cells_all_have_a_batch_of_their_own_is_left_out(n):
    types, batches = pd.Series(["x"] * n + ["y"] * 4), pd.Series([*"abcd"[:n], *"aabb"])
    found = silhouettes(np.random.default_rng(0).normal(size=(n + 4, 2)), types, batches)
    assert found.loc[: n - 1, "batch"].isna().all()
    assert found.loc[n:, "batch"].notna().all()
