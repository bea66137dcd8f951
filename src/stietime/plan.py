"""What a run will make: the settings and the sample sheet, as the workflow's rules need them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stietime import __version__, names
from stietime.configuration import parse_settings
from stietime.planned_results import (
    PER_CELL_SECTION,
    PER_COHORT,
    PER_SAMPLE,
    PER_SECTION,
    PER_SPOT_SECTION,
)
from stietime.sample_sheet import read_sample_sheet
from stietime.settings import Section, Settings, expand_path

if TYPE_CHECKING:
    from stietime.sample import Sample

# Snakemake calls this with the wildcards of a job; text from a function is never read as a format string
Params = Callable[[Any], str]

NOTHING = r"(?!)"  # a pattern that matches no name


def read_samples(settings: Settings) -> tuple[Sample, ...]:
    """Read the sample sheet of a configuration; files that its simulation makes need not exist yet.

    Raises
    ------
    InputError
        All that is wrong with the sheet.
    """
    made_in = Path(settings.simulation.output_dir) if settings.simulation else None
    return read_sample_sheet(expand_path(settings.samples), made_in=made_in)


def _pattern(found: list[str]) -> str:
    return "|".join(map(re.escape, found)) or NOTHING


@dataclass(frozen=True)
class Plan:
    """Settings and samples of one run.

    Parameters
    ----------
    settings
        The validated configuration.
    samples
        The rows of the sample sheet.
    """

    settings: Settings
    samples: tuple[Sample, ...]

    @classmethod
    def from_config(cls, config: dict[str, Any], where: object = "the configuration") -> Plan:
        """Validate a configuration and read its sample sheet.

        Parameters
        ----------
        config
            The configuration as read from YAML, or as Snakemake hands it over.
        where
            The file it came from, for messages.

        Raises
        ------
        InputError
            The configuration or the sample sheet holds something that is not allowed.
        """
        settings = parse_settings(dict(config), where)
        samples = read_samples(settings)
        return cls(settings, samples)

    @property
    def version(self) -> str:
        """The package's version: a new one runs everything again, from the inputs on."""
        return __version__

    @property
    def outputs(self) -> names.Outputs:
        """The paths of every result."""
        return names.Outputs(self.settings.results_dir)

    @cached_property
    def cells(self) -> list[str]:
        """Names of the samples of dissociated cells."""
        return [sample.sample for sample in self.samples if sample.modality == names.CELLS]

    @cached_property
    def sections(self) -> list[str]:
        """Names of the tissue sections."""
        return [sample.sample for sample in self.samples if sample.modality == names.SECTION]

    @cached_property
    def spot_sections(self) -> list[str]:
        """Names of the tissue sections whose positions are spots of several cells."""
        return [sample.sample for sample in self.samples if sample.is_spots]

    @cached_property
    def _cell_sections(self) -> list[str]:
        return [name for name in self.sections if name not in self.spot_sections]

    @property
    def profiled(self) -> dict[str, list[str]]:
        """Counts and types of the cells that give profiles: dissociated cells, else sections of cells."""
        if self.cells:
            return {"counts": self.each_sample("counts"), "types": [self.outputs.cell_types]}
        kinds = {"counts": "section_counts", "types": "section_cell_types"}
        return {name: self.each_cell_section(kind) for name, kind in kinds.items()}

    @property
    def profiles(self) -> list[str]:
        """The profiles of types that spots are deconvolved by; none: marker sets must do."""
        known = self.profiled["counts"] or self.settings.annotation.method == "reference"
        return [self.outputs.type_profiles] if known and self.spot_sections else []

    @property
    def gene_sets(self) -> list[str]:
        """The file of further gene sets, if there is one: a change of it scores again."""
        own = self.settings.states.gene_sets
        return [str(expand_path(own))] if own else []

    @property
    def type_model(self) -> list[str]:
        """The model or the reference that cell types come from, if there is one."""
        path = self.settings.annotation.taken_from
        return [str(expand_path(path))] if path else []

    @property
    def sample_pattern(self) -> str:
        """Regular expression that matches the samples of cells and nothing else."""
        return _pattern(self.cells)

    @property
    def spot_pattern(self) -> str:
        """Regular expression that matches the sections of spots and nothing else."""
        return _pattern(self.spot_sections)

    @property
    def section_pattern(self) -> str:
        """Regular expression that matches the sections and nothing else."""
        return _pattern(self.sections)

    @cached_property
    def _by_name(self) -> dict[str, Sample]:
        return {sample.sample: sample for sample in self.samples}

    def _sample_of(self, wildcards: Any) -> Sample:  # noqa: ANN401 - Snakemake's wildcards
        return self._by_name[getattr(wildcards, "sample", None) or wildcards.section]

    def row(self, wildcards: Any) -> str:  # noqa: ANN401 - Snakemake's wildcards
        """Give the sample sheet's row of a job, as JSON."""
        return self._sample_of(wildcards).as_json()

    def source(self, wildcards: Any) -> list[str]:  # noqa: ANN401 - Snakemake's wildcards
        """Give the input files of a job."""
        return self._sample_of(wildcards).files

    def results(self, _wildcards: Any) -> str:  # noqa: ANN401 - Snakemake's wildcards
        """Give the folder of the results, for the steps that read many of them."""
        return self.settings.results_dir

    @property
    def sources(self) -> list[str]:
        """All input files, each once, in the order of the sheet."""
        receptors = [str(expand_path(sample.receptors)) for sample in self.samples if sample.receptors]
        return list(dict.fromkeys([path for s in self.samples for path in s.files] + receptors))

    def options(self, group: str = "") -> Params:
        """Make a function that gives one group of options as JSON, or all of them.

        Parameters
        ----------
        group
            Name of the group, such as `quality`; empty for the whole configuration.
        """
        chosen: Section = getattr(self.settings, group) if group else self.settings
        return lambda _wildcards: chosen.as_json()

    def flags(self, settings: str, *further: str) -> Callable[[Any], list[str]]:
        """Make a function that gives several groups of options as flags of a step, with their values.

        Parameters
        ----------
        settings
            The group that is the step's own, for `--settings`.
        further
            Other groups, each for the flag of its name, such as `--compute`.
        """
        groups = {"settings": self.options(settings)} | {name: self.options(name) for name in further}
        return lambda job: [word for name, give in groups.items() for word in (f"--{name}", give(job))]

    def each_sample(self, output: str) -> list[str]:
        """List the paths of one kind of result for every sample of cells."""
        return [getattr(self.outputs, output).format(sample=sample) for sample in self.cells]

    def each_section(self, output: str) -> list[str]:
        """List the paths of one kind of result for every section."""
        return [getattr(self.outputs, output).format(section=section) for section in self.sections]

    def each_cell_section(self, output: str) -> list[str]:
        """List the paths of one kind of result for every section whose positions are cells."""
        return [getattr(self.outputs, output).format(section=section) for section in self._cell_sections]

    def proportions_of(self, wildcards: Any) -> list[str]:  # noqa: ANN401 - Snakemake's wildcards
        """Give the shares of the types in a section's spots, if it is one of spots."""
        own = wildcards.section in self.spot_sections
        return [self.outputs.proportions.format(section=wildcards.section)] if own else []

    @property
    def ambient_corrected(self) -> list[str]:
        """The corrected values of every sample of cells, when they are asked for."""
        asked = self.settings.quality.ambient_correction != "none"
        return self.each_sample("ambient_corrected") if asked else []

    @property
    def validation(self) -> list[str]:
        """The tables that compare the cell types with those the files' authors gave, where they gave any."""
        given = self.settings.compares_given_types
        kinds = ("annotation_confusion", "annotation_scores", "annotation_calibration")
        return [getattr(self.outputs, kind) for kind in kinds] if given and self.cells else []

    def receptor_files(self, wildcards: Any) -> list[str]:  # noqa: ANN401 - Snakemake's wildcards
        """Give the file of a sample's receptors, if it has one."""
        path = self._sample_of(wildcards).receptors
        return [str(expand_path(path))] if path else []

    @property
    def clones(self) -> list[str]:
        """The receptors of every sample and the tables of clones, where sheet or files hold receptors."""
        named = any(sample.receptors for sample in self.samples)
        if not self.cells or not (named or self.settings.clones.in_cells):
            return []
        kinds = ("clonotypes", "clone_contrasts", "clones", "receptor_counts")
        return [*self.each_sample("receptors"), *(getattr(self.outputs, kind) for kind in kinds)]

    @property
    def spot_tables(self) -> dict[str, str]:
        """The tables that describe a section of spots, by name."""
        return self.outputs.named("architecture", "spots", *PER_SPOT_SECTION[1:])

    @property
    def niches(self) -> list[str]:
        """The tables of the niches of all sections of cells."""
        kinds = ("niches", "niche_numbers", "niche_shares") if self._cell_sections else ()
        return [getattr(self.outputs, kind) for kind in kinds]

    @property
    def truth(self) -> list[str]:
        """The table of planted values, when the cohort is simulated."""
        return [f"{self.settings.simulation.output_dir}/truth.tsv"] if self.settings.simulation else []

    @cached_property
    def tables(self) -> list[str]:
        """Every result but the reports and the record of the run."""
        reports = ("sample_report", "section_report")
        found = [path for kind in PER_SAMPLE if kind not in reports for path in self.each_sample(kind)]
        found += self.ambient_corrected
        found += [path for kind in PER_SECTION if kind not in reports for path in self.each_section(kind)]
        found += self.profiles + [path for name in self.sections for path in self._by_resolution(name)]
        if self.cells:
            found += [getattr(self.outputs, kind) for kind in PER_COHORT]
        found += self.validation
        found += self.clones
        if self.sections:
            found += [self.outputs.sections, self.outputs.section_contrasts]
            found += self.niches
        if self.truth and self.cells:
            found.append(self.outputs.planted)
        return found

    def report_inputs(self, wildcards: Any) -> list[str]:  # noqa: ANN401 - Snakemake's wildcards
        """List what the report of one sample or section is made of."""
        name = self._sample_of(wildcards).sample
        own = [kind for kind in (PER_SAMPLE if name in self.cells else PER_SECTION) if "report" not in kind]
        cohort = [getattr(self.outputs, kind) for kind in PER_COHORT if kind != "cohort"]
        paths = [getattr(self.outputs, kind).format(sample=name, section=name) for kind in own]
        if name in self.cells:
            return [*paths, *cohort]
        return [*paths, *self._by_resolution(name), *(self.niches if name not in self.spot_sections else [])]

    def _by_resolution(self, name: str) -> list[str]:
        kinds = PER_SPOT_SECTION if name in self.spot_sections else PER_CELL_SECTION
        return [getattr(self.outputs, kind).format(section=name) for kind in kinds]

    @property
    def targets(self) -> list[str]:
        """Every result, so that a deleted one is made again."""
        reports = [*self.each_sample("sample_report"), *self.each_section("section_report")]
        return [*self.tables, self.outputs.provenance, *reports, self.outputs.cohort_report]
