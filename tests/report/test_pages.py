"""Pages from a fabricated results folder: complete, self-contained, and robust to what is missing."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stietime import names
from stietime.report.build import render_page
from stietime.report.pages import cohort_page, sample_page, section_page
from stietime.report.sections import cells as cells_section
from stietime.report.sections import claims as claims_section
from stietime.report.sections import statistics as statistics_section
from stietime.storage import read_table, write_table

COHORT_HEADINGS = (
    "What this cohort is", "Samples and design", "Samples compared: verdicts and numbers",
    "Quality: which cells were dropped, and why", "What each lineage lost in each sample",
    "Embedding: all cells in one picture", "Clusters: how stable, whose cells, which genes",
    "Cell types", "Copy numbers: which epithelial cells are malignant",
    "States by environment", "States: what the calls rest on",
    "States: what else their cells express", "Where each kind of cell is found",
    "What this cohort can answer", "Contrasts between environments and time points",
    "Regulators of the reviews, by the cells that make them",
    "Do blood and tumour change the same way under treatment?", "Claims of the reviews, weighed",
    "Where the reviews contradict each other", "Tissue sections",
    "Niches across the sections", "Sections between patients, and beside the same patients' cells and blood",
    "Planted beside recovered", "Methods, settings and provenance",
)  # fmt: skip
VOID = {"meta", "link", "img", "input", "br", "hr"}
N_CLAIMS = 516


class Page(HTMLParser):
    """Reads a page and notes what the tests look at; an unbalanced tag is an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.images: list[dict[str, str]] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.boxes: list[str] = []
        self.rows: dict[str, int] = {}
        self._section = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs) -> None:
        found = {key: value or "" for key, value in attrs}
        if tag not in VOID:
            self.open.append(tag)
        if "id" in found:
            self.anchors.add(found["id"])
        if tag == "section":
            self._section = found["id"]
        if tag == "tr":
            self.rows[self._section] = self.rows.get(self._section, 0) + 1
        if tag == "img":
            self.images.append(found)
        if tag == "a":
            self.links.append(found["href"])
        self.loads += [found[key] for key in ("src", "srcset", "data") if key in found]
        self.loads += [found["href"]] if tag == "link" else []
        self.boxes += (
            [found["class"].removeprefix("box ")] if found.get("class", "").startswith("box ") else []
        )

    def handle_endtag(self, tag) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data.strip())


@pytest.fixture(scope="module")
def cohort_html(whole) -> str:
    return cohort_page(whole.open())[0]


@pytest.fixture(scope="module")
def pages(whole, cohort_html) -> dict[str, str]:
    sample = sample_page(whole.open("p1_blood_before"))[0]
    return {"cohort": cohort_html, "sample": sample, "section": section_page(whole.open("s1"))[0]}


def test_the_cohort_report_holds_every_section_in_order(whole, cohort_html):
    page = Page(cohort_html)
    assert tuple(page.headings) == ("Contents", *COHORT_HEADINGS)
    assert "failure" not in page.boxes
    assert page.rows["claims"] == N_CLAIMS + 1


@pytest.mark.parametrize("kind", ["cohort", "sample", "section"])
def test_a_page_is_balanced_and_loads_nothing(pages, kind):
    page = Page(pages[kind])
    assert not page.open
    assert page.loads
    assert all(load.startswith("data:") for load in page.loads)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest", pages[kind])
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", pages[kind])


@pytest.mark.parametrize("kind", ["cohort", "sample", "section"])
def test_every_image_has_a_text_and_every_anchor_a_target(pages, kind):
    page = Page(pages[kind])
    assert page.images
    assert all(len(image["alt"]) > 20 for image in page.images)
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.anchors


def test_links_lead_to_files_that_are_there(whole, pages):
    folder = whole.folder / "reports"
    for kind, html in pages.items():
        relative = [link for link in Page(html).links if not link.startswith("#")]
        missing = [link for link in relative if link.startswith("../") and not (folder / link).exists()]
        assert not missing, kind
        assert any(link.startswith("../") for link in relative)


def test_pages_stay_small(pages):
    assert len(pages["cohort"]) < 5e6
    assert len(pages["sample"]) < 2e6
    assert len(pages["section"]) < 2e6


def test_a_simulated_cohort_says_so_and_a_real_one_does_not(whole, pages):
    assert all("These data are simulated" in html for html in pages.values())
    real = section_page(whole.open("s1", simulation=None))[0]
    assert "These data are simulated" not in real


def test_a_missing_table_is_told_with_its_log_and_takes_nothing_else_down(fabricated):
    fabricated.path("contrasts").unlink()
    html, sections = cohort_page(fabricated.open())
    assert [section.anchor for section in sections if section.failed] == [
        "questions",
        "contrasts",
        "directions",
    ]
    assert "the table does not exist" in html
    assert "logs/compare.log" in html
    assert Page(html).rows["claims"] == N_CLAIMS + 1


def test_the_log_of_a_missing_table_of_one_sample_is_that_samples(fabricated):
    fabricated.path("quality_cuts", "p2_blood_after").unlink()
    html, sections = sample_page(fabricated.open("p2_blood_after"))
    assert [section.anchor for section in sections if section.failed] == ["quality"]
    assert "logs/assess_quality/p2_blood_after.log" in html


