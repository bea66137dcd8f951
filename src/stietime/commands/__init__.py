"""One module per user command; each offers `add_arguments(parser)` and `run(arguments) -> exit code`."""

from __future__ import annotations

from typing import Final

COMMANDS: Final = {
    "demo": "simulate a small cohort, run the whole chain on it and say where the report is",
    "init": "write a config and a sample sheet to start from",
    "validate": "check the config, the sample sheet and every input file without running",
    "run": "run the whole chain, here or on a cluster",
    "report": "make the reports of a finished run anew",
    "combine": "combine the results of several runs, per contrast and per claim (meta-analysis)",
    "simulate": "write a cohort with planted truth",
    "settings": "write the schema and the option table that are generated from the settings",
    "doctor": "check this installation and say what is missing",
}


def module_name(command: str) -> str:
    """Name the module of a command."""
    return f"stietime.commands.{command}"
