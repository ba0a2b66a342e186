"""A source is named by what its files contain and are called, not by where they lie."""

from tigerlite.stages.sources import source_of


def test_content_and_names_count_and_the_place_does_not(tmp_path):
    fingerprints = {}
    for name, (file, text) in {"a": ("x", "1"), "b": ("x", "1"), "c": ("x", "2"), "d": ("y", "1")}.items():
        folder = tmp_path / name
        (folder / "inner").mkdir(parents=True)
        (folder / "inner" / file).write_text(text)
        fingerprints[name] = source_of(sorted(folder.rglob("*")), folder).fingerprint
    assert fingerprints["a"] == fingerprints["b"]
    assert len(set(fingerprints.values())) == 3
