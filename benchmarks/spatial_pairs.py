"""Enrichment, co-occurrence, cross-K: equal to squidpy or to the definition, p uniform, and how fast."""

from __future__ import annotations

import itertools
import os
import time
from typing import TYPE_CHECKING, Final

import anndata as ad
import numpy as np
import pandas as pd
from scipy import stats
from scipy.sparse import csr_matrix

from benchmarks.public_data import DATA
from benchmarks.record import Figure
from stietime.tissue.graphs import graph
from stietime.tissue.pairs import co_occurrence, cross_k, nearest, neighbourhoods
from stietime.tissue.pairs.label_tests import Draws
from stietime.tissue.pairs.ratio_intervals import tissue_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    Section = tuple[NDArray[np.float64], pd.Series]

# cells per mm2 in the fields of Keren et al. 2018
DENSITY: Final = 7800
RADIUS: Final = 30.0
THREADS: Final = int(os.environ.get("NUMBA_NUM_THREADS", "2"))
KEREN: Final = DATA / "keren2018_tnbc_mibi" / "cells_xy_type_class.csv.gz"
UM_PER_PIXEL: Final = 0.390625
N_PERMUTATIONS, N_SEEDS = 200, 5
DEFAULT_PERMUTATIONS: Final = 1000
N_DISTANCES, MAX_UM = 30, 200.0
MIN_FASTER: Final = {"co-occurrence": 100, "enrichment": 20}
N_NULL: Final = 400
RARE: Final = {"of 5 cells": 5, "of 10 cells": 10, "of 20 cells": 20}


def tissue(n: int, n_types: int, seed: int) -> Section:
    """Make cells at tissue density: nests of one type, the others mixed between.

    Parameters
    ----------
    n
        Number of cells.
    n_types
        Number of types.
    seed
        Seed of places and types.
    """
    rng = np.random.default_rng(seed)
    # multiples of 1/8 um, whose squared distances squidpy's single precision holds without rounding
    positions = np.round(rng.random((n, 2)) * np.sqrt(n / DENSITY) * 1000 * 8) / 8
    types = rng.choice([f"type_{i:02d}" for i in range(n_types)], n, p=rng.dirichlet(np.full(n_types, 3.0)))
    nest = (np.linalg.norm(positions % 600 - 300, axis=1) < 150) & (rng.random(n) < 0.8)
    types[nest] = "type_00"
    return positions, pd.Series(types)


def figures(*, quick: bool) -> list[Figure]:
    """Measure agreement, calibration and time.

    Parameters
    ----------
    quick
        Fewer sections, seeds and cells.
    """
    return [
        _z_of_squidpy(n_sections=3 if quick else 24),
        _same_ratio(2_000 if quick else 10_000),
        _same_k(800 if quick else 3_000),
        *_uniform(80 if quick else N_NULL),
        *_coverage(20 if quick else N_NULL),
        *_co_occurrence_time(5_000 if quick else 100_000),
        *_enrichment_time(20_000 if quick else 500_000, 20 if quick else DEFAULT_PERMUTATIONS),
    ]


def as_squidpy(section: Section, links: csr_array | None = None) -> ad.AnnData:
    """Put a section, and its graph, where squidpy reads them."""
    positions, types = section
    index = pd.Index([str(i) for i in range(len(types))])
    cells = ad.AnnData(np.zeros((len(types), 1), dtype=np.float32), obs=pd.DataFrame(index=index))
    cells.obs["type"] = pd.Categorical(types.to_numpy())
    cells.obsm["spatial"] = positions
    if links is not None:
        cells.obsp["spatial_connectivities"] = csr_matrix(links.astype(float))
    return cells


def squidpy_z(cells: ad.AnnData, n_permutations: int, seed: int) -> NDArray[np.float64]:
    """Return squidpy's z of all pairs of types (types x types, in the order of the categories).

    On one thread, its default: with two, squidpy 1.8 ends with a TypeError on 500,000 cells.
    """
    import numba
    import squidpy as sq

    found = sq.gr.nhood_enrichment(
        cells, "type", n_perms=n_permutations, seed=seed, copy=True, n_jobs=1, show_progress_bar=False
    )
    numba.set_num_threads(THREADS)  # which squidpy leaves at its own number for all that follows
    return np.asarray(found.zscore)


