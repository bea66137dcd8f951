"""Ligands and receptors: uniform where nothing was planted, found where it was, and linear in cells."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import anndata as ad
import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.record import Figure
from stietime.tissue.interactions.cells import interactions
from stietime.tissue.interactions.clear import clear
from stietime.tissue.interactions.pairs_of_genes import GenePair
from stietime.tissue.interactions.section import Senders, Tissue, permuted_within
from stietime.tissue.pairs.ratio_intervals import tissue_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TYPES: Final = ("macrophage", "t_cell", "tumour")
PAIR: Final = GenePair("axis", "L", "R", ())
PER_MM2: Final = 5000
MAX_UM: Final = 200.0
DEPTH: Final = 200.0
SIZES: Final = (6_000, 20_000)  # cells of a drawn section: 1.2 and 4 mm2


class Drawn(NamedTuple):
    """A drawn section: cells, their expression, and their counts."""

    tissue: Tissue
    ligand: Floats
    receptor: Floats


def draw(kind: str, n: int, seed: int, n_depth: int = 4) -> Drawn:
    """Draw macrophages that express L and T cells that express R, in the same patches of 150 um.

    Parameters
    ----------
    kind
        `none`: L and R by chance. `depth`: by chance, and depth rises tenfold from left to right. `smooth`: L
        and R follow waves of 1.2 mm of their own. `planted`: both are five times as high in the same patches.
    n
        Number of cells.
    seed
        Seed.
    n_depth
        Number of levels of depth that are permuted within.
    """
    rng = np.random.default_rng(seed)
    side = float(np.sqrt(n / PER_MM2) * 1000)
    positions = rng.random((n, 2)) * side
    patch = (positions // 150).astype(np.int64) @ np.array([1 + int(side // 150), 1])
    lymphoid, hot = rng.random((2, int(patch.max()) + 1))[:, patch] < 0.5
    codes = np.where(lymphoid, rng.choice(3, n, p=[0.4, 0.5, 0.1]), rng.choice(3, n, p=[0.05, 0.05, 0.9]))
    gradient = 2.3 * (positions[:, 0] / side - 0.5) if kind == "depth" else 0.0
    depth = DEPTH * np.exp(gradient + rng.normal(0, 0.3, n))
    found = []
    for code, share in ((0, 0.004), (1, 0.006)):
        rate = np.where(codes == code, share, share / 50)
        if kind == "planted":
            rate = rate * np.where(hot, 1.67, 0.33)
        if kind == "smooth":
            angle, phase = rng.uniform(0, 2 * np.pi, 2)
            turned = positions @ np.array([np.cos(angle), np.sin(angle)])
            rate = rate * np.exp(0.6 * np.cos(turned * 2 * np.pi / 1200 + phase))
        found.append(rng.poisson(depth * rate).astype(float))
    totals = rng.poisson(depth).astype(np.float64) + 1.0
    ligand, receptor = (counts / totals * float(np.median(totals)) for counts in found)
    levels = permuted_within(codes.astype(np.int64), 3, np.zeros(n, dtype=np.int64), totals, n_depth)
    return Drawn(Tissue(positions, TYPES, levels, tissue_blocks(positions, MAX_UM)), ligand, receptor)


def find(drawn: Drawn, n_threads: int = 1) -> pd.DataFrame:
    """Test the pair in a drawn section."""
    values = {"L": drawn.ligand, "R": drawn.receptor}
    return interactions(drawn.tissue, [PAIR], values.__getitem__, Senders(MAX_UM, n_threads=n_threads))


def row_of(table: pd.DataFrame) -> pd.Series:
    """Give the row of macrophages and T cells."""
    return table[(table["type_a"] == TYPES[0]) & (table["type_b"] == TYPES[1])].iloc[0]


def called_clear(table: pd.DataFrame) -> bool:
    """Say whether the pair of macrophages and T cells is called clear."""
    mine = ((table["type_a"] == TYPES[0]) & (table["type_b"] == TYPES[1])).to_numpy(dtype=bool)
    return bool(clear(table, 0.05)[mine][0])


def figures(*, quick: bool) -> list[Figure]:
    """Measure calibration, power, growth and time.

    Parameters
    ----------
    quick
        Fewer sections and cells.
    """
    n_null, n_planted = (40, 5) if quick else (400, 40)
    return [
        *_null("none", "the types share patches, expression by chance", n_null),
        *_null("depth", "the same, depth rises tenfold over the section", n_null),
        *(figure for size in SIZES for figure in _smooth(n_null // 4, size)),
        *(_planted(n_planted, size) for size in SIZES),
        *_beside_ligrec(2 if quick else 20),
        *_growth((5_000, 10_000) if quick else (50_000, 100_000, 200_000, 400_000)),
    ]


def _null(kind: str, case: str, n: int) -> list[Figure]:
    tables = [row_of(find(draw(kind, 2_000, seed))) for seed in range(n)]
    found = []
    for column, what in (("p", "ligand"), ("p_receptor", "receptor")):
        p = np.array([row[column] for row in tables])
        uniform = float(stats.kstest(p, "uniform").pvalue)
        metric = f"KS p against uniform, {what} permuted"
        found.append(Figure(case, metric, uniform, target=">= 0.01", met=uniform >= 0.01, n=n))
        found.append(Figure(case, f"share of p <= 0.05, {what} permuted", float(np.mean(p <= 0.05)), n=n))
    return found


def _smooth(n: int, size: int) -> list[Figure]:
    case = f"{size:,} cells, ligand and receptor follow waves of 1.2 mm of their own"
    tables = [find(draw("smooth", size, seed)) for seed in range(n)]
    p = np.mean([row_of(table)["p"] <= 0.05 for table in tables])
    called = float(np.mean([called_clear(table) for table in tables]))
    return [
        Figure(case, "share of p <= 0.05, ligand permuted", float(p), n=n),
        Figure(case, "share called clear", called, target="<= 0.05", met=called <= 0.05, n=n),
    ]


def _planted(n: int, size: int) -> Figure:
    tables = [find(draw("planted", size, seed)) for seed in range(n)]
    share = float(np.mean([called_clear(table) for table in tables]))
    case = f"{size:,} cells, both five times as high in the same patches of 150 um"
    return Figure(case, "share called clear", share, target=">= 0.9", met=share >= 0.9, n=n)


def _beside_ligrec(n: int) -> list[Figure]:
    """Ask the peer, which permutes types and knows no places, of sections without an interaction."""
    ours, theirs, seconds = [], [], np.zeros(2)
    for seed in range(n):
        drawn = draw("none", 6_000, seed)
        start = time.process_time()
        table = find(drawn)
        middle = time.process_time()
        theirs.append(_ligrec(drawn) <= 0.05)
        seconds += (middle - start, time.process_time() - middle)
        ours.append(called_clear(table))
    case, peer = "6,000 cells, expression by chance in its types", "squidpy ligrec, 1,000 permutations"
    called = float(np.mean(ours))
    return [
        Figure(case, "share of sections called", called, float(np.mean(theirs)), peer, "<= 0.05",
               met=called <= 0.05, n=n),
        Figure(case, "CPU seconds of one pair between 3 types", seconds[0] / n, seconds[1] / n, peer, n=n),
    ]  # fmt: skip


def _ligrec(drawn: Drawn) -> float:
    import squidpy as sq

    values = np.log1p(np.column_stack([drawn.ligand, drawn.receptor]))
    obs = pd.DataFrame({"type": pd.Categorical([TYPES[code] for code in drawn.tissue.codes])})
    obs.index = obs.index.astype(str)
    cells = ad.AnnData(values, obs=obs, var=pd.DataFrame(index=["L", "R"]))
    found = sq.gr.ligrec(
        cells, "type", interactions=pd.DataFrame({"source": ["L"], "target": ["R"]}), n_perms=1000, seed=0,
        use_raw=False, copy=True, show_progress_bar=False, n_jobs=1,
    )  # fmt: skip
    return float(found["pvalues"].loc[("L", "R"), (TYPES[0], TYPES[1])])


def _growth(sizes: tuple[int, ...]) -> list[Figure]:
    """Time one pair at growing sizes of section; the exponent is between the first and the last."""
    find(draw("none", 1_000, 0))
    seconds = []
    for n in sizes:
        drawn = draw("planted", n, 1)
        start = time.process_time()
        find(drawn)
        seconds.append(time.process_time() - start)
    rise = [np.log(b / a) / np.log(m / n) for (a, b), (n, m) in zip(
        itertools.pairwise(seconds), itertools.pairwise(sizes), strict=True)]  # fmt: skip
    exponent = float(np.log(seconds[-1] / seconds[0]) / np.log(sizes[-1] / sizes[0]))
    case = f"{sizes[0]:,} to {sizes[-1]:,} cells, 200 um"
    metric = f"growth exponent of CPU time (steps: {', '.join(f'{step:.2f}' for step in rise)})"
    return [
        Figure(case, metric, exponent, target="<= 1.15", met=exponent <= 1.15, n=sizes[-1]),
        Figure(f"{sizes[-1]:,} cells, 200 um", "CPU seconds of one pair", seconds[-1], n=sizes[-1]),
    ]
