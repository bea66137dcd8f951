"""The methods in words: true to the settings, to the steps that ran, and to what they cite."""

from __future__ import annotations

import re
import typing
from importlib.resources import files
from typing import Any

import pytest

from stietime import names
from stietime.report import methods
from stietime.report.methods import COHORT, OF_CELLS, OF_SECTIONS, REFERENCES, describe, paragraph
from stietime.settings import Settings

CAPTIONS = {
    name: files("stietime.report").joinpath("captions", f"{name}.txt").read_text(encoding="utf-8")
    for name, _ in COHORT
}
USED = sorted(
    {(name, *field) for name, text in CAPTIONS.items() for field in re.findall(r"\bs\.(\w+)\.(\w+)", text)}
)
# settings that a text names only where another setting has a value
WHERE = {
    "integration.batch_column": {"integration": {"method": "bbknn"}},
    "annotation.model": {"annotation": {"method": "celltypist", "model": "a.pkl"}},
    "annotation.reference": {"annotation": {"method": "reference", "reference": "a.h5ad"}},
    "states.aucell_share": {"states": {"score_method": "aucell"}},
    "states.n_controls": {"states": {"score_method": "mean_difference"}},
    "spatial.n_nearest": {"spatial": {"graph": "nearest"}},
    "spatial.max_edge_um": {"spatial": {"graph": "delaunay"}},
    "spatial.n_rings": {"spatial": {"graph": "grid"}},
    "interactions.n_density_levels": {"interactions": {"condition_on": "density"}},
    "spatial.mixed_above": {"spatial": {"class_scheme": "keren"}},
}
GIVEN = {
    ("annotation", "model"): "b.pkl",
    ("annotation", "reference"): "b.h5ad",
    ("integration", "target_counts"): 5000.0,
    ("quality", "ambient_correction"): "soupx",
    ("quality", "doublet_rate_per_1000_cells"): 0.01,
}


def changed(group: str, field: str, value: Any) -> Any:
    """Give another value that the option may have."""
    if (group, field) in GIVEN:
        return GIVEN[group, field]
    if isinstance(value, bool):
        return not value
    model = type(getattr(Settings(), group)).model_fields[field]
    choices = [choice for choice in typing.get_args(model.annotation) if isinstance(choice, str)]
    if choices:
        return next(choice for choice in choices if choice != value)
    if isinstance(value, int | float):
        return value + 1 if isinstance(value, int) else value * 0.9 or 1.0
    return value[:-1] if isinstance(value, tuple) else f"{value}x"


@pytest.mark.parametrize(("name", "group", "field"), USED, ids=str)
def test_a_changed_setting_changes_the_text(name, group, field):
    base = WHERE.get(f"{group}.{field}", {})
    before = Settings.model_validate(base)
    value = changed(group, field, getattr(getattr(before, group), field))
    after = Settings.model_validate({**base, group: {**base.get(group, {}), field: value}})
    assert paragraph(name, before) != paragraph(name, after)


def test_no_number_of_a_text_is_written_by_hand():
    for name, text in CAPTIONS.items():
        plain = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " ", text, flags=re.DOTALL)
        plain = re.sub(r"(19|20)\d\d\b|log1p|log2|CDR3|DESeq2", " ", plain)  # years of references, and names
        assert not re.findall(r"\d", plain), name


def test_every_citation_has_its_reference_and_every_reference_a_citation():
    text = " ".join(CAPTIONS.values())
    word = r"[A-ZÀ-Ž][\wà-ž]+"
    cited = re.findall(rf"{word}(?: {word})?(?: et al\.| and {word})? (?:19|20)\d\d", text)
    known = set(REFERENCES)
    assert {next((short for short in known if short in found), found) for found in cited} == known


def text_of(blocks):
    return " ".join(block.html for block in blocks if block.kind == "text")


def test_every_step_that_ran_is_described_and_no_other(fabricated):
    results = fabricated.open()
    described = text_of(describe(results, COHORT))
    told = {name for name, _ in COHORT if paragraph(name, results.settings) in described}
    ran = {name for name, output in COHORT if methods.has_run(results, output)}
    assert told == ran
    assert {"methods_cells", "methods_statistics", "methods_claims", "methods_sections"} <= ran
    assert "methods_clones" not in ran  # no receptors
    for output in ("claims", "copy_number", "embedding"):
        fabricated.path(output).unlink()
    left = text_of(describe(fabricated.open(), COHORT))
    for heading in ("Claims", "Copy numbers", "Embedding"):
        assert f"<strong>{heading}.</strong>" in described
        assert f"<strong>{heading}.</strong>" not in left
    clones = fabricated.path("clonotypes")
    clones.write_text("patient\n")
    assert "<strong>Clones.</strong>" in text_of(describe(fabricated.open(), COHORT))


def test_each_kind_of_page_tells_its_own_methods_with_versions(whole):
    sample = describe(whole.open("p1_blood_before"), OF_CELLS)
    section = describe(whole.open("s1"), OF_SECTIONS)
    assert "<strong>States.</strong>" in text_of(sample)
    assert "<strong>Sections.</strong>" not in text_of(sample)
    assert "<strong>Sections.</strong>" in text_of(section)
    assert "<strong>Cells.</strong>" not in text_of(section)
    for blocks in (sample, section):
        assert re.search(r"stietime [\d.]+\S*, Python 3\.\d+", text_of(blocks))
        assert re.search(r"numpy \d+\.\d+", text_of(blocks))
    cited = dict(sample[-1].items)
    assert "Andreatta and Carmona 2021" in cited
    assert all(short in text_of(sample) for short in cited)
    assert "Keren et al. 2018" not in cited
    keren = describe(whole.open("s1", spatial={"class_scheme": "keren"}), OF_SECTIONS)
    assert "Keren et al. 2018" in dict(keren[-1].items)
    assert all(output in names.OUTPUT_PATHS for _, output in COHORT)