def squidpy_ratio(cells: ad.AnnData) -> NDArray[np.float64]:
    """Return squidpy's co-occurrence at the distances (types x types x distances)."""
    import squidpy as sq

    distances = np.linspace(0, MAX_UM, N_DISTANCES + 1)
    return np.asarray(sq.gr.co_occurrence(cells, "type", interval=distances, copy=True)[0])


def _sections(n: int) -> list[Section]:
    """Twenty patients of Keren et al. 2018, as far as they are there, and simulated sections."""
    found = []
    if KEREN.is_file():
        cells = pd.read_csv(KEREN).dropna(subset=["celltype_name"])
        for _, part in itertools.islice(cells.groupby("patient"), max(n - 4, 1)):
            places = part[["column", "row"]].to_numpy(dtype=float) * UM_PER_PIXEL
            found.append((places, part["celltype_name"].reset_index(drop=True)))
    return [*found, *(tissue(2_000, 8, seed) for seed in range(n - len(found)))]


def _z_of_squidpy(n_sections: int) -> Figure:
    """Compare z with the mean of squidpy's over seeds, in units of that mean's Monte Carlo error."""
    away = []
    for section in _sections(n_sections):
        links = graph.radius_graph(section[0], RADIUS)
        table = neighbourhoods.enrichment(links, section[1], RADIUS, draws=Draws(0))
        cells = as_squidpy(section, links)
        theirs = np.mean([squidpy_z(cells, N_PERMUTATIONS, seed) for seed in range(N_SEEDS)], axis=0)
        names = list(cells.obs["type"].cat.categories)
        # counts of rare pairs are skewed: the error of a drawn deviation is larger than that of the formula
        table = table[table["z"].notna() & (table["expected"] >= 30)]
        rows, columns = (table[name].map(names.index) for name in ("type_a", "type_b"))
        error = np.sqrt((1 + table["z"] ** 2 / 2) / (N_PERMUTATIONS * N_SEEDS))
        away += ((table["z"] - theirs[rows, columns]) / error).tolist()
    share = float((np.abs(away) <= 3).mean())
    case = f"{n_sections} sections, {'20 of Keren 2018' if KEREN.is_file() else 'simulated'}"
    peer = f"squidpy nhood_enrichment, {N_SEEDS} seeds x {N_PERMUTATIONS}"
    metric = "share of z within 3 Monte Carlo errors of the peer's mean (30 or more pairs expected)"
    return Figure(case, metric, share, 1.0, peer, ">= 0.99", share >= 0.99, len(away))


def _largest_difference(section: Section, theirs: NDArray[np.float64]) -> float:
    table = co_occurrence.co_occurrence(*section, np.linspace(0, MAX_UM, N_DISTANCES + 1)[1:])
    ours = table["ratio"].to_numpy().reshape(-1, N_DISTANCES)
    return float(np.nanmax(np.abs(ours - theirs[np.triu_indices(len(theirs))])))


def _same_ratio(n: int) -> Figure:
    section = tissue(n, 10, 1)
    found = _largest_difference(section, squidpy_ratio(as_squidpy(section)))
    case, metric = f"{n:,} cells, 30 distances to 200 um", "largest difference of a co-occurrence ratio"
    return Figure(
        case, metric, found, peer_name="squidpy co_occurrence", target="<= 1e-6", met=found <= 1e-6, n=n
    )


