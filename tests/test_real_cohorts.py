"""The configurations of public data that ship, run whole on the real files."""

from __future__ import annotations

import os
from pathlib import Path

import anndata as ad
import pandas as pd
import pytest
from benchmarks.statistics_claims import counts_as_testable
from benchmarks.zilionis_types import OUR_GROUPS, UNMAPPED, authors_group
from tests.browser import open_page
from tests.tiny_cohort import stietime

ROOT = Path(__file__).parents[1]
pytestmark = [pytest.mark.data, pytest.mark.slow]


def run_dataset(name: str, folder: Path, data_dir: Path) -> Path:
    """Run a configuration that ships in a folder of its own; return its results."""
    (folder / "config").symlink_to(ROOT / "config")
    environment = {**os.environ, "STIETIME_DATA": str(data_dir)}
    config = f"config/datasets/{name}/config.yaml"
    done = stietime("run", "--configfile", config, "--cores", "2", cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    return folder / "results" / name


@pytest.fixture(scope="module")
def zilionis(tmp_path_factory, data_dir):
    return run_dataset("nsclc_zilionis2019", tmp_path_factory.mktemp("zilionis"), data_dir)


@pytest.fixture(scope="module")
def keren(tmp_path_factory, data_dir):
    return run_dataset("tnbc_keren2018", tmp_path_factory.mktemp("keren"), data_dir)


@pytest.fixture(scope="module")
def authors(zilionis):
    """The authors' type of every cell, under our cell ids."""
    files = sorted((zilionis / "cells").glob("*/counts.h5ad"))
    obs = pd.concat([ad.read_h5ad(file, backed="r").obs for file in files])
    return pd.Series(obs["source_Major.cell.type"].astype(str).to_numpy(), index=obs.index.astype(str))


def test_zilionis_lineages_agree_with_the_authors(zilionis, authors):
    cells = pd.read_parquet(zilionis / "cohort" / "cells.parquet").set_index("cell")
    known = authors[~authors.isin(UNMAPPED)]
    assert len(known) == 298
    ours = cells["lineage"].reindex(known.index)
    agree = ours.map(lambda lineage: OUR_GROUPS.get(lineage, lineage)) == known.map(authors_group)
    assert agree.mean() >= 0.93, agree.mean()


def test_zilionis_every_neutrophil_of_the_authors_is_kept(zilionis, authors):
    files = (zilionis / "cells").glob("*/quality.parquet")
    quality = pd.concat([pd.read_parquet(file) for file in files]).set_index("cell")
    neutrophils = authors.index[authors.isin(["bNeutrophils", "tNeutrophils"])]
    assert len(neutrophils) == 16
    assert quality.loc[neutrophils, "keep"].all()


def test_zilionis_claims_state_their_n(zilionis):
    claims = pd.read_csv(zilionis / "cohort" / "claims.tsv", sep="\t")
    weighed = claims[claims["verdict"] != "not testable"]
    assert len(claims) == 516
    assert len(weighed)
    assert (weighed["n_patients"] >= 3).all()
    assert (
        not claims.loc[claims["context"] != "baseline", "verdict"].isin(["supported", "contradicted"]).any()
    )


def test_zilionis_claims_on_cells_are_weighed(zilionis):
    claims = pd.read_csv(zilionis / "cohort" / "claims.tsv", sep="\t")
    contrasts = pd.read_csv(zilionis / "cohort" / "contrasts.tsv", sep="\t")
    rows = claims[counts_as_testable(claims, contrasts)]
    assert len(rows) == 16
    assert set(rows["design"]) == {"stie_vs_time"}
    weighed = rows[rows["verdict"] != "not testable"]
    assert len(weighed) / len(rows) >= 0.8
    assert (weighed["n_pairs"] >= 3).all()
    assert weighed[["power", "detectable", "p_equivalence"]].notna().all(axis=None)
    # two to eight cells of blood in most patients: nothing may be called equal
    assert not (weighed["verdict"] == "equivalent").any()
    blocked = rows.loc[rows["verdict"] == "not testable", ["entity_id", "why"]]
    assert set(blocked["entity_id"]) <= {"basophil", "eosinophil", "mono_cd16"}
    assert blocked["why"].isin(["platform", "cells", "patients"]).all()


def test_zilionis_report_opens_offline(zilionis, browser):
    for name in ("index", "p1_blood"):
        opened = open_page(browser, zilionis / "reports" / f"{name}.html")
        assert opened.asked == []
        assert opened.complaints == []
        assert opened.image_widths
        assert all(width > 100 for width in opened.image_widths)
    text = (zilionis / "reports" / "index.html").read_text()
    assert "could not be made" not in text


def test_keren_architecture_agrees_with_the_published_class(keren):
    sections = pd.read_csv(keren / "cohort" / "sections.tsv", sep="\t")
    assert len(sections) == 20
    assert (sections["class_keren"] == sections["published_class"]).sum() >= 17


def test_keren_reports_open_offline(keren, browser):
    for name in ("index", "tnbc_01"):
        opened = open_page(browser, keren / "reports" / f"{name}.html")
        assert opened.asked == []
        assert opened.complaints == []
        assert all(width > 100 for width in opened.image_widths)
