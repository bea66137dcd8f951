"""The three kinds of page and their sections in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stietime import names
from stietime.report.build import make_sections, render_page
from stietime.report.design import environments
from stietime.report.labels import ENVIRONMENT_SHORT_NAMES
from stietime.report.sections import (
    artefacts,
    cells,
    claims,
    clones,
    clusters,
    copy_number,
    directions,
    distances,
    evidence,
    expression,
    interactions,
    overview,
    patients,
    preference,
    profiles,
    quality,
    quality_cohort,
    questions,
    record,
    sample,
    section,
    section_states,
    spots,
    statistics,
    structures,
    tissue,
    verdict,
)

if TYPE_CHECKING:
    from stietime.report.blocks import Section
    from stietime.report.results import Results

COHORT = (
    overview.summary,
    overview.samples,
    quality_cohort.sample_quality,
    overview.quality,
    quality_cohort.lineage_losses,
    cells.embedding,
    clusters.clusters,
    cells.cell_types,
    copy_number.copy_number,
    cells.states,
    evidence.evidence,
    profiles.profiles,
    preference.preference,
    questions.questions,
    statistics.contrasts,
    expression.regulators,
    directions.same_way,
    clones.clones,
    claims.claims,
    claims.conflicts,
    tissue.sections,
    structures.niches,
    patients.section_contrasts,
    statistics.planted,
    record.record,
)
SAMPLE = (
    verdict.verdict,
    sample.facts,
    quality.quality,
    quality.losses,
    artefacts.erythroid,
    artefacts.doublets,
    artefacts.ambient,
    sample.embedding,
    sample.cell_types,
    copy_number.copy_number_of_sample,
    sample.states,
    record.sample_settings,
)
SECTION = (
    section.section_facts,
    section.section_quality,
    section.section_map,
    section.section_cell_types,
    section_states.section_states,
    section.architecture,
    structures.structures,
    structures.infiltration,
    structures.proximity,
    section.neighbourhoods,
    distances.effects,
    section.co_occurrence,
    distances.distances,
    interactions.interactions,
    record.tissue_settings,
)
# spots hold several cells: what counts cells has no place there
SPOT_SECTION = (
    section.section_facts,
    section.section_quality,
    spots.spot_map,
    spots.proportions,
    spots.spot_architecture,
    spots.hotspots,
    spots.neighbouring_types,
    interactions.interactions,
    spots.variable_genes,
    record.tissue_settings,
)
HOME = "index.html"


def cohort_page(results: Results) -> tuple[str, tuple[Section, ...]]:
    """Make the report of the cohort.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    The page as HTML, and its sections.
    """
    made = make_sections(COHORT, results)
    n = results.samples[names.PATIENT].nunique()
    cells, sections = len(results.rows(names.CELLS)), len(results.rows(names.SECTION))
    kinds = [f"{cells} samples of cells"] * bool(cells) + [f"{sections} tissue sections"] * bool(sections)
    where = " and ".join(ENVIRONMENT_SHORT_NAMES.get(name, name) for name in environments(results.samples))
    subtitle = f"{where[:1].upper()}{where[1:]} of {n} patients: {' and '.join(kinds)}"
    return render_page(results, made, title=results.settings.report.title, subtitle=subtitle), made


def sample_page(results: Results) -> tuple[str, tuple[Section, ...]]:
    """Make the report of the sample that the results are named after; as `cohort_page`."""
    made = make_sections(SAMPLE, results)
    title = f"Sample {results.name}"
    return render_page(results, made, title=title, subtitle=_told(results), home=HOME), made


def section_page(results: Results) -> tuple[str, tuple[Section, ...]]:
    """Make the report of the tissue section that the results are named after; as `cohort_page`."""
    made = make_sections(SPOT_SECTION if results.has("proportions") else SECTION, results)
    title = f"Tissue section {results.name}"
    return render_page(results, made, title=title, subtitle=_told(results), home=HOME), made


def _told(results: Results) -> str:
    row = results.row
    wanted = (names.PATIENT, names.ENVIRONMENT, "tissue", names.TIMEPOINT, "cancer")
    known = [
        (key, str(row[key])) for key in wanted if row.get(key) not in (None, "") and row[key] == row[key]
    ]
    return ", ".join(f"{key} {value}" for key, value in known)
