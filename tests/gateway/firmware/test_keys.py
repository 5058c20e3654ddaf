"""The keys on disk: made once, readable by us alone, and one readable line where a file is something else."""

from pathlib import Path

import pytest

from firmware_updates.signing import KeyRole, encode_key_set, generate_key, key_set, public_raw
from gateway.firmware.keys import director_key, release_keys


def test_the_director_key_is_made_once_and_readable_by_us_alone(tmp_path: Path) -> None:
    path = tmp_path / "director.pem"
    made = director_key(path)
    assert public_raw(director_key(path)) == public_raw(made)
    assert path.stat().st_mode & 0o077 == 0


def test_a_director_key_that_is_none_is_named_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "director.pem"
    path.write_text("not a key")
    with pytest.raises(ValueError, match=r"director\.pem: ") as wrong:
        director_key(path)
    assert "\n" not in str(wrong.value)


def test_without_a_key_set_nothing_is_trusted(tmp_path: Path) -> None:
    assert release_keys(tmp_path / "absent.json").live() == {}


def test_trusted_release_keys_are_read_and_other_sets_refused(tmp_path: Path) -> None:
    path, raw = tmp_path / "keys.json", public_raw(generate_key())
    path.write_bytes(encode_key_set(key_set(KeyRole.RELEASE, 1, [raw])))
    assert list(release_keys(path).live().values()) == [raw]
    path.write_bytes(encode_key_set(key_set(KeyRole.DIRECTOR, 1, [raw])))
    with pytest.raises(ValueError, match="a set of director keys, not of release keys"):
        release_keys(path)
    path.write_text("{")
    with pytest.raises(ValueError, match=r"keys\.json: "):
        release_keys(path)
