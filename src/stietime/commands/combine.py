"""`stietime combine`: the results of several runs, combined by random effects per contrast and per claim."""

from __future__ import annotations

import datetime as dt
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stietime import __version__, names, storage
from stietime.commands.cohort_checks import check_apart, differing_options
from stietime.commands.cohort_folders import NEEDED, read_folders
from stietime.errors import InputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from stietime.commands.cohort_folders import CohortFolder
    from stietime.settings import Comparison

LOG = logging.getLogger(__name__)
DEFAULT_OUTPUT: Final = Path("combined")
RULES: Final = ("alpha", "equivalence_log_odds", "equivalence_score", "equivalence_log2_fold")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "results",
        nargs="+",
        type=Path,
        metavar="RESULTS",
        help="results folders of finished runs, one for each cohort",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=DEFAULT_OUTPUT,
        metavar="FOLDER",
        help="folder that receives the tables and index.html (default combined)",
    )
    parser.add_argument(
        "--names",
        nargs="+",
        default=[],
        metavar="NAME",
        help="names of the cohorts, in the order of the folders",
    )
    parser.add_argument(
        "--over-cancers",
        action="store_true",
        help="weigh claims about one cancer over all cancers, where at least one cohort has that cancer",
    )
    parser.add_argument(
        "--with-confounded",
        action="store_true",
        help="let confounded contrasts enter; no verdict rests on them",
    )


def run(arguments: argparse.Namespace) -> int:
    """Read the cohorts, combine them, and write the tables and the report once everything is made.

    Returns
    -------
    0 done.

    Raises
    ------
    InputError
        The folders cannot be combined; nothing is written.
    """
    from stietime.cohort.claims.verdicts import Margins
    from stietime.cohort.meta_analysis.claims import combine_claims
    from stietime.cohort.meta_analysis.questions import find_questions
    from stietime.cohort.meta_analysis.tables import combine_rows, gather_rows
    from stietime.report.combined import combined_page
    from stietime.report.combined_claims import Combined
    from stietime.resources import read_claims

    _check_output(arguments.output)
    found = read_folders(arguments.results, arguments.names)
    warnings = check_apart(found)
    rules, notice = strictest_rules(found)
    warnings += [notice] if notice else []
    cohorts = [one.cohort for one in found]
    questions = find_questions(cohorts)
    contrasts, rows = combine_rows(
        gather_rows(cohorts, questions, with_confounded=arguments.with_confounded), questions
    )
    margins = Margins(rules.equivalence_log_odds, rules.equivalence_score, rules.equivalence_log2_fold)
    known = read_claims()
    known = known[known["claim_id"].isin(set(cohorts[0].claims["claim_id"]))]
    claims = combine_claims(
        known,
        cohorts,
        questions,
        contrasts,
        alpha=rules.alpha,
        margins=margins,
        over_cancers=arguments.over_cancers,
    )
    combined = Combined(
        contrasts=contrasts,
        rows=rows,
        claims=claims,
        cohorts=[describe(one, arguments.output) for one in found],
        differing=differing_options(found),
        warnings=warnings,
        rules=rules,
        over_cancers=arguments.over_cancers,
        with_confounded=arguments.with_confounded,
    )
    page = combined_page(combined)
    for table, name in ((contrasts, "contrasts"), (rows, "cohorts"), (claims, "claims")):
        storage.write_table(table, arguments.output / f"{name}.tsv")
    storage.write_text(
        json.dumps(_record(arguments, found, warnings), indent=2) + "\n", arguments.output / "provenance.json"
    )
    storage.write_text(page, arguments.output / "index.html")
    for warning in warnings:
        LOG.warning("warning: %s", warning)
    LOG.info("%d claims: %s", len(claims), claims["verdict"].value_counts().to_dict())
    LOG.info("rests on: %s", claims["status"].value_counts().to_dict())
    print(f"report: {(arguments.output / 'index.html').resolve()}")  # noqa: T201 - the command's answer
    return 0


