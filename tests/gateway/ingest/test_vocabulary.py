"""A device cannot grow the fleet's names without limit, and a checkpoint keeps what was decided."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.ingest.vocabulary import Vocabulary

names = st.lists(st.sampled_from([f"n{n}" for n in range(30)]), max_size=6)
reports = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), names), max_size=60)


def test_names_of_the_catalogue_cost_nobody_anything() -> None:
    vocabulary = Vocabulary(["fps_actual", "poe_w"], 1, 1)
    assert vocabulary.learn("a", ["fps_actual", "poe_w"]) == ""
    assert vocabulary.brought_in == 0


def test_a_device_brings_in_so_many_names_and_no_more() -> None:
    vocabulary = Vocabulary([], 2, 100)
    assert vocabulary.learn("a", ["x", "y"]) == ""
    assert vocabulary.learn("a", ["x", "y", "z"]) == "z would be one name too many of this device's own; at most 2"
    assert vocabulary.learn("b", ["x", "z"]) == ""
    assert vocabulary.learn("a", ["x", "y", "z"]) == "", "what another brought in is everybody's"


def test_the_fleet_brings_in_so_many_names_and_no_more() -> None:
    vocabulary = Vocabulary([], 2, 3)
    assert vocabulary.learn("a", ["u", "v"]) == ""
    assert vocabulary.learn("b", ["w", "x"]) == "w would be one name too many of the fleet's own; at most 3"
    assert vocabulary.learn("b", ["w"]) == "", "nothing of a refused report was taken in"


@given(reports, st.integers(0, 8), st.integers(0, 12))
def test_whatever_devices_say_the_names_are_bounded(said: list[tuple[str, list[str]]], own: int, most: int) -> None:
    vocabulary = Vocabulary(["n0"], own, most)
    for device, told in said:
        before = set(vocabulary.known)
        refused = vocabulary.learn(device, told)
        assert vocabulary.known == (before if refused else before | set(told))
    assert len(vocabulary.known) - 1 == vocabulary.brought_in <= min(most, 3 * own)


@given(reports, reports)
def test_after_a_restart_the_same_is_decided(
    before: list[tuple[str, list[str]]], after: list[tuple[str, list[str]]]
) -> None:
    one = Vocabulary(["n0"], 3, 7)
    for device, told in before:
        one.learn(device, told)
    other = Vocabulary(["n0"], 3, 7)
    assert other.unseal(one.seal(b"the rest\nof it")) == b"the rest\nof it"
    assert other.known == one.known
    assert [one.learn(*said) for said in after] == [other.learn(*said) for said in after]
    assert one.seal(b"") == other.seal(b"")
