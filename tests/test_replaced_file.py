"""replaced_file: links, long names, permissions, devices and errors."""

import os
import stat

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


@pytest.fixture
def umask():
    former = os.umask(0o027)
    yield
    os.umask(former)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("former", [None, 0o600, 0o644, 0o664, 0o444])
def test_permissions(former, tmp_path, umask):
    path = tmp_path / "model.onnx"
    if former is not None:
        path.write_text("before")
        path.chmod(former)
    with replaced_file(path) as temporary:
        temporary.write_text("after")
        assert mode(temporary) == (0o640 if former is None else 0o600)
    assert path.read_text() == "after"
    assert mode(path) == (0o640 if former is None else former)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="not the superuser")
def test_the_superuser_keeps_the_owner(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_text("before")
    os.chown(path, 1234, 5678)
    with replaced_file(path) as temporary:
        temporary.write_text("after")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 5678)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes of POSIX")
def test_a_pipe_stays_one(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with replaced_file(path) as temporary:
        temporary.write_text("scores")
    assert path.is_fifo()
    assert os.read(reader, 10) == b"scores"
    os.close(reader)
