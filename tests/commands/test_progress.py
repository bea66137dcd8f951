"""Following a run of Snakemake."""

from __future__ import annotations

import sys

from stietime.commands.progress import Progress, follow

OUTPUT = """\
rule cluster:
    input: a
    wildcards: sample=p1
2 of 8 steps (25%) done
Error in rule annotate:
    jobid: 3
    log: {log} (check log file(s) for error details)
"""


def test_the_message_says_how_far_and_how_long():
    progress = Progress()
    for line in OUTPUT.splitlines():
        progress.read(line)
    assert progress.message(10) == "[  2/8] cluster p1  (about 30 s left)"
    assert list(progress.failed) == ["annotate"]


def test_a_failure_shows_the_last_words_of_the_log(tmp_path, capfd):
    log = tmp_path / "annotate.log"
    log.write_text("$ stietime step annotate\nno markers\n")
    code = f"import sys; print({OUTPUT.format(log=log)!r}); sys.exit(1)"
    assert follow([sys.executable, "-c", code], {}) == 1
    shown = capfd.readouterr().err
    assert "the step annotate failed" in shown
    assert "no markers" in shown
    assert str(log) in shown


def test_without_a_failed_rule_the_last_lines_are_shown(capfd):
    assert follow([sys.executable, "-c", "import sys; print('disk is full'); sys.exit(3)"], {}) == 3
    assert "disk is full" in capfd.readouterr().err