def _same_k(n: int) -> Figure:
    """Compare cross-K on a square field with every pair weighed by the closed form for squares."""
    rng, side, distances = np.random.default_rng(3), 1000.0, np.linspace(10, 200, 20)
    positions = rng.random((n, 2)) * side
    positions[0], positions[1] = 0.0, side - 1e-6
    types = pd.Series(rng.choice(["a", "b"], n))
    names, fine = co_occurrence.count_pairs_of_types(positions, types, cross_k.fine_distances(distances))
    n_cells = np.asarray(types.value_counts().reindex(names), dtype=np.int64)
    table = cross_k.cross_k_table(names, n_cells, fine, distances, cross_k.Window.of(positions))
    ours = table.loc[(table["type_a"] == "a") & (table["type_b"] == "b"), "k_um2"].to_numpy()
    in_a, in_b = positions[types == "a"], positions[types == "b"]
    apart = np.linalg.norm(in_a[:, None] - in_b[None], axis=2)
    weight = side**4 / (len(in_a) * len(in_b) * (side**2 - 4 * side * apart / np.pi + apart**2 / np.pi))
    theirs = np.array([weight[apart <= distance].sum() for distance in distances])
    found = float(np.abs(ours / theirs - 1).max())
    case, metric = f"{n:,} cells on 1 mm2, 20 distances to 200 um", "largest relative difference of cross-K"
    return Figure(
        case,
        metric,
        found,
        peer_name="every pair by the closed form",
        target="<= 1e-3",
        met=found <= 1e-3,
        n=n,
    )


def _uniform(n_permuted: int) -> list[Figure]:
    """Permute labels and ask whether p is uniform: of types with few cells, and of common ones."""
    rng = np.random.default_rng(4)
    positions, _ = tissue(1_500, 2, 5)
    types = np.repeat(["common_a", "common_b", *RARE], [800, 665, *RARE.values()])
    links, strata = graph.radius_graph(positions, RADIUS), (positions[:, 0] > 150).astype(np.int64)
    found: dict[tuple[str, str, str], list[float]] = {}
    for seed in range(n_permuted):
        labels = pd.Series(rng.permutation(types))
        table = neighbourhoods.enrichment(links, labels, RADIUS, strata=strata, draws=Draws(499, seed))
        for row in table.to_dict("records"):
            for column in ("p", "p_within", "p_ab", "p_ba"):
                found.setdefault((row["type_a"], row["type_b"], column), []).append(row[column])
        for row in nearest.nearest_table(positions, labels, RADIUS).to_dict("records"):
            found.setdefault((row["type"], row["nearest_type"], "nearest"), []).append(row["p"])
    return [
        _calibration(
            "types of 5 to 20 cells with common ones", found, lambda a, b: (a in RARE) != (b in RARE)
        ),
        _calibration("common types", found, lambda a, b: a not in RARE and b not in RARE),
        _never_too_small(found),
    ]


def _calibration(
    case: str, found: dict[tuple[str, str, str], list[float]], chosen: Callable[[str, str], bool]
) -> Figure:
    """Give the smallest p of a Kolmogorov-Smirnov test over the columns, times their number."""
    columns = {key: p for key, p in found.items() if chosen(*key[:2]) and np.isfinite(p).all()}
    smallest = min(float(stats.kstest(p, "uniform").pvalue) for p in columns.values())
    n = len(next(iter(columns.values())))
    metric = f"smallest KS p against uniform of {len(columns)} kinds of p, times their number"
    adjusted = min(smallest * len(columns), 1.0)
    return Figure(
        f"{case}, {n} permuted sections", metric, adjusted, target=">= 0.01", met=adjusted >= 0.01, n=n
    )


def _never_too_small(found: dict[tuple[str, str, str], list[float]]) -> Figure:
    p = np.concatenate(
        [v for (a, b, column), v in found.items() if a in RARE and b in RARE and column == "p"]
    )
    share = float((p <= 0.05).mean())
    case, metric = "pairs of types of 5 to 20 cells", "share of p <= 0.05 under permuted labels"
    return Figure(case, metric, share, target="<= 0.05", met=share <= 0.05, n=len(p))


