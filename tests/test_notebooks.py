"""Every notebook runs on a small part of the demo's data and is stored without outputs."""

from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tigerlite.config import parse
from tigerlite.stages.pipeline import train
from tigerlite.stages.pipeline_config import PipelineConfig

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def demo_run(tmp_path_factory) -> Path:
    """The demo on its first users with the small preset: MTGRec, so that all notebooks have something to show."""
    files = [ROOT / "configs" / name for name in ("demo.yaml", "models/mtgrec.yaml", "hardware/cpu_small.yaml")]
    flags = ["--prepare.demo.max_users=60", "--tokenize.rqvae.codebook_sizes=[32,32,32]", "--tokenize.rqvae.epochs=10"]
    sampling = "--pretrain.identifiers.sampling."
    flags += ["--tokenize.members=3", "--finetune.identifiers.central=2", "--pretrain.tiger.epochs=2"]
    flags += [f"{sampling}influence=directional", f"{sampling}warmup_epochs=1", f"{sampling}validation_share=1.0"]
    flags += ["--evaluate.ensemble=true", "--evaluate.free_beam=level"]
    config = parse(PipelineConfig, [*(f"--config={file}" for file in files), *flags], program="test")
    config = replace(config, out=tmp_path_factory.mktemp("demo") / "run")
    train(config)
    return config.out


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_a_notebook_runs_from_top_to_bottom(file, demo_run, monkeypatch):
    monkeypatch.setenv("TIGERLITE_RUN", str(demo_run))
    notebook = nbformat.read(file, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(file.parent)}}).execute()
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in shown)


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_is_short_and_stored_without_outputs(file):
    notebook = nbformat.read(file, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) <= 15
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
