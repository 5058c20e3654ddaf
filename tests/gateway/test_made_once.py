"""Secrets of the first start: the same ever after, whole or not there, for our eyes alone."""

from itertools import count
from pathlib import Path

import pytest

from gateway.made_once import made_once


def test_a_secret_is_made_once_and_only_we_can_read_it(tmp_path: Path) -> None:
    numbers = count()
    file = tmp_path / "session.key"
    assert [made_once(file, lambda: b"%d" % next(numbers)) for _ in range(3)] == [b"0"] * 3
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["session.key"]


def test_an_empty_file_that_a_killed_start_left_behind_is_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "session.key"
    file.touch()
    assert made_once(file, lambda: b"made") == b"made"


def test_a_start_that_is_ended_while_it_makes_a_secret_leaves_none(tmp_path: Path) -> None:
    def ended() -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made_once(tmp_path / "session.key", ended)
    assert not (tmp_path / "session.key").exists()
