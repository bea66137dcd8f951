"""From runs to figures: cost and quality of ours beside each peer's, with the targets."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import pandas as pd

from benchmarks import scale_quality, scale_run
from benchmarks.record import NAN, Figure
from benchmarks.scale_processes import GIB

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from benchmarks.scale_run import Found, Run

COMPARED: Final = 200_000  # cells at which cost has a target relative to the plain script
ALONE: Final = 1_000_000
WALL_RATIO, MEMORY_RATIO, MEMORY_ALONE_GIB = 0.125, 0.25, 8.0
ARI_MARGIN, TRUST_MARGIN, RECALL, EXPONENT = 0.01, 0.02, 0.95, 1.1
# stages of ours, of the plain script and of Seurat that do the same; steps of ours that no group names are
# those of the embedding
EMBEDDING: Final = "variable genes, components, Harmony, neighbours, UMAP"
GROUPS: Final = {
    "quality and doublets": (
        ("assess-quality", "collect-samples"),
        ("read", "quality", "scrublet"),
        ("read", "quality"),
    ),
    EMBEDDING: (
        ("integrate",),
        ("normalise", "variable genes", "pca", "harmony", "neighbours", "umap"),
        ("normalise", "variable genes", "scale", "pca", "neighbours", "umap"),
    ),
    "clusters": (("cluster",), ("leiden",), ("clusters",)),
    "cell types": (("annotate",), (), ()),
    "scores of the marker sets": (("score-states",), ("score genes",), ("score genes",)),
    "start, imports, writing, workflow": (("workflow",), ("imports", "write"), ()),
}
TOOLS: Final = ("ours", "script", "seurat")


@dataclass(frozen=True)
class Quality:
    """How good the results of a run are.

    Parameters
    ----------
    n_cells
        Number of living single cells over which the indices are taken.
    ari_types, ari_populations
        Adjusted Rand index of the clusters to the planted cell types and populations.
    ari_annotated
        That of the annotated to the planted cell types; nan for a tool without annotation.
    recall
        Recall of the neighbours; none for a tool that keeps no graph.
    trustworthiness
        Trustworthiness of the UMAP.
    kept
        Share of the planted single cells (cell), doublets (doublet) and dying cells (dying) that are kept.
    """

    n_cells: int
    ari_types: float
    ari_populations: float
    ari_annotated: float
    recall: scale_quality.Recall | None
    trustworthiness: float
    kept: dict[str, float]


def judge(found: Found, truth: pd.DataFrame, shared: pd.Index, seed: int) -> Quality:
    """Look at what a run found.

    Parameters
    ----------
    found
        What it found.
    truth
        What was planted, by cell.
    shared
        Cells that all tools kept: clusters are compared over the living single cells among them, so that
        no tool gains by leaving out what is hard.
    seed
        Seed of the sampled cells.
    """
    alive = truth[(truth["true_kind"] == "cell") & truth.index.isin(shared)]
    rows = scale_quality.sample_rows(len(found.cells), seed)
    points = found.points("harmony")
    annotated = NAN
    if "cell_type" in found.cells:
        annotated = scale_quality.agreement(found.cells["cell_type"], alive["true_cell_type"])
    clusters = found.cells["cluster"]
    graph = found.graph
    return Quality(
        n_cells=len(alive),
        ari_types=scale_quality.agreement(clusters, alive["true_cell_type"]),
        ari_populations=scale_quality.agreement(clusters, alive["true_population"]),
        ari_annotated=annotated,
        recall=None if graph is None else scale_quality.neighbour_recall(points, graph, rows, found.k),
        trustworthiness=scale_quality.trustworthiness(points, found.points("umap"), rows),
        kept=scale_quality.kept_shares(found.cells.index, truth),
    )


def peer_name(tool: str) -> str:
    """Name a peer with its version."""
    if tool == "script":
        return f"plain script: scanpy {version('scanpy')}, harmonypy {version('harmonypy')}"
    return f"plain script: Seurat {scale_run.seurat_version()}, no Harmony, no doublets"


def cost_figures(ours: Run, peer: Run | None, case: str, seed: int) -> list[Figure]:
    """Set wall time, processor time and memory of ours beside a peer's, and wall time by stage."""
    against = peer.tool if peer else ""
    name = peer_name(against) if peer else ""

    def row(metric: str, mine: float, theirs: float, target: str = "", *, met: bool | None = None) -> Figure:
        return Figure(case, metric, mine, theirs, name, target, met, ours.n_cells, seed)

    def ratio(metric: str, mine: float, theirs: float, most: float) -> Figure:
        if ours.n_cells != COMPARED or against != "script":
            return row(metric, mine, theirs)
        return row(metric, mine, theirs, f"ratio <= {most:g}", met=mine <= most * theirs)

    theirs = peer.cost if peer else None
    memory = (ours.cost.peak_pss / GIB, theirs.peak_pss / GIB if theirs else NAN)
    figures = [
        ratio("wall time (s)", ours.cost.wall, theirs.wall if theirs else NAN, WALL_RATIO),
        row("processor time (s)", ours.cost.cpu, theirs.cpu if theirs else NAN),
        ratio("peak memory of all processes (GiB)", *memory, MEMORY_RATIO),
    ]
    if peer is None and ours.n_cells == ALONE:
        met = memory[0] <= MEMORY_ALONE_GIB
        target = f"<= {MEMORY_ALONE_GIB:g}"
        figures[-1] = row("peak memory of all processes (GiB)", memory[0], NAN, target, met=met)
    resident = (ours.cost.peak_resident / GIB, theirs.peak_resident / GIB if theirs else NAN)
    figures.append(row("peak of the summed resident sizes (GiB)", *resident))
    place = TOOLS.index(against) if peer else 0
    named = {name for stages in GROUPS.values() for name in stages[0]}
    others = tuple(stage.name for stage in ours.stages if stage.name not in named)
    for group, stages in GROUPS.items():
        mine = ours.seconds(*stages[0], *(others if group == EMBEDDING else ()))
        seconds = peer.seconds(*stages[place]) if peer and stages[place] else NAN
        figures.append(row(f"wall time of {group} (s)", mine, seconds))
    return figures