def _clustered(seed: int, side: float, spread: float, n_parents: int) -> Section:
    """Draw clusters of two types in a scatter of three, as large a section as wanted."""
    rng, times = np.random.default_rng(seed), (side / 1000) ** 2
    parents = rng.random((int(n_parents * times), 2)) * side
    n_near, n_far = int(600 * times), int(3000 * times)
    near = parents[rng.integers(0, len(parents), n_near)] + rng.normal(0, spread, (n_near, 2))
    far = rng.choice(["a", "b", "c"], n_far, p=[0.1, 0.1, 0.8])
    types = np.concatenate([rng.choice(["a", "b"], n_near), far])
    return np.concatenate([near, rng.random((n_far, 2)) * side]), pd.Series(types)


def _coverage(n: int) -> list[Figure]:
    """Ask how many 95 % intervals of log2 (observed / expected) hold the mean of all drawn sections."""
    found = []
    for side, spread, n_parents in ((1000.0, 20.0, 60), (2000.0, 60.0, 20)):
        tables = []
        for seed in range(n):
            positions, types = _clustered(seed, side, spread, n_parents)
            blocks, links = tissue_blocks(positions, 2 * RADIUS), graph.radius_graph(positions, RADIUS)
            tables.append(neighbourhoods.enrichment(links, types, RADIUS, blocks=blocks, draws=Draws(0)))
        every = pd.concat(tables)
        true = every.groupby(["type_a", "type_b"])["log2_ratio"].transform("mean")
        held = (every["log2_low"] <= true) & (true <= every["log2_high"])
        worst = float(held.groupby([every["type_a"], every["type_b"]]).mean().min())
        case = f"clusters of {spread:g} um on {(side / 1000) ** 2:g} mm2, 3 types"
        metric = "share of 95 % intervals that hold the ratio of the process, worst pair"
        found.append(Figure(case, metric, worst, target=">= 0.92", met=worst >= 0.92, n=n))
    return found


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Run and give seconds on the wall and of all threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def _co_occurrence_time(n: int) -> list[Figure]:
    """Time both on the same cells, after compiling."""
    section = tissue(n, 10, 6)
    distances = np.linspace(0, MAX_UM, N_DISTANCES + 1)[1:]
    squidpy_ratio(as_squidpy(tissue(500, 10, 7)))
    co_occurrence.co_occurrence(*tissue(500, 10, 7), distances)
    ours = _seconds(lambda: co_occurrence.co_occurrence(*section, distances, n_threads=THREADS))
    cells = as_squidpy(section)
    theirs = _seconds(lambda: squidpy_ratio(cells))
    case = f"{n:,} cells, 10 types, 30 distances to 200 um"
    return _faster("co-occurrence", case, ours, theirs, f"squidpy co_occurrence, {THREADS} threads", n)


def _enrichment_time(n: int, n_permutations: int) -> list[Figure]:
    section = tissue(n, 20, 8)
    links = graph.radius_graph(section[0], RADIUS, THREADS)
    cells = as_squidpy(section, links)
    squidpy_z(cells, 2, 0)
    small = tissue(2_000, 20, 9)
    neighbourhoods.enrichment(graph.radius_graph(small[0], RADIUS), small[1], RADIUS)
    draws = Draws(n_threads=THREADS)
    ours = _seconds(lambda: neighbourhoods.enrichment(links, section[1], RADIUS, draws=draws))
    theirs = _seconds(lambda: squidpy_z(cells, n_permutations, 1))
    peer = f"squidpy nhood_enrichment, {n_permutations:,} permutations, 1 thread"
    return _faster("enrichment", f"{n:,} cells, 20 types, radius 30 um", ours, theirs, peer, n)


def _faster(
    what: str, case: str, ours: tuple[float, float], theirs: tuple[float, float], peer: str, n: int
) -> list[Figure]:
    least = MIN_FASTER[what]
    found = []
    for name, one, other in zip(("wall time (s)", "CPU time (s)"), ours, theirs, strict=True):
        target, met = f"<= 1/{least} of the peer", other >= least * one
        found.append(Figure(case, f"{what}: {name}", one, other, peer, target, met, n))
    return found
