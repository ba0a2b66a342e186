"""The stage `encode`: its three sources, resuming by shard, and one process under torchrun."""

import logging
import os
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest

from tests.encoders.tiny_models import WORDS, save_bert
from tigerlite.config import ConfigError, InputError, from_dict
from tigerlite.data.dataset import RecDataset
from tigerlite.encoders.attributes import AttributesConfig, encode_attributes
from tigerlite.encoders.module import EmbeddingEncoder
from tigerlite.encoders.text import TextEncoderConfig, encode_texts
from tigerlite.stages import encode, text_shards
from tigerlite.stages.encode import EncodeConfig, FileConfig
from tigerlite.stages.trainer_config import Context, TrainerConfig

CPU = Context(trainer=TrainerConfig(accelerator="cpu", progress=False))


def catalogue(texts=None, attributes=None):
    """Fifty items that one user has interacted with."""
    names = [f"item {number}" for number in range(50)]
    return RecDataset(
        items=np.arange(1, 51, dtype=np.int32),
        offsets=np.array([0, 50]),
        train_ends=np.array([48]),
        validation=np.array([[0, 48]]),
        test=np.array([[0, 49]]),
        user_ids=["user"],
        item_ids=names,
        titles=names,
        texts=texts,
        attributes=attributes,
    )


@pytest.fixture(scope="module")
def texts():
    generator = np.random.default_rng(0)
    return [" ".join(generator.choice(WORDS, generator.integers(1, 12))) for _ in range(50)]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    model = save_bert(tmp_path_factory.mktemp("model"))
    text = TextEncoderConfig(preset="none", model=model, max_tokens=16, batch_tokens=32, shard_size=16)
    return EncodeConfig(text=text)


@pytest.fixture
def stop_at_batch(monkeypatch):
    """Makes the encoder raise what it is given at the given batch, as a crash or Ctrl-C would."""

    def arrange(stop, error):
        original = EmbeddingEncoder.predict_step

        def predict_step(self, batch, batch_idx):
            if batch_idx == stop:
                raise error
            return original(self, batch, batch_idx)

        monkeypatch.setattr(EmbeddingEncoder, "predict_step", predict_step)

    return arrange


def test_stage_equals_encoding_in_one_go_and_loads_again(tmp_path, config, texts):
    embeddings = encode.run(config, catalogue(texts), out=tmp_path, context=CPU)
    np.testing.assert_allclose(embeddings.matrix, encode_texts(texts, config.text), atol=1e-5)
    assert encode.load(tmp_path).fingerprint == embeddings.fingerprint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["embeddings.json", "embeddings.npy"]


def test_interrupted_run_continues_and_ends_with_the_same_numbers(tmp_path, config, texts, stop_at_batch, monkeypatch):
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    whole = encode.run(config, catalogue(texts), out=tmp_path / "whole", context=CPU)
    # about 8 batches per shard of 16 texts: batch 20 is in the middle of the third of four shards
    with monkeypatch.context():
        stop_at_batch(20, RuntimeError("power failure"))
        with pytest.raises(RuntimeError, match=r"power failure"):
            encode.run(config, catalogue(texts), out=tmp_path / "cut", context=CPU)
    monkeypatch.undo()
    finished = sorted((tmp_path / "cut" / "shards").iterdir())
    assert 1 <= len(finished) <= 3
    stamps = [path.stat().st_mtime_ns for path in finished]

    encoded = []
    original = EmbeddingEncoder.predict_step

    def count(self, batch, batch_idx):
        encoded.append(len(batch.rows))
        return original(self, batch, batch_idx)

    monkeypatch.setattr(EmbeddingEncoder, "predict_step", count)
    monkeypatch.setattr(encode.shutil, "rmtree", lambda *arguments, **options: None)
    again = encode.run(config, catalogue(texts), out=tmp_path / "cut", context=CPU)
    np.testing.assert_array_equal(again.matrix, whole.matrix)
    assert [path.stat().st_mtime_ns for path in finished] == stamps
    assert sum(encoded) == len(texts) - 16 * len(finished)


