"""Settings: what is allowed, how mistakes are told, and that generated files have not drifted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from stietime.commands import settings as settings_command
from stietime.configuration import parse_settings, read_settings
from stietime.errors import CombinedInputError, InputError
from stietime.settings import Quality, Section, Settings

ROOT = Path(__file__).parents[1]


def groups(model: type[Section] = Settings):
    yield model
    for field in model.model_fields.values():
        for candidate in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(candidate, type) and issubclass(candidate, Section):
                yield from groups(candidate)


def test_the_schema_has_not_drifted():
    written = (ROOT / "config" / "config.schema.json").read_text()
    assert written == settings_command.schema_text(), "run `stietime settings --write`"


def test_the_option_table_has_not_drifted():
    readme = (ROOT / "config" / "README.md").read_text()
    assert readme == settings_command.with_table(readme), "run `stietime settings --write`"


def test_the_readme_has_no_level_one_heading():
    lines = (ROOT / "config" / "README.md").read_text().splitlines()
    assert not [line for line in lines if line.startswith("# ")]


@pytest.mark.parametrize("model", list(groups()), ids=lambda model: model.__name__)
def test_every_option_is_described_in_one_sentence(model):
    for name, field in model.model_fields.items():
        candidates = (field.annotation, *getattr(field.annotation, "__args__", ()))
        if any(isinstance(c, type) and issubclass(c, Section) for c in candidates):
            continue
        assert field.description, f"{model.__name__}.{name}"
        assert field.description.endswith("."), f"{model.__name__}.{name}"
        assert ". " not in field.description, f"{model.__name__}.{name}"


@pytest.mark.parametrize("path", [ROOT / "config/config.yaml", *ROOT.glob("config/datasets/*/config.yaml")])
def test_configurations_that_ship_are_valid(path):
    assert read_settings(path).samples


def test_a_typo_names_the_option_and_what_is_allowed(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("clustering:\n  resolutoin: 1.5\n")
    with pytest.raises(InputError) as caught:
        read_settings(path)
    assert "clustering.resolutoin" in caught.value.what
    assert "1.5" in caught.value.what
    assert str(path) == caught.value.where
    assert "resolution" in caught.value.fix


def test_all_mistakes_are_told_at_once():
    content = {"qualty": {}, "integration": {"n_components": "many"}, "clustering": {"resolution": -1}}
    with pytest.raises(CombinedInputError) as caught:
        parse_settings(content, "config.yaml")
    assert len(caught.value.errors) == 3
    for word in ("qualty", "n_components", "'many'", "clustering.resolution", "-1"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("text", "word"),
    [("- a\n- b\n", "no options"), ("a: [1\n", "not valid YAML"), ("a: b: c\n", "not valid YAML")],
)
def test_files_that_are_no_configuration(tmp_path, text, word):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=word):
        read_settings(path)


def test_a_missing_configuration(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_settings(tmp_path / "none.yaml")


def test_settings_are_frozen_and_survive_the_command_line():
    quality = Quality(min_counts=7)
    with pytest.raises(ValueError, match="frozen"):
        quality.min_counts = 8  # type: ignore[misc]
    assert Quality.model_validate_json(quality.as_json()) == quality


def test_simulated_files_and_results_must_be_apart():
    content = {"results_dir": "x", "simulation": {"output_dir": "x"}}
    with pytest.raises(InputError, match="different folders"):
        parse_settings(content, "config.yaml")


def test_the_schema_accepts_what_ships():
    schema = json.loads((ROOT / "config" / "config.schema.json").read_text())
    demo = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    assert set(demo) <= set(schema["properties"])
    assert schema["additionalProperties"] is False