def _check_output(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        msg = "the output is a file"
        raise InputError(msg, folder, "name a folder")
    if (folder / names.OUTPUT_PATHS["contrasts"]).exists():
        msg = "the output folder holds the results of a run, whose record would be overwritten"
        raise InputError(msg, folder, "name another folder with --output")


def strictest_rules(cohorts: Sequence[CohortFolder]) -> tuple[Comparison, str]:
    """Choose the level and margins that verdicts are given by: the smallest of the runs.

    Parameters
    ----------
    cohorts
        The cohorts.

    Returns
    -------
    The options, and a sentence where the runs differ in them.
    """
    from stietime.settings import Comparison

    default = Comparison()
    values = {
        rule: [one.options.get(f"comparison.{rule}", getattr(default, rule)) for one in cohorts]
        for rule in RULES
    }
    chosen = Comparison.model_validate({rule: min(of) for rule, of in values.items()})
    differ = [f"{rule} {min(of)}" for rule, of in values.items() if len(set(of)) > 1]
    notice = (
        f"The runs differ in the rules of verdicts; the strictest are used: {', '.join(differ)}."
        if differ
        else ""
    )
    return chosen, notice


def describe(one: CohortFolder, output: Path) -> dict[str, Any]:
    """Gather what the report tells of a cohort.

    Parameters
    ----------
    one
        The cohort.
    output
        The folder of the report, from which its own report is linked.
    """
    samples = one.samples
    report = one.folder / names.OUTPUT_PATHS["cohort_report"]
    contrasts = one.cohort.contrasts
    pairs = contrasts.groupby("contrast", sort=False)["n_pairs"].max()
    return {
        "cohort": one.cohort.name,
        "what": str(one.options.get("report.title", "")),
        "patients": samples[names.PATIENT].nunique(),
        "samples": len(samples),
        "cells": int(samples["n_kept"].sum()),
        "most pairs": int(pairs.max()) if len(pairs) else 0,
        "environments": ", ".join(
            name for name in names.ENVIRONMENTS if name in set(samples[names.ENVIRONMENT])
        ),
        "cancers": ", ".join(sorted(set(samples["cancer"].astype(str)) - {""})),
        "platform": ", ".join(_chemistries(one.folder)),
        "contrasts": contrasts["contrast"].nunique(),
        "run on": str(one.record.get("date") or "")[:10],
        "version": str(one.record.get("stietime") or ""),
        "commit": str(one.record.get("git_commit") or "")[:10],
        "simulated": one.is_simulated,
        "report": _relative(report, output) if report.is_file() else "",
    }


def _relative(path: Path, folder: Path) -> str:
    return str(path.resolve().relative_to(folder.resolve(), walk_up=True))


def _chemistries(folder: Path) -> list[str]:
    """Read which chemistries the cells of a run were measured with, where its sheet says."""
    import pandas as pd
    import pyarrow.parquet as pq

    path = folder / names.OUTPUT_PATHS["cells"]
    if not path.is_file() or "chemistry" not in pq.read_schema(path).names:
        return []
    values = pd.read_parquet(path, columns=["chemistry"])["chemistry"].dropna().astype(str)
    return sorted(set(values) - {""})


def _record(
    arguments: argparse.Namespace, cohorts: Sequence[CohortFolder], warnings: list[str]
) -> dict[str, Any]:
    """Tell what was combined: versions, options, and the tables that were read with their checksums."""
    from stietime.steps.record_provenance import checksum, git_commit

    return {
        "stietime": __version__,
        "git_commit": git_commit(),
        "date": dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds"),
        "over_cancers": arguments.over_cancers,
        "with_confounded": arguments.with_confounded,
        "warnings": warnings,
        "cohorts": [
            {
                "cohort": one.cohort.name,
                "folder": str(one.folder),
                "stietime": one.record.get("stietime"),
                "git_commit": one.record.get("git_commit"),
                "config_sha256": one.record.get("config_sha256"),
                "tables": {name: checksum(one.folder / names.OUTPUT_PATHS[name]) for name in NEEDED},
            }
            for one in cohorts
        ],
    }
