import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_updates.version import Version, VersionError, parse_range, parse_version

VERSIONS = st.builds(
    Version,
    st.tuples(*[st.integers(0, 30)] * 4),
    st.lists(st.one_of(st.just((1, 0, "rc")), st.integers(0, 9).map(lambda n: (0, n, ""))), max_size=2).map(tuple),
)


def test_versions_are_ordered_as_people_expect():
    written = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-rc.2", "1.0.0-rc.10", "1.0", "v1.0.1", "1.2", "1.10", "2.0.0.1"]
    versions = [parse_version(text) for text in written]
    assert versions == sorted(versions, key=lambda version: version)
    assert len(set(versions)) == len(versions)
    assert parse_version("2.4.1+build7") == parse_version("v2.4.1")


@given(VERSIONS)
def test_a_version_that_is_written_down_is_read_back(version):
    assert parse_version(str(version)) == version


@given(VERSIONS, VERSIONS)
def test_ranges_agree_with_the_order(one, other):
    for sign, holds in {
        ">=": one >= other,
        "<=": one <= other,
        ">": one > other,
        "<": one < other,
        "!=": one != other,
        "==": one == other,
        "": one == other,
    }.items():
        assert (one in parse_range(f"{sign}{other}")) is holds


def test_every_clause_of_a_range_must_hold():
    wanted = parse_range(">=2.0, <3, !=2.3")
    assert [text for text in ("1.9", "2.0", "2.3", "2.9.9", "3.0") if parse_version(text) in wanted] == ["2.0", "2.9.9"]
    assert str(wanted) == ">=2.0.0,<3.0.0,!=2.3.0"
    assert parse_version("0.1") in parse_range("*")
    assert str(parse_range("")) == "*"


@pytest.mark.parametrize("text", ["", "two", "1.2.3.4.5", "1..2", "1.2-", "9999999999"])
def test_what_is_not_a_version_is_refused(text):
    with pytest.raises(VersionError, match="not a version"):
        parse_version(text)


@pytest.mark.parametrize("text", [">=", "2.0,,3", "~2 0"])
def test_what_is_not_a_range_is_refused(text):
    with pytest.raises(VersionError):
        parse_range(text)
