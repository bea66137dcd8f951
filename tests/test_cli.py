"""The command line as typed by a user."""

from __future__ import annotations

import subprocess
import sys

import pytest

from stietime import __version__, cli
from stietime.steps import STEPS


def typed(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stietime.cli", *words], capture_output=True, text=True, check=False
    )


def test_help_names_the_commands():
    done = typed("--help")
    assert done.returncode == 0
    for word in ("demo", "validate", "run", "step"):
        assert word in done.stdout


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from stietime import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('numpy', 'pandas', 'anndata', 'scanpy', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version():
    assert typed("--version").stdout.strip() == f"stietime {__version__}"


@pytest.mark.parametrize("step", STEPS)
def test_every_step_has_help(step):
    with pytest.raises(SystemExit) as caught:
        cli.main(["step", step, "--help"])
    assert caught.value.code == 0


def test_bad_settings_end_with_two_and_no_traceback(tmp_path):
    done = typed(
        *("step", "cluster", "--embedding", "a", "--graph", "b", "--output", str(tmp_path / "c.parquet")),
        *("--settings", '{"resolution": "fine"}'),
    )
    assert done.returncode == 2
    assert "resolution" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_input_of_a_step_ends_with_two(tmp_path):
    done = typed(
        *("step", "assess-quality", "--counts", str(tmp_path / "none.h5ad")),
        *("--output", str(tmp_path / "q.parquet"), "--cuts", str(tmp_path / "c.tsv")),
        *("--losses", str(tmp_path / "l.tsv"), "--ambient", str(tmp_path / "a.tsv")),
        *("--sample-quality", str(tmp_path / "s.tsv")),
    )
    assert done.returncode == 2
    assert "none.h5ad" in done.stderr
    assert "fix:" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_log_begins_with_the_command_line(tmp_path):
    done = typed(
        "step", "record-provenance", "--results", str(tmp_path), "--output", str(tmp_path / "p.json")
    )
    lines = done.stderr.splitlines()
    assert done.returncode == 0
    assert lines[0].startswith("$ stietime step record-provenance --results")
    assert lines[-1].startswith("done in ")


def test_init_writes_what_validates_but_for_the_paths(tmp_path):
    assert typed("init", str(tmp_path / "mine")).returncode == 0
    done = typed("validate", "--configfile", str(tmp_path / "mine" / "config.yaml"))
    assert done.returncode == 2
    assert "data/p1_blood.h5" in done.stderr
    assert "data/p1_tumour.h5" in done.stderr
    again = typed("init", str(tmp_path / "mine"))
    assert again.returncode == 2
    assert "the file exists" in again.stderr


def test_doctor_finds_this_installation_well():
    done = typed("doctor")
    assert done.returncode == 0, done.stdout
    assert "PROBLEM" not in done.stdout
