"""Which data sets a study's command means: chosen, given as a file, or all; presets are no data sets."""

from pathlib import Path

import pytest

from tigerlite.config import ConfigError
from tigerlite.studies.datasets import dataset_names, sets_data
from tigerlite.studies.plan import Study, StudyConfig

TWO = Study("s", Path(), StudyConfig(rows={"r": {}}, datasets={"yelp": {}, "office": {}}))
NONE = Study("s", Path(), StudyConfig(rows={"r": {}}))


@pytest.fixture
def flag(tmp_path):
    """A flag of a config file with this content."""

    def written(name: str, content: str) -> str:
        (tmp_path / name).write_text(content)
        return f"--config={tmp_path / name}"

    return written


def test_data_sets_are_the_chosen_the_given_or_all(flag):
    mine = flag("mine.yaml", "prepare: {reader: tabular}")
    assert dataset_names(TWO, None, []) == ["yelp", "office"]
    assert dataset_names(TWO, "office", []) == ["office"]
    assert dataset_names(TWO, None, [mine]) == ["mine"]
    assert dataset_names(NONE, "named", [mine]) == ["named"]
    with pytest.raises(ConfigError, match="data set 'ofice' is not in study 's'; known: yelp, office"):
        dataset_names(TWO, "ofice", [])
    with pytest.raises(ConfigError, match="study 's' names no data set; give its file"):
        dataset_names(NONE, None, [])


def test_a_preset_or_a_method_names_no_data_set(flag):
    preset = flag("paper_gpu.yaml", "trainer: {accelerator: gpu}")
    known = flag("office.yaml", "finetune: {}")  # by its name
    dotted = flag("dotted.yaml", "prepare.reader: tabular")
    assert dataset_names(TWO, None, [preset]) == ["yelp", "office"]
    assert dataset_names(TWO, None, [preset, known]) == ["office"]
    assert dataset_names(TWO, None, [preset, dotted, known]) == ["dotted"]
    with pytest.raises(ConfigError, match="names no data set"):
        dataset_names(NONE, None, [preset])


def test_a_broken_file_is_left_to_the_parser_and_a_missing_one_is_named(tmp_path, flag):
    flag("broken.yaml", "prepare: [")
    assert not sets_data(tmp_path / "broken.yaml")
    with pytest.raises(ConfigError, match="config file .*none.yaml does not exist"):
        sets_data(tmp_path / "none.yaml")