def test_shards_of_other_texts_or_settings_are_not_used(tmp_path, config, texts, stop_at_batch, monkeypatch):
    stop_at_batch(20, RuntimeError("power failure"))
    with pytest.raises(RuntimeError, match=r"power failure"):
        encode.run(config, catalogue(texts), out=tmp_path, context=CPU)
    monkeypatch.undo()
    others = ["drum", *texts[1:]]
    embeddings = encode.run(config, catalogue(others), out=tmp_path, context=CPU)
    np.testing.assert_allclose(embeddings.matrix, encode_texts(others, config.text), atol=1e-5)
    assert not np.allclose(embeddings.matrix[0], encode_texts(texts[:1], config.text)[0], atol=1e-2)


def test_half_written_shard_is_not_taken_for_a_finished_one(tmp_path, config, texts, monkeypatch):
    def fail(source, target):
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(text_shards.os, "replace", fail)
    with pytest.raises(OSError, match=r"No space left"):
        encode.run(config, catalogue(texts), out=tmp_path, context=CPU)
    monkeypatch.undo()
    assert [path.name[:5] for path in (tmp_path / "shards").iterdir()] == ["part-"]
    embeddings = encode.run(config, catalogue(texts), out=tmp_path, context=CPU)
    np.testing.assert_allclose(embeddings.matrix, encode_texts(texts, config.text), atol=1e-5)


def test_ctrl_c_is_a_keyboard_interrupt_and_the_next_one_still_works(tmp_path, config, texts, stop_at_batch):
    handler = signal.getsignal(signal.SIGINT)
    stop_at_batch(3, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        encode.run(config, catalogue(texts), out=tmp_path, context=CPU)
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize("launcher", ["torchrun", "fabric"])
def test_rank_zero_runs_alone_where_a_launcher_announced_two_processes(tmp_path, config, texts, monkeypatch, launcher):
    announced = {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "GROUP_RANK": "0",
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29999",
        "TORCHELASTIC_RUN_ID": "run",
    }
    if launcher == "fabric":
        announced |= {"LT_CLI_USED": "1", "LT_DEVICES": "2", "LT_STRATEGY": "ddp", "LT_ACCELERATOR": "cpu"}
    for name, value in announced.items():
        monkeypatch.setenv(name, value)
    embeddings = encode.run(config, catalogue(texts), out=tmp_path, context=CPU)
    np.testing.assert_allclose(embeddings.matrix, encode_texts(texts, config.text), atol=1e-5)
    # the training stages that follow must find what the launcher announced
    assert {name: os.environ.get(name) for name in announced} == announced


def test_progress_is_a_bar_on_a_terminal_and_plain_lines_elsewhere(
    tmp_path, config, texts, capsys, caplog, monkeypatch
):
    caplog.set_level(logging.INFO, logger="tigerlite")
    bar = Context(trainer=TrainerConfig(accelerator="cpu"))
    (tmp_path / "plain").mkdir()
    encode.run(config, catalogue(texts), out=tmp_path / "plain", context=bar)
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("encoded")]
    assert len(lines) == 4
    assert lines[-1].startswith("encoded 50 of 50 items")
    assert "Predicting" not in capsys.readouterr().out
    monkeypatch.setattr(text_shards.sys.stdout, "isatty", lambda: True, raising=False)
    (tmp_path / "bar").mkdir()
    encode.run(config, catalogue(texts), out=tmp_path / "bar", context=bar)
    assert "it/s" in capsys.readouterr().out


def test_attributes_need_no_text_and_no_model(tmp_path):
    attributes = [[f"genre {number % 7}", f"brand {number % 5}"] for number in range(50)]
    config = EncodeConfig(method="attributes", attributes=AttributesConfig(dimensions=6))
    embeddings = encode.run(config, catalogue(attributes=attributes), out=tmp_path)
    np.testing.assert_array_equal(embeddings.matrix, encode_attributes(attributes, config.attributes))


def test_a_file_is_taken_row_by_row(tmp_path):
    matrix = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    np.save(tmp_path / "mine.npy", matrix)
    config = EncodeConfig(method="file", file=FileConfig(path=tmp_path / "mine.npy"))
    np.testing.assert_array_equal(encode.run(config, catalogue(), out=tmp_path).matrix, matrix)


