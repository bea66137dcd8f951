"""Erythroid cells, doublets and ambient RNA in the report of one sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stietime import names
from stietime.figures.ambient import ambient_bars, are_alike
from stietime.figures.quality import doublet_histogram
from stietime.report.blocks import Block, Box, Text
from stietime.report.labels import ERYTHROID_KINDS, label, lineages_in_order, reason_label
from stietime.report.pictures import caption_text, picture
from stietime.report.section_makers import section
from stietime.report.sections.quality import measured_cells
from stietime.report.sections.verdict import SOURCES, sample_row, told, told_interval
from stietime.report.tables import MISSING, facts_table, format_percent, format_two_digits, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stietime.report.results import Results

N_GENES = 20
MOST_COUNTED = 4  # lineages or reasons named in one field
EVIDENCE = ("score", "label", "score+label", "protected")


@section("erythroid", "Erythroid cells and haemoglobin")
def erythroid(results: Results) -> list[Block]:
    """Count red cells, reticulocytes, nucleated erythroid cells and ambient haemoglobin, kept and dropped."""
    columns = ["erythroid_kind", "pct_hb", names.PROVISIONAL_LINEAGE, names.KEEP, names.REASON]
    cells = measured_cells(results, columns)
    cells["erythroid_kind"] = cells["erythroid_kind"].fillna("")
    introduction = Text(caption_text("erythroid", settings=results.settings.quality))
    if cells["pct_hb"].isna().all():
        why = "No gene of haemoglobin is in this file, so erythroid cells cannot be told by it."
        return [introduction, Box("note", "Haemoglobin was not measured", (why,))]
    rows = [_kind_row(name, cells[cells["erythroid_kind"] == kind]) for kind, name in ERYTHROID_KINDS.items()]
    if not (cells["erythroid_kind"] != "").any() and "erythroid" not in set(cells[names.PROVISIONAL_LINEAGE]):
        none = f"None of the {len(cells):,} measured cells is erythroid or holds haemoglobin of note."
        return [introduction, Box("note", "No erythroid cell", (none,))]
    untold = (cells[names.PROVISIONAL_LINEAGE] == "erythroid") & (cells["erythroid_kind"] == "")
    if untold.any():
        rows.append(_kind_row("Erythroid cell, kind not told", cells[untold]))
    caption = f"Cells by their haemoglobin (n = {len(cells):,} measured cells); all others have none of note."
    formats = {"median haemoglobin": format_percent}
    return [
        introduction,
        table(pd.DataFrame(rows), caption, formats=formats, sources=(results.link("quality"),)),
    ]


def _kind_row(name: str, cells: pd.DataFrame) -> dict[str, Any]:
    kept = int(cells[names.KEEP].sum())
    dropped = cells.loc[~cells[names.KEEP].astype(bool), names.REASON].value_counts()
    lineages = cells[names.PROVISIONAL_LINEAGE].value_counts()
    return {
        "kind": name,
        "cells": len(cells),
        "kept": kept,
        "median haemoglobin": cells["pct_hb"].median() / 100,
        "dropped for": _counted(dropped.rename(index=reason_label)) or MISSING,
        "provisional lineage": _counted(lineages.rename(index=label)) or MISSING,
    }


def _counted(counts: pd.Series) -> str:
    named = ", ".join(f"{name} {int(n):,}" for name, n in counts.head(MOST_COUNTED).items())
    rest = int(counts.iloc[MOST_COUNTED:].sum())
    return f"{named}, others {rest:,}" if rest else named


@section("doublets", "Doublets")
def doublets(results: Results) -> list[Block]:
    """Doublet scores with the threshold, the calls by evidence and lineage; or why they were not made."""
    columns = ["doublet_score", "is_doublet", "doublet_evidence", names.PROVISIONAL_LINEAGE, names.REASON]
    cells = results.table("quality", columns)
    cells["doublet_evidence"] = cells["doublet_evidence"].fillna("")
    row = sample_row(results) if results.has("sample_quality") else {}
    tested = cells[cells["doublet_score"].notna()]
    if tested.empty:
        passed = int(cells[names.REASON].isin((names.KEPT, "doublet", "sample_excluded")).sum())
        lines = (f"No doublet score: {_why_not_tested(results, row, passed)}.",)
        blocks: list[Block] = [Box("note", "Not tested for doublets", lines)]
        return [*blocks, _calls(results, cells)] if cells["is_doublet"].any() else blocks
    settings = results.settings.quality
    called = int(cells["is_doublet"].sum())
    measured = measured_cells(results, [names.REASON])
    facts = {"n": len(tested), "called": called, "n_all": len(measured), "settings": settings}
    alt = f"Histogram of the doublet scores of {len(tested):,} cells, {called:,} called doublets."
    figure = doublet_histogram(tested, _threshold(results))
    pictured = picture(figure, alt, caption_text("doublets", **facts), (results.link("quality"),))
    return [_rates(results, row, called, len(tested)), pictured, _calls(results, tested)]


def _threshold(results: Results) -> float:
    """Find the score from which cells are called; nan where it is not one for all."""
    if not results.has("quality_cuts"):
        return float("nan")
    cuts = results.table("quality_cuts", ["metric", "upper"])
    found = cuts.loc[cuts["metric"] == "doublet_score", "upper"]
    return float(found.iloc[0]) if len(found) else float("nan")


def _why_not_tested(results: Results, row: Mapping[str, Any], n: int) -> str:
    settings = results.settings.quality
    if not settings.find_doublets:
        return "switched off in the settings"
    if n < settings.min_cells_for_doublets:
        needed = f"a sample needs {settings.min_cells_for_doublets} cells that passed every other filter"
        return f"{needed}, this one has {n:,}"
    return told(row.get("doublet_note")).removeprefix("not tested: ").rstrip(".") or "see the log"


def _rates(results: Results, row: Mapping[str, Any], called: int, n: int) -> Block:
    expected = float(row.get("doublet_rate_expected", "nan"))
    known = np.isfinite(expected)
    facts = {
        "expected": f"{format_percent(expected)}, about {expected * n:,.0f} cells" if known else "not known",
        "called": f"{format_percent(called / n)}, {called:,} of {n:,} tested cells",
        "called doublets are": "dropped" if results.settings.quality.remove_doublets else "kept",
        "note": told(row.get("doublet_note")),
    }
    links = (results.link("sample_quality"),) if row else ()
    return facts_table(facts, "Expected rate, from the load of the capture, against what was called.", links)


def _calls(results: Results, cells: pd.DataFrame) -> Block:
    # labels are a matter of samples that have some
    kinds = [kind for kind in EVIDENCE if "label" not in kind or (cells["doublet_evidence"] == kind).any()]
    rows = []
    for lineage in lineages_in_order(cells[names.PROVISIONAL_LINEAGE]):
        here = cells[cells[names.PROVISIONAL_LINEAGE] == lineage]
        called = int(here["is_doublet"].sum())
        evidence = {kind: int((here["doublet_evidence"] == kind).sum()) for kind in kinds}
        first = {"provisional lineage": label(lineage), "tested cells": len(here), "called": called}
        median = here["doublet_score"].median()
        rows.append({**first, "share called": called / len(here), **evidence, "median score": median})
    headers = {"score": "by score", "label": "by label", "score+label": "by both"}
    flagged = int(cells["is_doublet"].sum() + (cells["doublet_evidence"] == "protected").sum())
    return table(
        pd.DataFrame(rows),
        caption_text("doublet_calls", n=len(cells), settings=results.settings.quality),
        headers=headers,
        formats={"share called": format_percent, "median score": format_two_digits},
        sources=(results.link("quality"),),
        folded="" if flagged else f"Show the {len(rows)} provisional lineages, none with a call",
    )


@section("ambient", "Ambient RNA")
def ambient(results: Results) -> list[Block]:
    """Show the contamination, the genes that lead the ambient RNA, and which marker calls they could fake."""
    row = sample_row(results)
    genes = results.table("ambient", ["gene", "ambient_share", "cell_share", "marker_of", "could_fake"])
    genes[["marker_of", "could_fake"]] = genes[["marker_of", "could_fake"]].fillna("")
    blocks: list[Block] = [*_contamination(results, row)]
    if genes.empty or not told(row.get("contamination_source")):
        # a profile without a source is that of the cells themselves: it says nothing of the medium
        why = "It could neither be measured in empty droplets nor be estimated from the cells."
        return [*blocks, Box("note", "No ambient profile", (why,))]
    genes = genes.sort_values("ambient_share", ascending=False, kind="stable")
    top = genes.head(N_GENES).assign(marker=genes["marker_of"].map(_marker_words))
    share = float(top["ambient_share"].sum())
    estimated = told(row.get("contamination_source")) != "empty_droplets"
    facts = {
        "n": len(top),
        "n_all": len(genes),
        "share": share,
        "source": _source(row),
        "estimated": estimated,
        "alike": are_alike(top),
    }
    alt = f"Bars of the {len(top)} genes with the largest share of ambient RNA, first {top['gene'].iloc[0]}."
    links = (results.link("ambient"),)
    return [
        *blocks,
        picture(ambient_bars(top), alt, caption_text("ambient", **facts), links),
        _fakes(results, genes),
    ]


def _marker_words(marker_of: str) -> str:
    lineages = [label(name.strip()) for name in marker_of.split(",") if name.strip()]
    return f"marker of {', '.join(lineages)}" if lineages else ""


def _source(row: Mapping[str, Any]) -> str:
    return SOURCES.get(told(row.get("contamination_source")), "")


def _contamination(results: Results, row: Mapping[str, Any]) -> list[Block]:
    share = float(row.get("contamination", "nan"))
    note = told(row.get("contamination_note"))
    asked = results.settings.quality.ambient_correction
    written = results.has("ambient_corrected")
    facts = {
        "share of ambient counts": format_percent(share) if np.isfinite(share) else "not estimable",
        "95 % interval": told_interval(row),
        "source": _source(row),
        "empty droplets": row.get("n_empty_droplets"),
        "note": note if np.isfinite(share) else "",
        "corrected matrix": "written beside the counts; nothing in this report uses it" if written
        else "not asked for (option quality.ambient_correction)" if asked == "none"
        else "asked for, but not written; see its log",
    }  # fmt: skip
    links = [results.link("sample_quality")] + [results.link("ambient_corrected")] * written
    blocks: list[Block] = [facts_table(facts, "Contamination of this sample by ambient RNA.", links)]
    if not np.isfinite(share):
        lines = (f"{note[:1].upper()}{note[1:].rstrip('.')}." if note else "The log says why.",)
        blocks.insert(0, Box("note", "Contamination could not be estimated", lines))
    return blocks


def _hundredths(share: float) -> str:
    return f"{100 * share:.2f} %"


def _fakes(results: Results, genes: pd.DataFrame) -> Block:
    found = genes[genes["could_fake"] != ""]
    if found.empty:
        return Text("No gene that marks a lineage has a share of the ambient RNA that could fake its call.")
    shown = found[["gene", "marker_of", "could_fake", "ambient_share", "cell_share"]]
    # the column before names the lineages
    words = [
        text.removeprefix(f"{m.replace(',', ', ')}: ").removesuffix(" (the median)")
        for m, text in zip(found["marker_of"], found["could_fake"], strict=True)
    ]
    marked = [_marker_words(m).removeprefix("marker of ") for m in shown["marker_of"]]
    shown = shown.assign(marker_of=marked, could_fake=words)
    headers = {
        "marker_of": "call it could fake",
        "could_fake": "how often, by ambient RNA alone",
        "ambient_share": "share of ambient RNA",
        "cell_share": "share in kept cells",
    }
    return table(
        shown,
        caption_text("ambient_markers", n=len(shown), n_all=len(genes)),
        headers=headers,
        formats=dict.fromkeys(("ambient_share", "cell_share"), _hundredths),
        sources=(results.link("ambient"),),
        folded=f"Show the {len(shown)} genes" if len(shown) > 2 * N_GENES else "",
    )
