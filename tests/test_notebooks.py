"""Every notebook runs on a small part of the demo's data, has something to show in every cell, and is stored without outputs."""

import shutil
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tigerlite.command_line import parse
from tigerlite.config import to_dict
from tigerlite.stages.pipeline import train
from tigerlite.stages.pipeline_config import PipelineConfig
from tigerlite.studies.records import append_record

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def variables(tmp_path_factory) -> dict[str, str]:
    """The demo on its first users with the small preset, twice, as the variables that name runs and a sweep to notebooks.

    MTGRec and weighted tokens, so that all notebooks have something to show; the runs differ in the pace of the curriculum.
    """
    names = ("demo.yaml", "models/mtgrec.yaml", "models/token_weighted.yaml", "hardware/cpu_small.yaml")
    flags = [f"--config={ROOT / 'configs' / name}" for name in names]
    flags += ["--prepare.demo.max_users=60", "--tokenize.rqvae.codebook_sizes=[32,32,32]", "--tokenize.rqvae.epochs=10"]
    sampling = "--pretrain.identifiers.sampling."
    flags += ["--tokenize.members=3", "--finetune.identifiers.central=2", "--pretrain.tiger.epochs=2"]
    flags += [f"{sampling}influence=directional", f"{sampling}warmup_epochs=1", f"{sampling}validation_share=1.0"]
    flags += ["--evaluate.ensemble=true", "--evaluate.free_beam=level"]
    folder = tmp_path_factory.mktemp("demo")
    slow, fast = folder / "slow", folder / "fast"
    for out, kappa in ((slow, 1.76), (fast, 4.4)):
        if out == fast:
            shutil.copytree(slow, fast)  # what comes before fine-tuning is the same
        config = parse(PipelineConfig, [*flags, f"--finetune.objective.curriculum.kappa={kappa}"], program="test")
        metrics = train(replace(config, out=out)).evaluation.metrics["tiger"]
        record = {"row": f"kappa={kappa}", "seed": 0, "config": to_dict(config), "metrics": metrics, "ranks": str(out)}
        append_record(folder / "sweep", record)
    sweep = str(folder / "sweep")
    return {"TIGERLITE_RUN": str(slow), "TIGERLITE_RUNS": f"{slow},{fast}", "TIGERLITE_SWEEP": sweep}


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_a_notebook_runs_from_top_to_bottom_and_has_everything_to_show(file, variables, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(file, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(file.parent)}}).execute()
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in shown)
    # A cell that has nothing to show says so in a sentence.
    values = [output["data"]["text/plain"] for output in shown if output["output_type"] == "execute_result"]
    assert [value for value in values if value.startswith(("'", '"'))] == []


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_is_short_and_stored_without_outputs(file):
    notebook = nbformat.read(file, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) <= 15
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
