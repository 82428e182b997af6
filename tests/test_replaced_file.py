"""replaced_file: links, long names and errors."""

import pytest

from skcnn.replaced_file import replaced_file


def test_links_and_long_names(tmp_path):
    link, target = tmp_path / "model.onnx", tmp_path / ("a" * 250 + ".onnx")  # 255 bytes
    target.write_bytes(b"before")
    link.symlink_to(target)
    with replaced_file(link) as temporary:
        assert temporary.suffix == ".onnx"
        temporary.write_bytes(b"after")
        assert target.read_bytes() == b"before"
    assert link.is_symlink()
    assert target.read_bytes() == b"after"


def fail_to_write(path):
    with replaced_file(path) as temporary:
        temporary.write_text("after")
        raise KeyError


def test_an_error_keeps_the_file(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("before")
    with pytest.raises(KeyError):
        fail_to_write(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
