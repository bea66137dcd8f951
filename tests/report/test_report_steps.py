"""The steps and the command that write reports, as typed; and the report in a real browser."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.browser import open_page

from stietime.cli import main
from stietime.settings import Settings
from stietime.steps.report_cohort import known_samples

if TYPE_CHECKING:
    from pathlib import Path


def _settings(**changed) -> str:
    return json.dumps({"simulation": {}, "samples": "no_such_sheet.tsv", **changed})


def test_the_steps_write_what_they_are_asked_for(fabricated, caplog):
    caplog.set_level("INFO")
    folder = fabricated.folder / "reports"
    common = ["--results", str(fabricated.folder), "--settings", _settings()]
    assert main(["step", "report-cohort", *common, "--output", str(folder / "index.html")]) == 0
    assert (
        main(["step", "report-section", *common, "--section", "s1", "--output", str(folder / "s1.html")]) == 0
    )
    assert {path.name for path in folder.iterdir()} == {"index.html", "s1.html"}
    assert "index.html: 24 sections" in caplog.text


def _sheet_with(sample: str, path: Path) -> Settings:
    row = {"sample": sample, "patient": "px", "environment": "STIE", "modality": "cells", "format": "h5ad"}
    path.write_text("\t".join([*row, "path"]) + "\n" + "\t".join([*row.values(), "x.h5ad"]) + "\n")
    return Settings(samples=str(path))


def test_a_sample_sheet_of_another_run_is_not_used(whole, tmp_path):
    other = known_samples(_sheet_with("x", tmp_path / "other.tsv"), whole.folder)
    assert set(other["sample"]) == set(whole.sheet["sample"])
    own = known_samples(_sheet_with("p1_blood_before", tmp_path / "own.tsv"), whole.folder)
    assert own[["sample", "patient"]].to_numpy().tolist() == [["p1_blood_before", "px"]]


def test_a_run_is_reported_where_its_inputs_are_not(whole, tmp_path, caplog):
    settings = _sheet_with("p1_blood_before", tmp_path / "own.tsv")
    sheet = tmp_path / "own.tsv"
    sheet.write_text(sheet.read_text().replace("x.h5ad", "$NO_SUCH_VARIABLE_AT_ALL/x.h5ad"))
    found = known_samples(settings, whole.folder).set_index("sample")
    assert found.loc["p1_blood_before", ["patient", "batch"]].to_list() == ["p1", "b1"]
    assert "the sample sheet is not used" in caplog.text


def test_the_command_makes_every_report_anew_and_nothing_else(fabricated, tmp_path, capsys):
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"results_dir": str(fabricated.folder), "samples": "no_such_sheet.tsv"}))
    before = {path: path.stat().st_mtime_ns for path in fabricated.folder.rglob("*.parquet")}
    keep = {"p1_blood_before", "s1"}
    for path in [*fabricated.folder.glob("cells/*"), *fabricated.folder.glob("sections/*")]:
        if path.name not in keep:
            shutil.rmtree(path)
    assert main(["report", "--configfile", str(config)]) == 0
    made = {path.stem for path in (fabricated.folder / "reports").iterdir()}
    assert made == {*keep, "index"}
    assert capsys.readouterr().out.strip().endswith("reports/index.html")
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items() if path.exists())


def test_a_run_without_results_is_bad_input(tmp_path, capsys):
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"results_dir": str(tmp_path / "nothing")}))
    assert main(["report", "--configfile", str(config)]) == 2
    assert "there are no results of this configuration" in capsys.readouterr().err


@pytest.mark.slow
def test_a_sample_report_imports_no_heavy_library(whole, tmp_path):
    words = ["step", "report-sample", "--results", str(whole.folder), "--settings", _settings()]
    words += ["--sample", "p1_blood_before", "--output", str(tmp_path / "sample.html")]
    script = f"import sys; from stietime.cli import main; main({words!r});"
    script += "print([m for m in ('scanpy', 'numba', 'sklearn', 'matplotlib.pyplot') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
def test_a_browser_finds_no_error_and_asks_the_network_for_nothing(whole, browser, tmp_path):
    from stietime.report.pages import cohort_page, sample_page, section_page

    for make, name in ((cohort_page, ""), (sample_page, "p1_blood_before"), (section_page, "s1")):
        page = tmp_path / f"{name or 'index'}.html"
        page.write_text(make(whole.open(name))[0])
        opened = open_page(browser, page)
        assert opened.asked == []
        assert opened.complaints == []
        assert opened.image_widths
        assert all(width > 100 for width in opened.image_widths)


@pytest.mark.slow
def test_the_claims_can_be_filtered_searched_and_sorted(whole, browser, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select

    from stietime.report.pages import cohort_page

    page = tmp_path / "index.html"
    page.write_text(cohort_page(whole.open())[0])
    browser.get(page.as_uri())
    section = browser.find_element(By.ID, "claims")
    count = "return arguments[0].querySelectorAll('tbody tr:not([hidden])').length"
    assert browser.execute_script(count, section) == 516
    Select(section.find_element(By.TAG_NAME, "select")).select_by_visible_text("supported")
    supported = browser.execute_script(count, section)
    assert 0 < supported < 516
    section.find_element(By.CSS_SELECTOR, "input[type=search]").send_keys("treg")
    assert 0 < browser.execute_script(count, section) < supported
    button = section.find_element(By.XPATH, ".//th/button[text()='estimate']")
    for expected in (sorted, lambda values: sorted(values, reverse=True)):
        browser.execute_script("arguments[0].click()", button)
        values = browser.execute_script(
            "return [...arguments[0].querySelectorAll('tbody tr')].map(r => r.cells[2].dataset.value)",
            section,
        )
        numbers = [float(value) for value in values if value]
        assert numbers == expected(numbers)
        assert set(values[len(numbers) :]) == {""}  # what was not measured stands last either way


@pytest.mark.slow
def test_a_weighed_claim_opens_by_keyboard_and_without_a_script(whole, browser, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    from stietime.report.pages import cohort_page

    html = cohort_page(whole.open())[0]
    for script in (True, False):
        page = tmp_path / f"{script}.html"
        page.write_text(html if script else html.replace("<script>", "<template>"))
        browser.get(page.as_uri())
        section = browser.find_element(By.ID, "claims")
        assert len(section.find_elements(By.CSS_SELECTOR, "tbody tr")) == 516
        assert not section.find_elements(By.CSS_SELECTOR, "tbody .controls")
        assert bool(section.find_elements(By.CSS_SELECTOR, ".table > .controls")) == script
        opener = section.find_element(By.CSS_SELECTOR, "details.more > summary")
        drawing = section.find_element(By.CSS_SELECTOR, "details.more > svg")
        assert not drawing.is_displayed()
        browser.execute_script("arguments[0].focus()", opener)
        opener.send_keys(Keys.ENTER)
        assert drawing.is_displayed()
        assert drawing.size["width"] >= 500
