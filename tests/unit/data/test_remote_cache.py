"""The cache on disk keeps its bound, whoever else uses or leaves it."""

import multiprocessing
import os
import threading
import time
from pathlib import Path

import pytest

from vasa.data.remote_cache import STALE_S, DiskCache

KB = 1000


def content(number: int) -> bytes:
    return bytes([number % 251]) * KB


def stamp(cache: DiskCache, key: str, *, age_s: float) -> None:
    path = cache._path(key)
    os.utime(path, (time.time() - age_s,) * 2)


def test_what_was_put_is_got(tmp_path):
    cache = DiskCache(tmp_path / "new", max_bytes=10 * KB)
    assert cache.get("a") is None
    cache.put("a", b"one")
    assert cache.get("a") == b"one" and cache.size() == 3
    assert cache.drop("a") and not cache.drop("a")
    assert cache.get("a") is None and cache._read_size() == 0


def test_least_recently_used_go_first(tmp_path):
    cache = DiskCache(tmp_path, max_bytes=10 * KB)
    for number in range(10):
        cache.put(str(number), content(number))
        stamp(cache, str(number), age_s=100 - number)
    assert cache.size() == 10 * KB
    assert cache.get("0") == content(0), "a use makes it young"
    cache.put("new", content(99))
    kept = {name for name in [*map(str, range(10)), "new"] if cache.get(name) is not None}
    assert kept == {"0", "new", *map(str, range(3, 10))}
    assert cache.size() <= 10 * KB


def test_the_bound_holds_at_all_times(tmp_path):
    cache = DiskCache(tmp_path, max_bytes=5 * KB)
    for number in range(40):
        cache.put(str(number), content(number)[: 100 + 37 * number % 900])
        assert cache.size() <= 5 * KB
        assert cache._read_size() == cache.size()
    cache.put("huge", bytes(6 * KB))
    assert cache.get("huge") is None and cache.get("39") is not None


def test_the_same_twice_is_counted_once(tmp_path):
    cache = DiskCache(tmp_path, max_bytes=5 * KB)
    for _ in range(20):
        cache.put("a", content(1))
    assert cache._read_size() == cache.size() == KB


@pytest.mark.parametrize("size", ["", "nonsense", "999999999", None])
def test_a_wrong_size_is_set_right(size, tmp_path):
    cache = DiskCache(tmp_path, max_bytes=5 * KB)
    for number in range(3):
        cache.put(str(number), content(number))
    if size is None:
        (tmp_path / ".size").unlink()
    else:
        (tmp_path / ".size").write_text(size)
    cache.put("3", content(3))
    assert cache.get("3") == content(3) and cache.get("2") == content(2)
    assert cache._read_size() == cache.size() == 4 * KB


def test_what_a_killed_process_left_is_cleared_away(tmp_path):
    cache = DiskCache(tmp_path, max_bytes=5 * KB)
    cache.put("a", content(1))
    path = cache._path("a")
    old, young = path.with_name("old.part"), path.with_name("young.part")
    for part, age_s in ((old, STALE_S + 9), (young, 0)):
        part.write_bytes(content(2))
        os.utime(part, (time.time() - age_s,) * 2)
    assert cache.size() == KB
    assert young.exists() and not old.exists()


def test_a_disk_that_cannot_be_written_is_told_once(tmp_path, capsys):
    (tmp_path / "file").write_text("not a folder")
    cache = DiskCache(tmp_path / "file" / "cache", max_bytes=5 * KB)
    for number in range(3):
        cache.put(str(number), content(number))
    assert cache.get("0") is None
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_writers_wait_for_each_other(tmp_path):
    cache = DiskCache(tmp_path, max_bytes=5 * KB)
    other = threading.Thread(target=cache.put, args=("a", content(1)))
    with DiskCache(tmp_path, max_bytes=5 * KB)._locked():
        other.start()
        other.join(0.3)
        assert other.is_alive() and cache.get("a") is None
    other.join(10)
    assert cache.get("a") == content(1)


def _fill(folder: Path, first: int, worst: "multiprocessing.SimpleQueue[int]") -> None:
    cache = DiskCache(folder, max_bytes=8 * KB)
    largest = 0
    for step in range(150):
        number = (first + step) % 40
        data = cache.get(str(number))
        assert data is None or data == content(number)
        if data is None:
            cache.put(str(number), content(number))
        if step % 10 == 0:
            largest = max(largest, cache.size())
    worst.put(largest)


def test_two_processes_share_it(tmp_path):
    context = multiprocessing.get_context("fork")
    worst = context.SimpleQueue()
    both = [context.Process(target=_fill, args=(tmp_path, first, worst)) for first in (0, 7)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert max(worst.get(), worst.get()) <= 9 * KB  # a count while the other writes may be off by 1
    cache = DiskCache(tmp_path, max_bytes=8 * KB)
    assert 0 < cache.size() <= 8 * KB
    assert cache._read_size() == cache.size()
    assert not list(tmp_path.rglob("*.part"))
