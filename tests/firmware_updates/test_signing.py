import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_updates.signing import (
    Distrust,
    Distrusted,
    KeyRole,
    Signature,
    encode_key_set,
    encode_signature,
    generate_key,
    key_id_of,
    key_set,
    load_private,
    parse_key_set,
    parse_signature,
    private_pem,
    public_raw,
    rotate,
    sign,
    verify,
)

OLD, NEW, STRANGER = generate_key(), generate_key(), generate_key()
KEYS = key_set(KeyRole.RELEASE, 1, [public_raw(OLD)])


def refused(why):
    return pytest.raises(Distrusted, match=f"^{why.value}$")


@settings(deadline=None, max_examples=50)
@given(payload=st.binary(max_size=200), flip=st.integers(0, 10_000))
def test_only_the_exact_bytes_are_signed(payload, flip):
    signature = sign(payload, OLD)
    assert verify(payload, [signature], KEYS) == key_id_of(public_raw(OLD))
    changed = bytearray(payload + b"\0")
    changed[flip % len(changed)] ^= 1 + flip % 255
    with refused(Distrust.BAD_SIGNATURE):
        verify(bytes(changed), [signature], KEYS)


def test_a_key_that_is_not_of_the_set_does_not_count_even_beside_one_that_does():
    with refused(Distrust.UNSIGNED):
        verify(b"image", [sign(b"image", STRANGER)], KEYS)
    with refused(Distrust.UNSIGNED):
        verify(b"image", [], KEYS)
    assert verify(b"image", [sign(b"image", STRANGER), sign(b"image", OLD)], KEYS)


def test_a_revoked_key_signs_nothing_any_more():
    revoked = key_set(KeyRole.RELEASE, 2, [public_raw(OLD), public_raw(NEW)], [key_id_of(public_raw(OLD))])
    with refused(Distrust.REVOKED_KEY):
        verify(b"image", [sign(b"image", OLD)], revoked)
    assert verify(b"image", [sign(b"image", OLD), sign(b"image", NEW)], revoked) == key_id_of(public_raw(NEW))


def test_a_key_set_is_replaced_only_with_the_old_and_the_new_key_together():
    coming = key_set(KeyRole.RELEASE, 2, [public_raw(NEW)], [key_id_of(public_raw(OLD))])
    document = encode_key_set(coming)
    both = [sign(document, OLD), sign(document, NEW)]
    assert rotate(KEYS, document, both) == coming == parse_key_set(document)
    with refused(Distrust.UNSIGNED):
        rotate(KEYS, document, both[1:])
    with refused(Distrust.REVOKED_KEY):
        rotate(KEYS, document, both[:1])


def test_a_key_set_never_goes_back_changes_role_or_forgets_a_revocation():
    current = key_set(KeyRole.RELEASE, 3, [public_raw(OLD)], [key_id_of(public_raw(STRANGER))])
    for coming, why in [
        (key_set(KeyRole.DIRECTOR, 4, [public_raw(OLD)]), Distrust.WRONG_ROLE),
        (key_set(KeyRole.RELEASE, 3, [public_raw(OLD)]), Distrust.WRONG_VERSION),
        (key_set(KeyRole.RELEASE, 4, [public_raw(OLD)]), Distrust.REVOCATION_UNDONE),
    ]:
        document = encode_key_set(coming)
        with refused(why):
            rotate(current, document, [sign(document, OLD)])
    with refused(Distrust.UNREADABLE):
        rotate(current, b"[]", [])


def test_keys_and_signatures_survive_their_files():
    assert public_raw(load_private(private_pem(OLD))) == public_raw(OLD)
    signature = sign(b"image", OLD)
    assert parse_signature(encode_signature(signature) + "\n") == signature


@pytest.mark.parametrize("text", ["", "0123456789abcdef:!!", "0123456789abcdef:AAAA", "x:" + "A" * 88])
def test_what_is_not_a_signature_is_refused(text):
    with pytest.raises(ValueError, match="not a signature"):
        parse_signature(text)


def test_what_is_not_an_ed25519_key_is_refused():
    other = X25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(ValueError, match="not an Ed25519 key"):
        load_private(other)
    with pytest.raises(ValueError, match="not an unencrypted PEM private key"):
        load_private(b"hello")


def test_a_signature_of_the_wrong_length_is_a_bad_one():
    with refused(Distrust.BAD_SIGNATURE):
        verify(b"image", [Signature(key_id_of(public_raw(OLD)), b"short")], KEYS)
