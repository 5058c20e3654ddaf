"""Webhooks say and sign what the specification asks for; tries end."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from gateway.notify.backoff import MAX_AGE_S, STEPS_S, Fate, Outcome, next_try
from gateway.notify.guard import Forbidden, check, is_public
from gateway.notify.signing import body_of, secret_of, signature
from gateway.notify.webhook import judge
from gateway.ports.notifications import Notification

LATER = Outcome(Fate.LATER, "500")


def test_the_signature_is_that_of_the_specifications_own_example() -> None:
    key = secret_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    said = signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', [key])
    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_is_replaced_both_sign() -> None:
    old, new = b"o" * 32, b"n" * 32
    both = signature("m", 1, b"{}", [new, old])
    assert both.split(" ") == [signature("m", 1, b"{}", [new]), signature("m", 1, b"{}", [old])]


@pytest.mark.parametrize("wrong", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!", base64.b64encode(b"x" * 32).decode()])
def test_a_secret_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        secret_of(wrong)


def test_the_body_says_type_time_and_the_facts_of_that_moment() -> None:
    event = Notification(1, "e", "ticket.opened", 1_795_000_000.0, "t", '{"number":"SG-1","text":"é"}', 0, None)
    assert json.loads(body_of(event)) == {
        "type": "ticket.opened",
        "timestamp": "2026-11-18T11:06:40.000+00:00",
        "data": {"number": "SG-1", "text": "é"},
    }


@pytest.mark.parametrize(
    ("status", "fate"),
    [(200, Fate.TAKEN), (204, Fate.TAKEN), (302, Fate.LATER), (400, Fate.LATER), (404, Fate.LATER), (408, Fate.AWAY),
     (410, Fate.GONE), (429, Fate.AWAY), (500, Fate.AWAY), (503, Fate.AWAY)],
)  # fmt: skip
def test_what_an_answer_means(status: int, fate: Fate) -> None:
    assert judge(status, "", "said\nso").fate is fate
    assert judge(503, "120", "").after_s == 120.0
    assert judge(503, "tomorrow", "").after_s is None


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 20), st.floats(0, 400_000), st.floats(0, 1), st.sampled_from(Fate), st.none() | st.floats(0, 1e6))
def test_tries_are_spread_out_and_end(
    attempts: int, age: float, chance: float, fate: Fate, asked: float | None
) -> None:
    again = next_try(attempts, 1000.0, 1000.0 + age, Outcome(fate, "", asked), lambda: chance)
    if fate in (Fate.REFUSED, Fate.GONE) or attempts >= len(STEPS_S) or age > MAX_AGE_S:
        assert again is None
    else:
        assert again is not None
        wait = again - 1000.0 - age
        assert 0.79 * STEPS_S[attempts] <= wait <= max(1.21 * STEPS_S[attempts], 86_400.1)
        if asked:
            assert wait >= min(asked, 86_400.0) - 1.0


def test_a_receiver_that_asks_for_time_gets_it() -> None:
    assert next_try(0, 0.0, 0.0, Outcome(Fate.AWAY, "", 600.0), lambda: 0.5) == 600.0
    assert next_try(0, 0.0, 0.0, LATER, lambda: 0.5) == 5.0


@pytest.mark.parametrize(
    "inside",
    ["127.0.0.1", "10.1.2.3",
     "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1", "fe80::1%eth0", "fd00::1",
     "::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "224.0.0.1", "255.255.255.255", "::"],
)  # fmt: skip
def test_addresses_of_our_own_are_not_public(inside: str) -> None:
    assert not is_public(inside)
    literal = inside.partition("%")[0]
    with pytest.raises(Forbidden, match="not a public address"):
        check(URL(f"https://[{literal}]/" if ":" in literal else f"https://{literal}/"))


def test_public_addresses_and_names_may_be_tried() -> None:
    assert is_public("8.8.8.8")
    assert is_public("2606:4700::1111")
    check(URL("https://8.8.8.8/"))
    check(URL("https://hooks.example.com/"))
