"""The quality pages: the verdict on top, losses in words, and every table that is missing told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.report.fabricated_quality import ambient_table, losses_of, quality_of, summary_of

from stietime import names
from stietime.report import design
from stietime.report.blocks import Box, Facts, Picture, Table, Text, Tiles
from stietime.report.build import make_sections, render_page
from stietime.report.pages import COHORT, sample_page
from stietime.report.pages import SAMPLE as PAGE_OF_A_SAMPLE
from stietime.report.sections import artefacts as artefacts_section
from stietime.report.sections import quality as quality_section
from stietime.report.sections import quality_cohort as quality_cohort_section
from stietime.report.sections import verdict as verdict_section
from stietime.report.tables import MISSING
from stietime.storage import read_table, write_table

SAMPLE = "p1_blood_before"
NAN = float("nan")


def _change(fabricated, output: str, name: str = SAMPLE, **values: object) -> None:
    """Set columns of a table of the results to the same value in every row."""
    path = fabricated.path(output, name)
    write_table(read_table(path).assign(**values), path)


def _change_sample(fabricated, **values: object) -> None:
    """Set the verdict and numbers of one sample, in its own table and in that of all samples."""
    _change(fabricated, "sample_quality", **values)
    path = fabricated.path("samples")
    samples = read_table(path)
    for column, value in values.items():
        samples[column] = samples[column].astype(object).mask(samples["sample"] == SAMPLE, value)
    write_table(samples, path)


def _cohort_page(fabricated) -> tuple[str, tuple]:
    """Make the page of the cohort as far as quality goes."""
    results = fabricated.open()
    sections = make_sections(COHORT[:5], results)
    return render_page(results, sections, title="", subtitle=""), sections


def _of(section, kind: type) -> list:
    assert not section.failed, section.blocks
    return [block for block in section.blocks if isinstance(block, kind)]


def _texts(table: Table, column: str) -> list[str]:
    place = [text for text, _ in table.headers].index(column)
    return [row[place].text for row in table.rows]


@pytest.mark.parametrize(
    ("verdict", "title"),
    [(names.USABLE, "Usable"), (names.CAUTION, "Use with caution"), (names.EXCLUDED, "Excluded: no cell")],
)
def test_the_verdict_stands_on_top_with_its_reasons(fabricated, verdict, title):
    reason = "keeps 9 cells, fewer than 50 (empty 3; doublet 2); saturation not estimable"
    _change_sample(fabricated, verdict=verdict, reason=reason, saturation=NAN)
    assert PAGE_OF_A_SAMPLE[0] is verdict_section.verdict
    box, tiles = verdict_section.verdict(fabricated.open(SAMPLE)).blocks[:2]
    assert isinstance(box, Box)
    assert isinstance(tiles, Tiles)
    assert box.tone == verdict
    assert box.title.startswith(title)
    assert box.lines[:2] == (
        "Keeps 9 cells, fewer than 50 (empty 3; doublet 2).",
        "Saturation not estimable.",
    )
    found = {what: (number, remark) for number, what, remark in tiles.items}
    kept = "cells passed, then excluded" if verdict == names.EXCLUDED else "cells kept"
    assert found[kept] == ("54", "of 60 measured (90.0\N{NO-BREAK SPACE}%)")
    plain = {what: (number, remark.replace("\xa0", " ")) for what, (number, remark) in found.items()}
    assert plain["ambient counts"] == ("4.2 %", "3.1 to 5.5 % estimated from the cells")
    assert plain["doublets called"] == ("2", "3.6 % of the tested cells, 4.0 % expected")


def test_a_swap_that_only_the_cohort_can_see_changes_the_verdict_of_the_page(fabricated):
    path = fabricated.path("samples")
    samples = read_table(path).astype({"swap": object, "reason": object})
    words = "samples of patient p1 express different sexes (female in a; male in b): swap suspected"
    samples.loc[samples["sample"] == SAMPLE, ["verdict", "reason", "swap"]] = ["caution", words, words]
    write_table(samples, path)
    box = verdict_section.verdict(fabricated.open(SAMPLE)).blocks[0]
    assert box.tone == "caution"
    assert box.lines == (f"S{words[1:]}.",)
    (*_, swaps) = _of(quality_cohort_section.sample_quality(fabricated.open()), Box)
    assert swaps.title == "Suspected swaps"
    assert swaps.lines == (f"S{words[1:]}.",)
    assert f"S{words[1:]}." in design.warnings(fabricated.open(), design.count_cells(fabricated.open()))


def test_the_page_of_a_sample_without_the_cohort_rests_on_its_own_verdict(fabricated):
    fabricated.path("samples").unlink()
    _, sections = sample_page(fabricated.open(SAMPLE))
    assert not any(section.failed for section in sections)
    assert sections[0].blocks[0].tone == "usable"


def test_worries_name_the_lineage_the_numbers_and_the_states_that_rest_on_it():
    columns = ["lineage", "reason", "n_cells", "n_removed", "fraction", "rest_fraction", "warning"]
    losses = pd.DataFrame(
        [
            ("t_cell", "any", 100, 5, 0.05, 0.2, ""),
            ("neutrophil", "low_counts", 100, 40, 0.4, 0.01, "too many"),
            ("neutrophil", "any", 100, 45, 0.45, 0.05, "too many"),
        ],
        columns=columns,
    )
    assert quality_section.worry_lines(losses) == [
        "Neutrophil: lost 45 of 100 cells (45.0 %, all other cells 5.0 %); more than its share for "
        "few counts (40, all other cells 1.0 %). Fractions of PMN-MDSC in this sample rest on the cells "
        "that remain."
    ]
    assert quality_section.worry_lines(losses.assign(warning="")) == []


def test_the_table_of_losses_adds_up_and_rings_the_warnings(fabricated):
    quality = quality_of(SAMPLE, np.random.default_rng(1), 600, ["high_mito"] * 30)
    lost = (quality["provisional_lineage"] == "neutrophil") & (np.arange(600) < 300)
    quality.loc[lost, ["keep", "reason"]] = [False, "low_counts"]
    write_table(quality, fabricated.path("quality", SAMPLE))
    write_table(losses_of(SAMPLE, quality), fabricated.path("lineage_losses", SAMPLE))
    section = quality_section.losses(fabricated.open(SAMPLE))
    (box,) = _of(section, Box)
    assert box.tone == "warning"
    assert box.lines[0].startswith("Neutrophil: lost 55 of 100 cells (55.0 %, all other cells 5.0 %).")
    table = _of(section, Table)[0]
    assert _texts(table, "dropped")[:1] == ["80 (13.3 %)"]
    rows = {row[0].text: row for row in table.rows}
    assert rows["Neutrophil"][3].text == f"{quality_section.WARNING_SIGN} 55 (55.0 %)"
    assert rows["Neutrophil"][3].tone == "heat5 warned"
    assert rows["T cell"][4].text == "0"
    kept = [int(text) for text in _texts(table, "kept")]
    assert kept[0] == sum(kept[1:]) == quality["keep"].sum()


def test_cuts_and_metrics_that_were_not_measured_are_told(whole):
    section = quality_section.quality(whole.open(SAMPLE))
    _, histograms = _of(section, Picture)
    assert "Complexity:" in histograms.caption
    assert "Intronic" not in histograms.caption  # what was not measured is neither drawn nor explained
    (told,) = _of(section, Text)
    assert told.html.startswith("Not measured in this sample: intronic counts (%).")
    cuts, medians = _of(section, Table)
    assert set(_texts(cuts, "lineage")) == {"whole sample"}
    assert _texts(cuts, "metric") == ["empty", "counts", "genes", "mito (%)", "doublet score"]
    assert sum(int(text) for text in _texts(medians, "cells")) == 54


def test_empty_droplets_that_are_most_of_a_file_do_not_hide_its_cells(fabricated):
    quality = quality_of(SAMPLE, np.random.default_rng(1), 400, ["empty"] * 300)
    write_table(quality, fabricated.path("quality", SAMPLE))
    write_table(losses_of(SAMPLE, quality), fabricated.path("lineage_losses", SAMPLE))
    assert design.count_cells(fabricated.open()).loc[SAMPLE].sum() == 400  # the file was filtered
    _change(fabricated, "sample_quality", n_empty_droplets=300)
    assert design.count_cells(fabricated.open()).loc[SAMPLE].sum() == 100
    drawing = _of(quality_section.quality(fabricated.open(SAMPLE)), Picture)[0]
    assert "300 empty droplets are not drawn." in drawing.caption
    assert "n = 100 measured, 100 kept" in drawing.caption
    tiles = verdict_section.verdict(fabricated.open(SAMPLE)).blocks[1]
    assert tiles.items[0][2].startswith("of 100 measured")


def test_erythroid_cells_are_counted_by_kind(fabricated):
    quality = read_table(fabricated.path("quality", SAMPLE))
    kinds = ["red_cell"] * 5 + ["nucleated_erythroid"] * 3 + [""] * 52
    keep = [True] * 4 + [False] + [True] * 55
    reason = ["kept"] * 4 + ["high_mito"] + ["kept"] * 55
    lineage = ["erythroid"] * 8 + ["t_cell"] * 52
    write_table(
        quality.assign(erythroid_kind=kinds, keep=keep, reason=reason, provisional_lineage=lineage),
        fabricated.path("quality", SAMPLE),
    )
    (table,) = _of(artefacts_section.erythroid(fabricated.open(SAMPLE)), Table)
    assert _texts(table, "cells") == ["5", "0", "3", "0"]
    assert _texts(table, "kept") == ["4", "0", "3", "0"]
    assert _texts(table, "dropped for")[0] == "high mitochondrial share 1"
    assert _texts(table, "provisional lineage")[2] == "Erythroid cell 3"


def test_haemoglobin_that_was_not_measured_is_no_zero(fabricated):
    _change(fabricated, "quality", pct_hb=NAN, erythroid_kind="")
    (box,) = _of(artefacts_section.erythroid(fabricated.open(SAMPLE)), Box)
    assert box.title == "Haemoglobin was not measured"


def test_doublets_are_counted_by_evidence_and_set_beside_what_was_expected(fabricated):
    path = fabricated.path("quality", SAMPLE)
    quality = read_table(path)
    quality.loc[:1, ["doublet_score", "doublet_evidence"]] = [0.7, "protected"]
    write_table(quality, path)
    section = artefacts_section.doublets(fabricated.open(SAMPLE))
    (facts,) = _of(section, Facts)
    assert dict(facts.items)["expected"] == "4.0 %, about 2 cells"
    assert dict(facts.items)["called"] == "3.3 %, 2 of 60 tested cells"
    (table,) = _of(section, Table)
    assert sum(int(text) for text in _texts(table, "protected")) == 2
    assert sum(int(text) for text in _texts(table, "by score")) == 2


def test_the_note_says_why_doublets_were_not_looked_for(fabricated):
    _change(fabricated, "quality", doublet_score=NAN, is_doublet=False, doublet_evidence="")
    (box,) = _of(artefacts_section.doublets(fabricated.open(SAMPLE)), Box)
    needed = "No doublet score: a sample needs 100 cells that passed every other filter, this one has 56."
    assert box.lines == (needed,)
    _change(fabricated, "sample_quality", doublet_note="not tested: all cells are alike")
    enough = fabricated.open(SAMPLE, quality={"min_cells_for_doublets": 50})
    (box,) = _of(artefacts_section.doublets(enough), Box)
    assert box.lines == ("No doublet score: all cells are alike.",)


def test_doublets_that_were_not_looked_for_are_no_zero(fabricated):
    _change_sample(fabricated, doublet_rate_expected=NAN, n_doublets=0)
    tiles = verdict_section.verdict(fabricated.open(SAMPLE)).blocks[1]
    assert (MISSING, "doublets called", "not tested") in tiles.items
    (table,) = _of(quality_cohort_section.sample_quality(fabricated.open()), Table)
    told = dict(zip(_texts(table, "sample"), _texts(table, "doublets"), strict=True))
    assert told.pop(SAMPLE) == MISSING
    assert set(told.values()) == {"3.6 %"}
    # a label of the file is a test too
    assert verdict_section.tested_for_doublets(50, 2, NAN, removed=True) == 52
    assert verdict_section.tested_for_doublets(50, 0, 0.04, removed=False) == 50


def test_ambient_genes_are_drawn_and_those_that_fake_a_call_are_listed(fabricated):
    fabricated.path("ambient_corrected", SAMPLE).write_bytes(b"")
    section = artefacts_section.ambient(fabricated.open(SAMPLE))
    (facts,) = _of(section, Facts)
    told = dict(facts.items)
    assert told["share of ambient counts"] == "4.2 %"
    assert told["source"] == "estimated from the cells"
    assert told["corrected matrix"].startswith("written beside the counts")
    assert [link.text.rpartition("/")[2] for link in facts.sources] == [
        "sample_quality.tsv",
        "ambient_corrected.h5ad",
    ]
    assert len(_of(section, Picture)) == 1
    (table,) = _of(section, Table)
    assert _texts(table, "gene") == ["HBB", "S100A8", "IGKC"]
    assert _texts(table, "call it could fake")[1] == "Neutrophil, Monocyte"
    assert _texts(table, "how often, by ambient RNA alone")[0] == "seen in 30% of cells"


def test_contamination_that_cannot_be_estimated_is_told(fabricated):
    values = {"contamination": NAN, "contamination_source": "", "contamination_note": "too few cells"}
    _change_sample(fabricated, **values)
    section = artefacts_section.ambient(fabricated.open(SAMPLE))
    assert [box.title for box in _of(section, Box)] == [
        "Contamination could not be estimated",
        "No ambient profile",
    ]
    assert _of(section, Box)[0].lines == ("Too few cells.",)
    assert not _of(section, Picture)  # the table then holds the genes of the cells, not of the medium


def test_a_sample_that_lost_no_cell_and_holds_no_haemoglobin_says_so_in_a_line(fabricated):
    _change(fabricated, "quality", keep=True, reason="kept", erythroid_kind="", provisional_lineage="t_cell")
    quality = pd.read_parquet(fabricated.path("quality", SAMPLE))
    write_table(losses_of(SAMPLE, quality), fabricated.path("lineage_losses", SAMPLE))
    section = quality_section.losses(fabricated.open(SAMPLE))
    assert _of(section, Box)[0].lines == ("No cell was dropped.",)
    assert _of(section, Table)[0].folded == "Show the 1 provisional lineages"
    (box,) = _of(artefacts_section.erythroid(fabricated.open(SAMPLE)), Box)
    assert box.lines == ("None of the 60 measured cells is erythroid or holds haemoglobin of note.",)


@pytest.mark.parametrize("n_cells", [0, 1, 15])
def test_the_page_of_a_few_cells_has_no_failure(fabricated, n_cells):
    quality = quality_of(SAMPLE, np.random.default_rng(1), n_cells, ["empty"] * n_cells)
    row = {"sample": SAMPLE}
    summary = summary_of(row, quality, verdict="excluded", reason="no cell is left", median_counts=NAN)
    losses = losses_of(SAMPLE, quality)
    for output, frame in (("quality", quality), ("sample_quality", summary), ("lineage_losses", losses)):
        write_table(frame, fabricated.path(output, SAMPLE))
    write_table(ambient_table().iloc[:0], fabricated.path("ambient", SAMPLE))
    cells = pd.read_parquet(fabricated.path("cells"))
    write_table(cells[cells["sample"] != SAMPLE], fabricated.path("cells"))
    _, sections = sample_page(fabricated.open(SAMPLE))
    assert [section.anchor for section in sections if section.failed] == []
    _, sections = _cohort_page(fabricated)
    assert [section.anchor for section in sections if section.failed] == []


@pytest.mark.parametrize(
    ("output", "failed"),
    [
        ("sample_quality", ["verdict", "ambient"]), ("lineage_losses", ["losses"]), ("ambient", ["ambient"]),
        ("quality_cuts", ["quality"]),
    ],
)  # fmt: skip
def test_a_missing_quality_table_is_told_by_the_sections_that_need_it(fabricated, output, failed):
    fabricated.path(output, SAMPLE).unlink()
    html, sections = sample_page(fabricated.open(SAMPLE))
    assert [section.anchor for section in sections if section.failed] == failed
    assert f"logs/assess_quality/{SAMPLE}.log" in html


def test_an_excluded_sample_is_a_row_and_is_told_first(fabricated):
    _change_sample(fabricated, verdict="excluded", reason="all 60 cells dropped: high_mito 60", n_kept=0)
    _change(fabricated, "quality", keep=False, reason="sample_excluded")
    html, sections = _cohort_page(fabricated)
    assert not any(section.failed for section in sections)
    made = {section.anchor: section for section in sections}
    told = "Excluded by their quality, so that none of their cells is used: "
    assert f"{told}{SAMPLE} (all 60 cells dropped: high_mito 60)." in html
    assert "No cell was kept, so these samples" not in html
    for anchor in ("samples", "sample-quality"):
        table = _of(made[anchor], Table)[0]
        verdicts = dict(zip(_texts(table, "sample"), _texts(table, "verdict"), strict=True))
        assert verdicts[SAMPLE] == "excluded"
        assert len(verdicts) >= 12
    box = _of(made["sample-quality"], Box)[0]
    assert box.tone == "excluded"


def test_the_pair_of_an_excluded_sample_is_no_pair(fabricated):
    before = design.count_pairs(fabricated.open())
    reason = "keeps 3 cells, fewer than 5; contamination not estimable (3 cells (nk 3): none has 20)"
    _change_sample(fabricated, verdict="excluded", reason=reason)
    after = design.count_pairs(fabricated.open())
    assert after == {**before, "before": before["before"] - 1}
    told = design.warnings(fabricated.open(), design.count_cells(fabricated.open()))
    assert any(line.endswith(f"{SAMPLE} (keeps 3 cells, fewer than 5).") for line in told)


def test_a_batch_that_lost_one_environment_to_exclusion_is_warned_of(fabricated):
    path = fabricated.path("samples")
    samples = read_table(path)
    blood = samples["sample"].str.startswith("p1_blood")
    write_table(samples.assign(verdict=samples["verdict"].mask(blood, "excluded")), path)
    results = fabricated.open(integration={"batch_column": "patient"})
    told = design.warnings(results, design.count_cells(results))
    assert any("1 of 3 values of batch hold one environment (p1: TIME)" in line for line in told)


def test_a_sample_that_was_never_assessed_is_a_row_too(fabricated):
    path = fabricated.path("samples")
    samples = read_table(path)
    write_table(samples[samples["sample"] != SAMPLE], path)
    table = _of(quality_cohort_section.sample_quality(fabricated.open()), Table)[0]
    verdicts = dict(zip(_texts(table, "sample"), _texts(table, "verdict"), strict=True))
    assert verdicts[SAMPLE] == design.NOT_ASSESSED
    assert len(verdicts) == 12


def test_samples_named_by_numbers_keep_their_names(fabricated):
    sheet = fabricated.sheet.assign(sample=[f"0{i}" for i in range(len(fabricated.sheet))])
    path = fabricated.path("samples")
    samples = read_table(path)
    write_table(samples.assign(sample=[f"0{i}" for i in range(len(samples))]), path)
    table = design.sample_table(type(fabricated)(fabricated.folder, sheet).open())
    assert table["sample"].to_list()[:2] == ["00", "01"]
    assert (table["verdict"] == "usable").all()


def test_the_cohort_tells_lost_lineages_and_the_samples_without_a_table(fabricated):
    path = fabricated.path("lineage_losses", SAMPLE)
    losses = read_table(path)
    warned = (losses["lineage"] == "neutrophil") & (losses["reason"] == "any")
    write_table(losses.assign(warning=np.where(warned, "too many", ""), fraction=0.5), path)
    fabricated.path("lineage_losses", "p3_tumour_after").unlink()
    section = quality_cohort_section.lineage_losses(fabricated.open())
    first, second = _of(section, Box)
    assert first.lines == (f"Neutrophil: in 1 of 11 samples ({SAMPLE} 50.0 % of 10).",)
    assert second.lines == ("No table of lineage losses: p3_tumour_after.",)
    (table,) = _of(section, Table)
    assert len(table.rows) == 1
    assert table.rows[0][0].href.endswith(f"cells/{SAMPLE}/lineage_losses.tsv")


def test_the_cohort_without_verdicts_says_so_in_one_section(fabricated):
    fabricated.path("samples").unlink()
    html, sections = _cohort_page(fabricated)
    assert [section.anchor for section in sections if section.failed] == ["sample-quality"]
    assert "logs/collect_samples.log" in html
