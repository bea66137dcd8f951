"""What the integration did, in words: mixing of batches and separation of types, before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pandas as pd

from stietime import names
from stietime.report.blocks import Block, Heading, Text
from stietime.report.pictures import caption_text
from stietime.report.tables import facts_table, format_two_digits, table

if TYPE_CHECKING:
    from stietime.report.results import Results

ALL: Final = "all"
MIX: Final = "mix"
STAY: Final = "stay apart"
NO_AIM: Final = "none"
AIMS: Final = (MIX, STAY, NO_AIM)
# the authors' types come first where a file gives them
TYPES: Final = ("given_cell_type", names.PROVISIONAL_LINEAGE)
BEFORE: Final = "pca"
AFTER: Final = "harmony"
GRAPH: Final = "graph"
EMBEDDING_NAMES: Final = {BEFORE: "before (PCA)", AFTER: "after (Harmony)", GRAPH: "in the graph"}
GRAPH_METRICS: Final = {"graph_connectivity_all_cells": "graph_connectivity"}
SMALLEST_CHANGE: Final = 0.05  # of the way to the best value, to be called better or worse
SMALLEST_STEP: Final = 0.005  # what two digits show
BETTER: Final = "better"
WORSE: Final = "worse"
SAME: Final = "the same"
CHANGE_TONES: Final = {BETTER: "good", WORSE: "bad"}
PLURALS: Final = {"batch": "batches", "chemistry": "chemistries"}
# warnings stand on top of the page, the rounds of Harmony and the mixing of further types in the table
NOT_SHOWN: Final = (
    "warning",
    "harmony_objective",
    *(f"{prefix}{TYPES[1]}" for prefix in ("lisi_", "graph_lisi_")),
)
FACT_NAMES: Final = {
    "n_cells": "cells",
    "n_samples": "samples",
    "n_batches": "batches",
    "n_genes_shared": "genes that all samples share",
    "n_variable_genes": "variable genes used",
    "n_components": "principal components",
    "variance_explained": "their share of the variable genes' variance",
    "harmony_iterations": "rounds of Harmony",
    "harmony_converged": "Harmony stopped by itself (1: yes)",
    "neighbour_recall": "share of true neighbours found",
    "n_fitted": "cells that UMAP was fitted to",
}


class Meaning(NamedTuple):
    """What a metric asks.

    Parameters
    ----------
    aim
        What a good integration does, or that there is no aim.
    asked
        The question in plain words, and the name of the metric.
    """

    aim: str
    asked: str


FIXED: Final = {
    "kbet_batch": Meaning(
        MIX, "share of cells around which batches are as frequent as in the whole cohort (kBET, accepted)"
    ),
    "silhouette_batch": Meaning(
        MIX, "how far batches lie apart within a cell type, 0 not at all, 1 fully (silhouette)"
    ),
    "pc_regression_batch": Meaning(
        MIX, "share of the embedding's variance that lies between batches (PC regression)"
    ),
    "silhouette_type": Meaning(
        STAY, "how much nearer cells lie to their own type than to the next, -1 to 1 (silhouette)"
    ),
    "graph_connectivity": Meaning(
        STAY, "share of a type's cells that hang together, not torn apart by batch (graph connectivity)"
    ),
}


def meaning_of(metric: str) -> Meaning | None:
    """Say what a metric of `integration_metrics.tsv` asks; none when it is no metric of mixing.

    Parameters
    ----------
    metric
        Its name.
    """
    if not metric.startswith("lisi_"):
        return FIXED.get(metric)
    label = metric.removeprefix("lisi_")
    if label in TYPES:
        return Meaning(STAY, "cell types met among a cell's neighbours, 1 its own only (cLISI)")
    several = PLURALS.get(label, f"{label}s").replace("_", " ")
    met = f"{several} met among a cell's neighbours, 1 its own only (iLISI)"
    return Meaning(MIX if label == "batch" else NO_AIM, met)


def mixing_blocks(results: Results) -> list[Block]:
    """Set each metric before beside after the correction, then by batch and environment, then the facts.

    Parameters
    ----------
    results
        The results of a run.
    """
    integration = results.settings.integration
    metrics = results.table("integration_metrics", ["embedding", "metric", "value", "ideal"])
    # tables of older runs lack them
    metrics = metrics.reindex(columns=list(dict.fromkeys([*metrics.columns, "stratum", "n", "note"])))
    metrics = metrics.fillna({"stratum": ALL, "note": ""})
    wide = _before_and_after(metrics, integration.method)
    whole, parts = wide[wide["among"] == ALL].drop(columns="among"), wide[wide["among"] != ALL]
    blocks: list[Block] = [
        Text(caption_text("correction", integration=integration)),
        Heading("Whether the batches mix, and the cell types do not"),
        _table(whole, caption_text("mixing", integration=integration), results),
    ]
    if len(parts):
        fold = f"Show the same within each batch and environment ({len(parts)} rows)"
        caption = "The same for the cells of one batch or environment; their neighbours are of any."
        blocks.append(_table(parts, caption, results, folded=fold, filters=("among", "asked")))
    facts = facts_table(_facts(metrics), "Facts of the integration.", (results.link("integration_metrics"),))
    return [*blocks, facts]


def _table(frame: pd.DataFrame, caption: str, results: Results, **shown: Any) -> Block:  # noqa: ANN401
    uncorrected = {} if results.settings.integration.method == "harmony" else {BEFORE: "not corrected (PCA)"}
    headers = {
        **EMBEDDING_NAMES,
        **uncorrected,
        "ideal": "best possible",
        "n": "cells",
        "asked": "what is measured",
    }
    return table(
        frame,
        caption,
        headers=headers,
        formats=dict.fromkeys((*EMBEDDING_NAMES, "ideal"), format_two_digits),
        tones={"change": lambda change: CHANGE_TONES.get(change, "")},
        sources=(results.link("integration_metrics"),),
        **shown,
    )


def _before_and_after(metrics: pd.DataFrame, method: str) -> pd.DataFrame:
    """Give one row per metric and stratum: its meaning, its value in each embedding, and its change."""
    frame = _metrics_of_mixing(metrics)
    shown = [BEFORE, AFTER, GRAPH] if method == "harmony" else [BEFORE, GRAPH]
    wide = frame.pivot_table(index=["metric", "stratum"], columns="embedding", values="value", sort=False)
    wide = wide.reindex(columns=[name for name in shown if name in wide.columns]).reset_index()
    first = frame.drop_duplicates(["metric", "stratum"])[["metric", "stratum", "ideal", "n", "note"]]
    wide = wide.merge(first, on=["metric", "stratum"], how="left")
    meanings = pd.DataFrame([meaning_of(metric) for metric in wide["metric"]], columns=list(Meaning._fields))
    wide = pd.concat([meanings, wide], axis=1)
    no_aim = wide["aim"] == NO_AIM
    wide["note"] = wide["note"].mask(no_aim, "fully mixed: " + wide["ideal"].map(format_two_digits))
    wide["ideal"] = wide["ideal"].mask(no_aim)
    if AFTER in wide:
        wide["change"] = [_change(*row) for row in wide[[BEFORE, AFTER, "ideal"]].itertuples(index=False)]
    wide["among"] = wide["stratum"].str.replace("=", " ", n=1)
    wide["order"] = wide["aim"].map(AIMS.index)
    columns = ["among", "aim", "asked", *shown, "change", "ideal", "n", "note"]
    wide = wide.sort_values(["order", "among"], kind="stable")
    return wide[[column for column in columns if column in wide]]


def _metrics_of_mixing(metrics: pd.DataFrame) -> pd.DataFrame:
    """Take the rows that say how labels mix; those of the graph under the names that embeddings have."""
    of_graph = metrics["metric"].where(metrics["embedding"] == GRAPH, "")
    lisi = of_graph.str.startswith("graph_lisi_")
    named = metrics["metric"].mask(lisi, of_graph.str.removeprefix("graph_"))
    frame = metrics.assign(metric=named.replace(GRAPH_METRICS))
    is_mixing = pd.Series([meaning_of(metric) is not None for metric in frame["metric"]], index=frame.index)
    # where files give the authors' types, these are what is to stay apart
    both = all(f"lisi_{kind}" in set(named) for kind in TYPES)
    return frame[is_mixing & ~(both & (frame["metric"] == f"lisi_{TYPES[1]}"))]


def _change(before: float, after: float, ideal: float) -> str:
    """Say whether a metric came nearer to its best value."""
    if pd.isna([before, after, ideal]).any():
        return ""
    nearer = abs(before - ideal) - abs(after - ideal)
    if abs(nearer) <= max(SMALLEST_CHANGE * abs(before - ideal), SMALLEST_STEP):
        return SAME
    return BETTER if nearer > 0 else WORSE


def _facts(metrics: pd.DataFrame) -> dict[str, float]:
    """Gather what is no metric of mixing: the size of the cohort, the components, the correction."""
    facts = {}
    others = metrics.drop(index=_metrics_of_mixing(metrics).index)
    others = others[(others["stratum"] == ALL) & ~others["metric"].str.startswith(NOT_SHOWN)]
    for metric, value in zip(others["metric"], others["value"], strict=True):
        factor, tells, other = metric.partition("_tells_")
        told = f"what {factor} tells of the {other} (tau, 0 to 1)" if tells else metric
        facts[FACT_NAMES.get(metric, told)] = value
    return facts


def n_fitted(results: Results) -> int | None:
    """Read how many cells UMAP was fitted to; the others were placed among them.

    Parameters
    ----------
    results
        The results of a run; none where it did not say.
    """
    if not results.has("integration_metrics"):
        return None
    metrics = results.table("integration_metrics", ["metric", "value"])
    found = metrics.loc[metrics["metric"] == "n_fitted", "value"]
    return int(found.iloc[0]) if len(found) else None
