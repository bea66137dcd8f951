"""`stietime simulate`: write a cohort with planted truth."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import pandas as pd
from pydantic import ValidationError

from stietime import storage
from stietime.errors import InputError
from stietime.settings import Simulation
from stietime.steps.arguments import add_settings

if TYPE_CHECKING:
    import argparse

LOG = logging.getLogger(__name__)
OPTIONS: Final = {  # word on the command line: option of the settings
    "output_dir": "output_dir",
    "patients": "n_patients",
    "cells": "n_cells_per_sample",
    "sections": "n_sections",
    "cells_per_section": "n_cells_per_section",
    "seed": "seed",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command; a single option goes before `--settings`."""
    add_settings(parser, Simulation)
    for word, option in OPTIONS.items():
        field = Simulation.model_fields[option]
        kind = str if option == "output_dir" else int
        text = f"{field.description} (default {field.default})"
        parser.add_argument(
            f"--{word.replace('_', '-')}", type=kind, metavar="DIR" if kind is str else "N", help=text
        )


def _chosen(arguments: argparse.Namespace) -> Simulation:
    given = {option: getattr(arguments, word) for word, option in OPTIONS.items()}
    changed = {option: value for option, value in given.items() if value is not None}
    try:
        return Simulation.model_validate({**arguments.settings.model_dump(), **changed})
    except ValidationError as error:
        words = {option: f"--{word.replace('_', '-')}" for word, option in OPTIONS.items()}
        what = "; ".join(
            f"{words[str(e['loc'][0])]}: {e['msg']} (found {e['input']!r})" for e in error.errors()
        )
        raise InputError(
            what, "stietime simulate", "see stietime simulate --help for what is allowed"
        ) from None


def _write_samples(options: Simulation, folder: Path) -> list[pd.DataFrame]:
    from stietime.simulate.cohort import design, simulate_sample
    from stietime.simulate.folder import receptor_file, sample_truth
    from stietime.simulate.receptors import airr_table

    truth = []
    for sample in design(options.n_patients):
        cells = simulate_sample(sample, options.n_cells_per_sample, options.seed)
        storage.write_cells(cells, folder / f"{sample.name}.h5ad")
        obs = cast("pd.DataFrame", cells.obs)
        storage.write_table(airr_table(obs, sample, options.seed), folder / receptor_file(sample.name))
        truth.append(sample_truth(obs, sample, options.seed))
    return truth


def _write_sections(options: Simulation, folder: Path) -> list[pd.DataFrame]:
    from stietime.simulate.folder import section_patient, section_truth
    from stietime.simulate.section import section_class, section_name, simulate_section

    truth = []
    for number in range(1, options.n_sections + 1):
        name, patient = section_name(number), section_patient(number, options.n_patients)
        n_cells = options.n_cells_per_section
        cells = simulate_section(section_class(number), n_cells, options.seed, name=name, patient=patient)
        storage.write_cells(cells, folder / f"{name}.h5ad")
        truth.append(section_truth(cast("pd.DataFrame", cells.obs), name, patient))
    return truth


def run(arguments: argparse.Namespace) -> int:
    """Write counts, sample sheet, configuration and truth into the output folder."""
    from stietime.simulate.folder import configuration, sample_sheet

    options = _chosen(arguments)
    folder = Path(options.output_dir)
    truth = pd.concat([*_write_samples(options, folder), *_write_sections(options, folder)])
    sheet = sample_sheet(options.n_patients, options.n_sections, options.output_dir)
    storage.write_table(sheet, folder / "samples.tsv")
    storage.write_text(configuration(options.model_dump(), options.output_dir), folder / "config.yaml")
    storage.write_table(truth, folder / "truth.tsv")
    LOG.info("%d samples and sections with planted truth are in %s", len(sheet), folder)
    return 0
