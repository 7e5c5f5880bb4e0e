import os

import pytest

from gaitlib import digests
from gaitlib.digests import recall_digest, remembered_digest
from gaitlib.video import file_digest


@pytest.fixture
def settled(monkeypatch):
    """Trust files from the moment they are written, so that no test has to wait for them to age."""
    monkeypatch.setattr(digests, "MIN_AGE_SECONDS", 0.0)


def test_an_unchanged_file_is_not_read_again(tmp_path, settled):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"walk")
    assert recall_digest(path, tmp_path / "cache") is None
    assert remembered_digest(path, tmp_path / "cache") == file_digest(path)
    path.chmod(0)
    os.utime(path)
    assert recall_digest(path, tmp_path / "cache") is None  # its times have changed
    path.chmod(0o600)
    digest = remembered_digest(path, tmp_path / "cache")
    assert recall_digest(path, tmp_path / "cache") == digest == file_digest(path)


def test_other_content_of_the_same_size_and_time_is_noticed(tmp_path, settled):
    path, cache = tmp_path / "a.mp4", tmp_path / "cache"
    path.write_bytes(b"walk")
    before = path.stat()
    first = remembered_digest(path, cache)
    path.write_bytes(b"rest")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert remembered_digest(path, cache) == file_digest(path) != first


def test_a_file_in_the_place_of_another_is_noticed(tmp_path, settled):
    path, other, cache = tmp_path / "a.mp4", tmp_path / "b.mp4", tmp_path / "cache"
    path.write_bytes(b"walk")
    other.write_bytes(b"rest")
    first = remembered_digest(path, cache)
    os.replace(other, path)
    assert remembered_digest(path, cache) != first


def test_a_file_written_a_moment_ago_is_read_each_time(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"walk")
    remembered_digest(path, tmp_path / "cache")
    assert recall_digest(path, tmp_path / "cache") is None


def test_damage_to_the_notes_is_mended(tmp_path, settled):
    path, cache = tmp_path / "a.mp4", tmp_path / "cache"
    path.write_bytes(b"walk")
    digest = remembered_digest(path, cache)
    (note,) = (cache / "digests").iterdir()
    note.write_text("half of a dige")
    assert remembered_digest(path, cache) == digest == note.read_text()