def test_an_exception_in_a_section_is_told_and_stays_there(fabricated):
    composition = pd.read_csv(fabricated.path("composition"), sep="\t")
    composition.assign(fraction="not a number").to_csv(fabricated.path("composition"), sep="\t", index=False)
    html, sections = cohort_page(fabricated.open())
    failed = [section.anchor for section in sections if section.failed]
    assert failed == ["states", "evidence", "section-contrasts"]
    assert "logs/report.log" in html
    assert "failed" in html


def test_text_from_files_is_escaped(fabricated):
    claims = pd.read_csv(fabricated.path("claims"), sep="\t")
    claims["entity_as_printed"] = "<script>alert(1)</script>"
    claims.to_csv(fabricated.path("claims"), sep="\t", index=False)
    results = fabricated.open()
    html = render_page(results, [claims_section.claims(results)], title="<b>", subtitle="")
    assert "<b>" not in html
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_a_cohort_of_sections_only_has_no_failure(fabricated):
    sheet = fabricated.sheet[fabricated.sheet["modality"] == "section"]
    only = type(fabricated)(fabricated.folder, sheet)
    for output in ("cells", "embedding", "composition", "contrasts", "claims", "planted"):
        fabricated.path(output).unlink()
    html, sections = cohort_page(only.open(simulation=None))
    assert [section.anchor for section in sections if section.failed] == []
    assert [section.anchor for section in sections] == [
        "summary",
        "samples",
        "sections",
        "niches",
        "section-contrasts",
        "methods",
        "absent",
    ]
    assert "The sample sheet of this run lists no samples of dissociated cells." in html
    assert "States by environment; States: what the calls rest on; States: what else" in html
    assert "Not part of this cohort" in html
    assert "Tumour (TIME) of 2 patients: 2 tissue sections" in html
    assert "Planted beside recovered" not in html


def test_a_cohort_of_cells_only_has_no_failure(fabricated):
    sheet = fabricated.sheet[fabricated.sheet["modality"] == "cells"]
    html, sections = cohort_page(type(fabricated)(fabricated.folder, sheet).open())
    assert not any(section.failed for section in sections)
    assert "sections" not in [section.anchor for section in sections]
    assert "Left out for that reason: Tissue sections; Niches across the sections; Sections between" in html


def test_a_cohort_without_time_points_and_batches_has_no_failure(fabricated):
    sheet = fabricated.sheet.assign(timepoint="", batch="batch1")
    for output in ("cells", "composition"):
        path = fabricated.path(output)
        frame = read_table(path).assign(timepoint="", **({"batch": "batch1"} if output == "cells" else {}))
        write_table(frame, path)
    html, sections = cohort_page(type(fabricated)(fabricated.folder, sheet).open())
    assert not any(section.failed for section in sections)
    assert "Blood (STIE) and tumour (TIME) of 3 patients" in html
    assert "no time point" in html


def test_planted_values_that_should_be_there_are_missed(fabricated):
    fabricated.path("planted").unlink()
    assert statistics_section.planted(fabricated.open()).failed
    assert statistics_section.planted(fabricated.open(simulation=None)).blocks == ()


def test_a_sample_without_kept_cells_is_told(fabricated):
    path = fabricated.path("quality", "p1_blood_before")
    pd.read_parquet(path).assign(keep=False, reason="empty").to_parquet(path)
    for output in ("cells", "embedding"):
        frame = pd.read_parquet(fabricated.path(output))
        frame[~frame["cell"].str.startswith("p1_blood_before:")].to_parquet(fabricated.path(output))
    html, sections = cohort_page(fabricated.open())
    assert "No cell was kept, so these samples are excluded from everything below: p1_blood_before" in html
    assert not any(section.failed for section in sections)
    _, own = sample_page(fabricated.open("p1_blood_before"))
    assert not any(section.failed for section in own)


def test_an_untested_sample_says_why_there_are_no_doublets(fabricated):
    path = fabricated.path("quality", "p1_blood_before")
    frame = pd.read_parquet(path)
    frame.assign(doublet_score=np.nan, is_doublet=False, doublet_evidence="").to_parquet(path)
    html, _ = sample_page(fabricated.open("p1_blood_before"))
    assert "No doublet score: a sample needs 100 cells that passed every other filter, this one has" in html


def test_the_numbers_of_the_headline_are_those_of_the_tables(whole, cohort_html):
    counts = [
        pd.read_parquet(path)["keep"].agg(["sum", "size"])
        for path in whole.folder.glob("cells/*/quality.parquet")
    ]
    kept, total = np.sum(counts, axis=0)
    assert f"<dd>{kept:,}</dd>" in cohort_html
    assert f"of {total:,} measured" in cohort_html


def test_more_cells_than_are_drawn_are_said_to_be_sampled(whole):
    (drawing, *_) = cells_section.embedding(whole.open(report={"max_cells_drawn": 100})).blocks
    assert "an even sample of 100 is drawn" in drawing.caption


def test_every_output_has_a_job_whose_log_is_named(whole):
    results = whole.open()
    for output in ("composition", "embedding", "cells", "architecture", "quality", "spots"):
        where = names.Outputs(str(whole.folder)).__getattr__(output).format(sample="a", section="b")
        hint = results.log_hint(str(Path(where)))
        assert hint.startswith(f"See the log {whole.folder}/logs/")
        assert "{" not in hint
