"""The three kinds of page and their sections in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stietime import names
from stietime.report import (
    sections_artefacts,
    sections_cells,
    sections_claims,
    sections_clones,
    sections_clusters,
    sections_copy_number,
    sections_directions,
    sections_distances,
    sections_evidence,
    sections_expression,
    sections_interactions,
    sections_overview,
    sections_patients,
    sections_preference,
    sections_profiles,
    sections_quality,
    sections_quality_cohort,
    sections_questions,
    sections_record,
    sections_sample,
    sections_section,
    sections_section_states,
    sections_spots,
    sections_statistics,
    sections_structures,
    sections_tissue,
    sections_verdict,
)
from stietime.report.build import make_sections, render_page
from stietime.report.design import environments
from stietime.report.labels import ENVIRONMENT_SHORT_NAMES

if TYPE_CHECKING:
    from stietime.report.blocks import Section
    from stietime.report.results import Results

COHORT = (
    sections_overview.summary,
    sections_overview.samples,
    sections_quality_cohort.sample_quality,
    sections_overview.quality,
    sections_quality_cohort.lineage_losses,
    sections_cells.embedding,
    sections_clusters.clusters,
    sections_cells.cell_types,
    sections_copy_number.copy_number,
    sections_cells.states,
    sections_evidence.evidence,
    sections_profiles.profiles,
    sections_preference.preference,
    sections_questions.questions,
    sections_statistics.contrasts,
    sections_expression.regulators,
    sections_directions.same_way,
    sections_clones.clones,
    sections_claims.claims,
    sections_claims.conflicts,
    sections_tissue.sections,
    sections_structures.niches,
    sections_patients.section_contrasts,
    sections_statistics.planted,
    sections_record.record,
)
SAMPLE = (
    sections_verdict.verdict,
    sections_sample.facts,
    sections_quality.quality,
    sections_quality.losses,
    sections_artefacts.erythroid,
    sections_artefacts.doublets,
    sections_artefacts.ambient,
    sections_sample.embedding,
    sections_sample.cell_types,
    sections_copy_number.copy_number_of_sample,
    sections_sample.states,
    sections_record.sample_settings,
)
SECTION = (
    sections_section.section_facts,
    sections_section.section_quality,
    sections_section.section_map,
    sections_section.section_cell_types,
    sections_section_states.section_states,
    sections_section.architecture,
    sections_structures.structures,
    sections_structures.infiltration,
    sections_structures.proximity,
    sections_section.neighbourhoods,
    sections_distances.effects,
    sections_section.co_occurrence,
    sections_distances.distances,
    sections_interactions.interactions,
    sections_record.tissue_settings,
)
# spots hold several cells: what counts cells has no place there
SPOT_SECTION = (
    sections_section.section_facts,
    sections_section.section_quality,
    sections_spots.spot_map,
    sections_spots.proportions,
    sections_spots.spot_architecture,
    sections_spots.neighbouring_types,
    sections_interactions.interactions,
    sections_spots.variable_genes,
    sections_record.tissue_settings,
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
