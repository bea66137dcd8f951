"""Section of the cohort's report on clusters: how stable they are, whose cells they hold, what marks them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from stietime import names
from stietime.report.blocks import Block, Box
from stietime.report.design import MOST_NAMED
from stietime.report.labels import label
from stietime.report.pictures import caption_text
from stietime.report.section_makers import section
from stietime.report.tables import MISSING, format_p, format_percent, format_two_digits, table

if TYPE_CHECKING:
    from stietime.report.results import Results

LARGE: Final = 0.05  # share of all cells from which a flagged cluster is told on top of the report
N_GENES: Final = 5  # named in the table of clusters
N_MARKERS: Final = 10  # of each cluster in the table of markers
QUALITY_COLUMNS: Final = (
    names.CLUSTER,
    "n_cells",
    "n_patients",
    "largest_patient_share",
    "stability",
    "flag",
)
MARKER_COLUMNS: Final = (
    *(names.CLUSTER, "gene", "auc", "log2_fold_change", "share_in", "share_out", "n_patients"),
    *("n_patients_higher", "consistency", "p_patients", "n_cells_in", "n_cells_out"),
)


def cluster_warnings(results: Results) -> list[str]:
    """Name the flagged clusters that hold much of the cohort, one sentence for all of them.

    Parameters
    ----------
    results
        The results of a run.
    """
    if not results.has("cluster_quality"):
        return []
    frame = _quality(results)
    large = frame[(frame["flag"] != "") & (frame["n_cells"] >= LARGE * frame["n_cells"].sum())]
    told = [
        f"cluster {row[names.CLUSTER]} with {row['n_cells'] / frame['n_cells'].sum():.0%} of the cells "
        f"({row['flag']})"
        for row in large.to_dict("records")
    ]
    return [f"Flagged is {'; '.join(told)}: see the section on clusters."] if told else []


def _quality(results: Results) -> pd.DataFrame:
    frame = results.table("cluster_quality", QUALITY_COLUMNS)
    frame[names.CLUSTER] = frame[names.CLUSTER].astype(str)
    for column in ("flag", "note"):
        frame[column] = frame[column].fillna("").astype(str) if column in frame else ""
    return frame


@section("clusters", "Clusters: how stable, whose cells, which genes")
def clusters(results: Results) -> list[Block]:
    """Show the resolutions, the clusters with their flags in front, and their markers."""
    results.need(names.CELLS)
    quality = _quality(results)
    markers = results.table("cluster_markers", MARKER_COLUMNS)
    markers[names.CLUSTER] = markers[names.CLUSTER].astype(str)
    types = _main_types(results)
    return [
        *_resolutions(results),
        *_flags(quality, types),
        _clusters(results, quality, markers, types),
        _markers(results, markers),
    ]


def _resolutions(results: Results) -> list[Block]:
    """Say why the resolution in use is justified, or not, and show all of them."""
    frame = results.table("cluster_resolutions", ["resolution", "n_clusters", "stability", "chosen", "note"])
    chosen = frame[frame["chosen"]].iloc[0]
    is_justified = str(chosen["note"]).startswith("justified")
    words = f"{str(chosen['note'])[:1].upper()}{str(chosen['note'])[1:]}."
    title = f"In use: resolution {chosen['resolution']:g} with {chosen['n_clusters']:.0f} clusters"
    n = frame["n_subsamples"].max() if "n_subsamples" in frame else 0
    size = frame["n_cells_subsample"].max() if "n_cells_subsample" in frame else np.nan
    caption = caption_text("resolutions", n_subsamples=int(n), n_cells=None if pd.isna(size) else int(size))
    shown = frame.drop(columns=["suggested", "n_subsamples", "n_cells_subsample"], errors="ignore")
    shown["chosen"] = np.where(shown["chosen"], "in use", "")
    shown["resolution"] = shown["resolution"].map("{:g}".format)
    headers = {"n_clusters": "clusters", "stability_low": "lowest", "chosen": ""}
    formats = dict.fromkeys(("stability", "stability_low", "silhouette"), format_two_digits)
    links = (results.link("cluster_resolutions"),)
    tones = {"chosen": lambda words: "good" if words else ""}
    columns = list(dict.fromkeys(["chosen", *shown.columns]))
    listed = table(shown[columns], caption, headers=headers, formats=formats, tones=tones, sources=links)
    return [Box("note" if is_justified else "caution", title, (words,)), listed]


def _main_types(results: Results) -> pd.Series:
    """Name the most frequent cell type of each cluster with its share, where the types are known."""
    if not results.has("cells"):
        return pd.Series(dtype=object)
    cells = results.table("cells", [names.CELL, names.CLUSTER, names.CELL_TYPE])
    counts = pd.crosstab(cells[names.CLUSTER].astype(str), cells[names.CELL_TYPE].astype(str))
    share = counts.max(axis=1) / counts.sum(axis=1)
    kinds = zip(counts.idxmax(axis=1).astype(str), share, strict=True)
    told = [f"{label(kind)} ({part:.0%})" for kind, part in kinds]
    return pd.Series(told, index=counts.index, dtype=object)


def _flags(quality: pd.DataFrame, types: pd.Series) -> list[Block]:
    flagged = quality[quality["flag"] != ""]
    if flagged.empty:
        return [
            Box(
                "usable",
                "No cluster is flagged",
                ("None is of one patient, of one batch, unstable or small.",),
            )
        ]
    lines = [
        f"Cluster {row[names.CLUSTER]}, {row['n_cells']:,} cells"
        f"{', mostly ' + types[row[names.CLUSTER]] if row[names.CLUSTER] in types else ''}: {row['flag']}."
        for row in flagged.to_dict("records")
    ]
    rest = len(lines) - MOST_NAMED
    lines = lines[:MOST_NAMED] + [f"And {rest} more, in the table below."] * (rest > 0)
    return [Box("caution", f"{len(flagged)} of {len(quality)} clusters are flagged", tuple(lines))]


def _short(flag: str) -> str:
    """Shorten a flag to its kinds, such as `one patient, one batch`."""
    return ", ".join(part.partition(":")[0] for part in flag.split("; ") if part)


def _clusters(results: Results, quality: pd.DataFrame, markers: pd.DataFrame, types: pd.Series) -> Block:
    total = int(quality["n_cells"].sum())
    shown = pd.DataFrame(
        {
            "flag": quality["flag"].map(_short),
            "cluster": quality[names.CLUSTER],
            "main_type": quality[names.CLUSTER].map(types),
            "markers": quality[names.CLUSTER].map(_top_markers(results, markers)),
            "cells": quality["n_cells"],
            "share": quality["n_cells"] / total,
            "stability": quality["stability"],
            "patients": quality["n_patients"],
            "largest_patient_share": quality["largest_patient_share"],
            "largest_batch_share": quality.get("largest_batch_share", np.nan),
            "note": quality["note"],
        }
    )
    shown = shown.assign(_first=shown["flag"] == "").sort_values("_first", kind="stable")
    headers = {
        "main_type": "mostly",
        "largest_patient_share": "largest patient",
        "largest_batch_share": "largest batch",
        "markers": "first markers",
    }
    shares = ("share", "largest_patient_share", "largest_batch_share")
    facts: dict[str, Any] = {"n": total, "settings": results.settings.cluster_description}
    facts["n_patients"] = results.rows(names.CELLS)[names.PATIENT].nunique()
    return table(
        shown.drop(columns="_first"),
        caption_text("clusters", **facts),
        headers=headers,
        formats={**dict.fromkeys(shares, format_percent), "stability": format_two_digits},
        tones={"flag": lambda flag: "caution" if flag else ""},
        sources=(results.link("cluster_quality"), results.link("cells")),
    )


def _top_markers(results: Results, markers: pd.DataFrame) -> dict[str, str]:
    """Name the first genes of each cluster, without those that patients do not agree on."""
    limit = results.settings.cluster_description.min_consistency
    agreed = markers[~(markers["consistency"] < limit) & markers["gene"].notna()]
    groups = agreed.groupby(names.CLUSTER, sort=False)["gene"]
    return {str(cluster): ", ".join(genes.head(N_GENES)) for cluster, genes in groups}


def _markers(results: Results, markers: pd.DataFrame) -> Block:
    first = markers.groupby(names.CLUSTER, sort=False).head(N_MARKERS).copy()
    higher = [
        MISSING
        if pd.isna(row["consistency"])
        else f"{row['n_patients_higher']:.0f} of {row['n_patients']:.0f}"
        for row in first.to_dict("records")
    ]
    first.insert(3, "patients", higher)
    columns = ["cluster", "gene", "auc", "patients", "p_patients", "log2_fold_change", "share_in"]
    shown = first[[*columns, "share_out", "n_cells_in", *(["note"] if "note" in first else [])]]
    headers = {
        "auc": "AUC",
        "p_patients": "p over patients",
        "log2_fold_change": "log2 fold change",
        "share_in": "seen inside",
        "share_out": "seen outside",
        "n_cells_in": "cells tested",
    }
    drawn = [
        note.removeprefix("tested on ").partition(";")[0]
        for note in first.get("note", pd.Series()).dropna()
        if note.startswith("tested on ")
    ]
    facts: dict[str, Any] = {"most": N_MARKERS, "settings": results.settings.cluster_description}
    formats = {"auc": format_two_digits, "p_patients": format_p, "share_in": format_percent}
    return table(
        shown,
        caption_text("cluster_markers", drawn=drawn[0] if drawn else "", **facts),
        headers=headers,
        formats={**formats, "share_out": format_percent},
        sources=(results.link("cluster_markers"),),
        folded=f"Show the markers of all {first[names.CLUSTER].nunique()} clusters",
        filters=(names.CLUSTER,),
        searchable=True,
    )