def quality_figures(
    ours: Quality, peer: Quality | None, name: str, case: str, n_cells: int, seed: int
) -> list[Figure]:
    """Set the quality of ours beside a peer's; targets hold against the plain script."""
    found = []

    def row(
        metric: str,
        mine: float,
        theirs: float,
        target: str = "",
        *,
        met: bool | None = None,
        n: int = n_cells,
    ) -> None:
        found.append(Figure(case, metric, mine, theirs, name, target, met, n, seed))

    def no_worse(metric: str, mine: float, theirs: float, margin: float, n: int) -> None:
        if peer is None or "scanpy" not in name:
            row(metric, mine, theirs, n=n)
        else:
            row(metric, mine, theirs, f">= peer - {margin:g}", met=mine >= theirs - margin, n=n)

    n, queries = ours.n_cells, min(n_cells, scale_quality.N_QUERIES)
    no_worse(
        "ARI of clusters to planted types", ours.ari_types, peer.ari_types if peer else NAN, ARI_MARGIN, n
    )
    populations = peer.ari_populations if peer else NAN
    row("ARI of clusters to planted populations", ours.ari_populations, populations, n=n)
    row("ARI of annotated to planted types", ours.ari_annotated, peer.ari_annotated if peer else NAN, n=n)
    if ours.recall:
        theirs = peer.recall if peer else None
        met = not ours.recall.n_one_sided or ours.recall.one_sided >= RECALL
        row(
            "neighbour recall, one-sided neighbours (a lower bound)",
            ours.recall.one_sided,
            theirs.one_sided if theirs else NAN,
            f">= {RECALL:g}",
            met=met,
            n=queries,
        )
        row("neighbour recall, edges", ours.recall.joined, theirs.joined if theirs else NAN, n=queries)
    trust = peer.trustworthiness if peer else NAN
    no_worse("trustworthiness of the UMAP", ours.trustworthiness, trust, TRUST_MARGIN, queries)
    words = {"cell": "living single cells", "doublet": "planted doublets", "dying": "planted dying cells"}
    for kind, word in words.items():
        row(f"{word} kept (share)", ours.kept.get(kind, NAN), peer.kept.get(kind, NAN) if peer else NAN)
    return found


def growth_figures(runs: Sequence[Run], seed: int) -> list[Figure]:
    """Exponents of wall time from each size to the next, and from 50,000 to a million cells."""
    ours = {run.n_cells: run.cost.wall for run in runs if run.tool == "ours"}
    script = {run.n_cells: run.cost.wall for run in runs if run.tool == "script"}
    sizes = sorted(ours)
    pairs = list(itertools.pairwise(sizes))
    if {50_000, ALONE} <= set(sizes) and (50_000, ALONE) not in pairs:
        pairs.append((50_000, ALONE))
    found = []
    for pair in pairs:
        mine = scale_quality.growth_exponent(pair, (ours[pair[0]], ours[pair[1]]))
        both = all(size in script for size in pair)
        theirs = scale_quality.growth_exponent(pair, (script[pair[0]], script[pair[1]])) if both else NAN
        judged = pair == (50_000, ALONE)
        target, met = (f"<= {EXPONENT:g}", mine <= EXPONENT) if judged else ("", None)
        name = peer_name("script") if both else ""
        case = f"{pair[0]:,} to {pair[1]:,} cells"
        found.append(
            Figure(case, "growth exponent of wall time", mine, theirs, name, target, met, pair[1], seed)
        )
    return found


def stage_table(runs: Iterable[Run]) -> pd.DataFrame:
    """List every stage of every run.

    Returns
    -------
    n_cells, tool, stage, wall_s, cpu_s, largest_process_gib, which is empty for stages within a process.
    """
    rows = [
        (run.n_cells, run.tool, stage.name, stage.wall, stage.cpu, stage.gib)
        for run in runs
        for stage in run.stages
    ]
    columns = ["n_cells", "tool", "stage", "wall_s", "cpu_s", "largest_process_gib"]
    return pd.DataFrame(rows, columns=columns)


def case_of(n_cells: int, data: Path) -> str:
    """Name a case by its size."""
    return f"{n_cells:,} cells in {len(scale_run.captures(data))} captures"
