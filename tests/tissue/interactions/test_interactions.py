from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime.tissue.interactions.cells import interactions
from stietime.tissue.interactions.clear import clear
from stietime.tissue.interactions.pairs_of_genes import expression_of, gene_pairs
from stietime.tissue.interactions.profiles import chosen_rows, profiles
from stietime.tissue.interactions.section import Senders, Tissue, permuted_within
from stietime.tissue.interactions.spots import Spots, spot_interactions
from stietime.tissue.pairs.ratio_intervals import tissue_blocks

TYPES = ("macrophage", "t_cell", "tumour")
PAIRS = pd.DataFrame({"axis": ["x", "x", "y"], "ligand": ["L", "GONE", "L"], "receptor": ["R", "R", "R1+R2"]})


def make(seed: int, *, planted: bool, n: int = 3000) -> tuple[Tissue, dict[str, np.ndarray]]:
    """T cells around macrophages in patches; planted: L and R of both are on in the same patches."""
    rng = np.random.default_rng(seed)
    positions = rng.random((n, 2)) * 1200
    patch = (positions // 150).astype(int) @ np.array([8, 1])
    lymphoid = np.isin(patch, rng.choice(64, 32, replace=False))
    codes = np.where(lymphoid, rng.choice(3, n, p=[0.4, 0.5, 0.1]), rng.choice(3, n, p=[0.05, 0.05, 0.9]))
    on = np.isin(patch, rng.choice(64, 32, replace=False)) if planted else rng.random(n) < 0.5
    off = on if planted else rng.random(n) < 0.5
    ligand = rng.poisson(np.where(codes == 0, np.where(on, 2.0, 0.3), 0.0)).astype(float)
    receptor = rng.poisson(np.where(codes == 1, np.where(off, 2.0, 0.3), 0.0)).astype(float)
    levels = permuted_within(codes, 3, np.zeros(n, dtype=np.int64), np.full(n, 100.0), 4)
    tissue = Tissue(positions, TYPES, levels, tissue_blocks(positions, 100))
    return tissue, {"L": ligand, "R": receptor, "R1+R2": receptor}


def run(tissue, values, **how):
    pairs = gene_pairs(PAIRS, pd.Index(["L", "R", "R1", "R2"]))
    return interactions(tissue, pairs, lambda name: values[name], Senders(100.0, **how))


def row_of(table, ligand="L", receptor="R", a="macrophage", b="t_cell"):
    chosen = (table["ligand"] == ligand) & (table["receptor"] == receptor)
    return table[chosen & (table["type_a"] == a) & (table["type_b"] == b)].iloc[0]


def test_a_planted_pair_is_found_and_the_types_alone_are_not():
    found, spared = [], []
    for seed in range(20):
        planted = run(*make(seed, planted=True))
        found.append(clear(planted, 0.05)[row_of(planted).name])
        # macrophages and T cells share patches in both
        null = run(*make(seed, planted=False))
        spared.append(not clear(null, 0.05).any())
        assert row_of(planted)["log2_ratio"] > 0.2
    assert np.mean(found) >= 0.95
    assert np.mean(spared) >= 0.9


def test_table_is_the_definition():
    tissue, values = make(1, planted=True, n=500)
    table = run(tissue, values, min_cells=3)
    row = row_of(table)
    apart = np.linalg.norm(tissue.positions[:, None] - tissue.positions[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    near = (apart <= 100) & (tissue.codes == 0)[:, None] & (tissue.codes == 1)[None]
    product = np.outer(values["L"], values["R"])
    assert row["n_pairs"] == near.sum()
    assert row["observed"] == pytest.approx(product[near].mean())
    assert row["log2_ratio"] == pytest.approx(np.log2(row["observed"] / row["expected"]))
    assert row["n_expressing_a"] == ((tissue.codes == 0) & (values["L"] > 0)).sum()
    # over all cells the receptor's sums are the same: nobody else expresses it
    assert row_of(table, b="all")["z"] == pytest.approx(row["z"])
    assert row_of(table, a="all", b="all")["observed"] == pytest.approx(product[apart <= 100].mean())


def test_both_ways_of_permuting_see_the_same_sum():
    tissue, values = make(2, planted=True)
    there = run(tissue, values)
    swapped = gene_pairs(
        pd.DataFrame({"axis": ["x"], "ligand": ["R"], "receptor": ["L"]}), pd.Index(["L", "R"])
    )
    back = interactions(tissue, swapped, lambda name: values[name], Senders(100.0))
    row, mirrored = row_of(there), row_of(back, "R", "L", "t_cell", "macrophage")
    assert mirrored["observed"] == pytest.approx(row["observed"])
    assert mirrored["z"] == pytest.approx(row["z_receptor"])
    assert mirrored["p_receptor"] == pytest.approx(row["p"])


def test_what_cannot_be_tested_says_why():
    tissue, values = make(3, planted=True)
    table = run(tissue, values)
    off = table[table["ligand"] == "GONE"]
    assert off["note"].tolist() == ["not testable: GONE is not on the panel"]
    assert off["status"].tolist() == ["not testable"]
    assert off[["observed", "p", "q"]].isna().all(axis=None)
    none = row_of(table, a="tumour")
    assert none["note"] == "not testable: 0 tumour cells express L, 10 needed"
    assert np.isnan(none["p"])
    tested = table["status"] == "tested"
    assert (table.loc[tested, "q"] >= table.loc[tested, "p"]).all()
    far = run(Tissue(tissue.positions * 1e4, TYPES, tissue.levels, tissue.blocks), values)
    assert far.loc[far["ligand"] == "L", "note"].str.contains("no two cells of these types").all()


def test_few_expressing_cells_are_drawn():
    tissue, values = make(4, planted=False)
    has = np.flatnonzero(values["L"])
    values["L"][has[15:]] = 0
    table = run(tissue, values, n_draws=199, n_threads=2)
    assert row_of(table)["method"] == "draws"
    assert row_of(table)["p"] * 200 == pytest.approx(round(row_of(table)["p"] * 200))
    pd.testing.assert_frame_equal(table, run(tissue, values, n_draws=199))
    assert row_of(run(tissue, values, n_draws=0))["method"] == "moments"


def test_profile_adds_up_and_fades():
    tissue, values = make(5, planted=True)
    table = run(tissue, values)
    rows = chosen_rows(table, 0.05)
    ends = np.array([25.0, 50, 75, 100])
    found = profiles(tissue, rows, lambda name: values[name], ends, Senders(100.0))
    own = found[
        (found["type_a"] == "macrophage") & (found["type_b"] == "t_cell") & (found["receptor"] == "R")
    ]
    row = row_of(table)
    assert own["n_pairs"].sum() == row["n_pairs"]
    for column in ("observed", "expected"):
        assert (own[column] * own["n_pairs"]).sum() == pytest.approx(row[column] * row["n_pairs"])
    assert own["log2_ratio"].iloc[0] > own["log2_ratio"].iloc[-1]


def test_complexes_need_all_subunits_and_depth_is_divided_out():
    counts = sparse.csr_matrix(np.array([[2, 1, 7], [4, 0, 6], [0, 0, 0]]))
    genes = pd.Index(["R1", "R2", "X"], dtype=object)
    totals = np.array([10.0, 20.0, 0.0])
    assert expression_of(counts, genes, totals, "R1").tolist() == pytest.approx([3.0, 3.0, 0.0])
    assert expression_of(counts, genes, totals, "R1+R2").tolist() == pytest.approx([1.5, 0.0, 0.0])
    (pair,) = gene_pairs(pd.DataFrame({"axis": ["a"], "ligand": ["X"], "receptor": ["R1+NO"]}), genes)
    assert pair.missing == ("NO",)


def spots(seed: int, *, planted: bool, shares: bool = True) -> tuple[Spots, dict[str, np.ndarray]]:
    """Spots at 100 um whose T and macrophage shares vary together, so that L and R do too."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(24), np.arange(24))
    places = np.column_stack([x.ravel(), y.ravel()]) * 100.0
    wave = 1 / (1 + np.exp(-2 * np.cos(places @ np.array([0.004, 0.003]) + rng.uniform(0, 6))))
    share = np.column_stack([0.3 * wave, 0.4 * wave, 1 - 0.7 * wave])
    depth = rng.gamma(8, 500, len(places)) * (1 + wave)
    hot = np.isin((places // 300).astype(int) @ np.array([8, 1]), rng.choice(64, 20, replace=False))
    boost = np.where(hot & planted, 3.0, 1.0)
    rate = {"L": 4e-3 * share[:, 0] * boost, "R": 4e-3 * share[:, 1] * boost}
    values = {name: rng.poisson(depth * r) / depth * 4000 for name, r in rate.items()}
    region = (wave > 0.5).astype(np.int64)
    parts = share if shares else np.zeros((len(places), 0))
    return Spots(places, parts, depth, region, tissue_blocks(places, 200)), values


def test_spots_are_judged_beyond_their_types():
    table = pd.DataFrame({"axis": ["x"], "ligand": ["L"], "receptor": ["R"]})
    pairs = gene_pairs(table, pd.Index(["L", "R"]))

    def find(seed, **kind):
        section, values = spots(seed, **kind)
        found = spot_interactions(
            section, pairs, lambda name: values[name], max_distance_um=200.0, min_spots=10
        )
        return found.iloc[0]

    null = np.array([find(seed, planted=False)["p"] for seed in range(60)])
    assert 0.0 < np.mean(null < 0.2) < 0.35
    assert all(find(seed, planted=True)["p"] < 1e-3 for seed in range(10))
    blind = find(0, planted=False, shares=False)
    assert blind["note"] == "composition unknown: spots of different cells are compared"


def test_spots_that_cannot_be_tested_say_why():
    section, values = spots(0, planted=False)
    table = pd.DataFrame({"axis": ["x", "x"], "ligand": ["L", "L"], "receptor": ["R", "NO"]})
    pairs = gene_pairs(table, pd.Index(["L", "R"]))
    few = {"L": np.where(np.arange(len(values["L"])) < 5, 1.0, 0.0), "R": values["R"]}
    found = spot_interactions(section, pairs, lambda n: few[n], max_distance_um=200.0, min_spots=10)
    assert found["note"].tolist() == [
        "not testable: L is seen in 5 spots, 10 needed",
        "not testable: NO is not on the panel",
    ]
    near = spot_interactions(section, pairs[:1], lambda n: values[n], max_distance_um=50.0, min_spots=10)
    assert near["note"].tolist() == ["not testable: no two spots within 50 um"]
    some = Spots(*(part[:20] for part in section))
    short = spot_interactions(some, pairs[:1], lambda n: values[n][:20], max_distance_um=200.0, min_spots=2)
    assert "too few for" in short["note"].iloc[0]