def test_a_file_s_rows_can_be_named(tmp_path):
    data, matrix = catalogue(), np.random.default_rng(0).standard_normal((52, 3)).astype(np.float32)
    order = np.random.default_rng(1).permutation(52)
    names = [*data.item_ids, "other", "another"]
    np.save(tmp_path / "mine.npy", matrix[order])
    (tmp_path / "ids.txt").write_text("".join(f"{names[row]}\n" for row in order))
    config = EncodeConfig(method="file", file=FileConfig(path=tmp_path / "mine.npy", ids=tmp_path / "ids.txt"))
    np.testing.assert_array_equal(encode.run(config, data, out=tmp_path).matrix, matrix[:50])
    first = encode.source(config).fingerprint
    (tmp_path / "ids.txt").write_text("".join(f"{name}\n" for name in names))
    assert encode.source(config).fingerprint != first
    (tmp_path / "ids.txt").write_text("".join(f"{name}\n" for name in names[1:]))
    with pytest.raises(InputError, match=r"ids.txt names 51 items but .*mine.npy has 52 rows"):
        encode.run(config, data, out=tmp_path)


def test_a_file_with_wrong_rows_or_nan_is_refused_and_nothing_is_written(tmp_path):
    config = EncodeConfig(method="file", file=FileConfig(path=tmp_path / "mine.npy"))
    with pytest.raises(InputError, match=r"mine.npy does not exist"):
        encode.run(config, catalogue(), out=tmp_path)
    np.save(tmp_path / "mine.npy", np.ones((49, 3)))
    with pytest.raises(InputError, match=r"embeddings have 49 rows but the data set has 50 items"):
        encode.run(config, catalogue(), out=tmp_path)
    np.save(tmp_path / "mine.npy", np.full((50, 3), np.nan))
    with pytest.raises(InputError, match=r"NaN or infinity in 50 of 50 rows"):
        encode.run(config, catalogue(), out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.npy"]


def test_a_file_counts_by_its_content(tmp_path):
    file = tmp_path / "mine.npy"
    config = EncodeConfig(method="file", file=FileConfig(path=file))
    np.save(file, np.ones((50, 3)))
    first = encode.source(config).fingerprint
    assert encode.source(config).fingerprint == first
    np.save(file, np.zeros((50, 3)))
    assert encode.source(config).fingerprint != first
    file.unlink()
    with pytest.raises(InputError, match=r"embedding file .*mine\.npy does not exist; give an \.npy file"):
        encode.source(config)


def test_a_model_folder_counts_by_its_content_and_other_sources_have_none(tmp_path, config):
    folder = tmp_path / "model"
    shutil.copytree(config.text.model, folder)
    moved = replace(config, text=replace(config.text, model=str(folder)))
    assert encode.source(moved) == encode.source(config)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert encode.source(moved) != encode.source(config)
    assert encode.source(EncodeConfig()) is None
    assert encode.source(EncodeConfig(method="attributes")) is None
    assert encode.source(EncodeConfig(text=TextEncoderConfig(model="somebody/on-the-hub"))) is None


def test_missing_texts_or_attributes_name_the_remedy(tmp_path, config):
    with pytest.raises(InputError, match=r"no item texts.*encode.method=attributes.*imported identifiers"):
        encode.run(config, catalogue(), out=tmp_path, context=CPU)
    with pytest.raises(InputError, match=r"encode.method='attributes' but the data set has no item attributes"):
        encode.run(EncodeConfig(method="attributes"), catalogue(), out=tmp_path)


def test_an_accelerator_that_is_not_there_is_one_line(tmp_path, config, texts):
    for accelerator in ("tpu", "abacus"):
        context = Context(trainer=TrainerConfig(accelerator=accelerator))
        with pytest.raises(InputError, match=rf"accelerator={accelerator}, .* cannot be used here") as caught:
            encode.run(config, catalogue(texts), out=tmp_path, context=context)
        assert "\n" not in str(caught.value)


def test_config_mistakes_carry_the_path_of_their_section():
    with pytest.raises(ConfigError, match=r"encode.method='txt' is unknown; .*did you mean 'text'"):
        from_dict(EncodeConfig, {"method": "txt"}, "encode.")
    with pytest.raises(ConfigError, match=r"encode.file.path is not set but method='file' reads it"):
        from_dict(EncodeConfig, {"method": "file"}, "encode.")
    with pytest.raises(ConfigError, match=r"encode.text.shard_size=-1 is out of range"):
        from_dict(EncodeConfig, {"text": {"shard_size": -1}}, "encode.")
