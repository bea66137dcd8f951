"""What stands beside the simulated counts: the sample sheet, the configuration and the truth."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Final

import pandas as pd

from stietime import names, resources
from stietime.simulate.cohort import Sample, batch_of, design, planned_composition
from stietime.simulate.reference import read_populations
from stietime.simulate.section import section_name

if TYPE_CHECKING:
    from collections.abc import Mapping

ALL: Final = "all"
LEVELS: Final = ("lineage", "cell_type", "state")
TRUTH_COLUMNS: Final = (
    *("sample", "patient", "environment", "timepoint", "entity", "level", "parent", "n", "n_parent"),
    *("fraction", "planted_fraction"),
)


def section_patient(number: int, n_patients: int) -> str:
    """Name the patient of a section by the section's number, from 1: the patients in turn."""
    return f"p{(number - 1) % n_patients + 1}"


def _row(
    sample: str, patient: str, environment: str, timepoint: str, modality: str, output_dir: str
) -> dict[str, str]:
    return {
        "sample": sample,
        "patient": patient,
        "environment": environment,
        "tissue": "blood" if environment == names.STIE else "lung tumour",
        "modality": modality,
        "format": "h5ad",
        "path": f"{output_dir}/{sample}.h5ad",
        "batch": batch_of(patient),
        "chemistry": "simulated",
        "species": "human",
        "cancer": "NSCLC",
        "timepoint": timepoint,
        "treatment": "immunotherapy",
        "response": "",
        "receptors": f"{output_dir}/{receptor_file(sample)}" if modality == names.CELLS else "",
    }


def receptor_file(sample: str) -> str:
    """Name the file of a sample's T-cell receptors."""
    return f"{sample}_airr.tsv"


def sample_sheet(n_patients: int, n_sections: int, output_dir: str) -> pd.DataFrame:
    """Write down the samples and sections of a cohort as a sample sheet.

    Parameters
    ----------
    n_patients
        Number of patients, each with four samples.
    n_sections
        Number of sections; section k belongs to patient k (and so on in turn).
    output_dir
        Folder of the files, as it shall stand in the sheet.
    """
    rows = [
        _row(sample.name, sample.patient, sample.environment, sample.timepoint, names.CELLS, output_dir)
        for sample in design(n_patients)
    ]
    for number in range(1, n_sections + 1):
        patient = section_patient(number, n_patients)
        rows.append(_row(section_name(number), patient, names.TIME, "before", names.SECTION, output_dir))
    return pd.DataFrame(rows)


def configuration(options: Mapping[str, object], output_dir: str) -> str:
    """Write the configuration of a run on a simulated cohort, as YAML.

    Parameters
    ----------
    options
        The options of the simulation.
    output_dir
        Folder of the files, as it shall stand in the configuration.
    """
    lines = [
        "# A simulated cohort with planted truth: no patient's data.",
        f"samples: {json.dumps(f'{output_dir}/samples.tsv')}",
        "results_dir: results",
        "simulation:",
        *(f"  {name}: {json.dumps(value)}" for name, value in options.items()),
    ]
    return "\n".join(lines) + "\n"


@functools.cache
def state_parents() -> dict[str, str]:
    """Give the parent of each state that is planted, as the marker table has it."""
    markers = resources.read_markers().drop_duplicates("set_id").set_index("set_id")
    return {state: str(markers.loc[state, "parent"]) for state in names.STATES}


def _sums(values: pd.Series, populations: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Sum values of populations by lineage, cell type and state; keys are (level, entity)."""
    grouped = {level: values.groupby(populations[level].reindex(values.index)).sum() for level in LEVELS}
    return {
        (level, str(entity)): float(value)
        for level, sums in grouped.items()
        for entity, value in sums.items()
        if entity
    }


def _parent_sum(sums: Mapping[tuple[str, str], float], parent: str) -> float:
    """Look up a parent: all, a lineage, or a cell type."""
    if parent == ALL:
        return sum(value for (level, _), value in sums.items() if level == "lineage")
    return sums["lineage", parent] if ("lineage", parent) in sums else sums["cell_type", parent]


def sample_truth(obs: pd.DataFrame, sample: Sample, seed: int) -> pd.DataFrame:
    """Count what a sample truly holds; doublets and dying cells are left out.

    Parameters
    ----------
    obs
        Truth of the cells, as `simulate_sample` gives it.
    sample
        The sample.
    seed
        Seed of the cohort, from which the planted probabilities follow.

    Returns
    -------
    One row per lineage, cell type and state: n, parent (all, or the parent of the state), n_parent, fraction
    (missing where there is no parent), and planted_fraction, the probability the cells were drawn with.
    """
    populations = read_populations()
    cells = obs.loc[obs["true_kind"] == "cell", "true_population"]
    counted = _sums(cells.value_counts().reindex(populations.index, fill_value=0), populations)
    planted = _sums(planned_composition(sample, seed), populations)
    facts = (sample.name, sample.patient, sample.environment, sample.timepoint)
    rows = []
    for (level, entity), n in counted.items():
        parent = state_parents()[entity] if level == "state" else ALL
        whole, planted_whole = _parent_sum(counted, parent), _parent_sum(planted, parent)
        fraction = n / whole if whole else None
        planted_fraction = planted[level, entity] / planted_whole if planted_whole else None
        rows.append((*facts, entity, level, parent, int(n), int(whole), fraction, planted_fraction))
    return pd.DataFrame(rows, columns=list(TRUTH_COLUMNS)).round({"fraction": 6, "planted_fraction": 6})


def section_truth(obs: pd.DataFrame, name: str, patient: str) -> pd.DataFrame:
    """Write down the planted class of a section: one row, level `section_class`.

    Parameters
    ----------
    obs
        Truth of the cells, as `simulate_section` gives it.
    name, patient
        Name of the section and of its patient.
    """
    entity = str(obs["true_class"].iloc[0])
    facts = (name, patient, names.TIME, "before", entity, "section_class", ALL)
    return pd.DataFrame([(*facts, len(obs), len(obs), None, None)], columns=list(TRUTH_COLUMNS))
