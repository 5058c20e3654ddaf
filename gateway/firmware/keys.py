"""The two keys on disk: the director's private key (online, made once), and the release keys that are trusted."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware_updates.signing import KeyRole, KeySet, generate_key, key_set, load_private, parse_key_set, private_pem
from gateway.made_once import made_once


def director_key(path: Path) -> Ed25519PrivateKey:
    """The key that signs grants, made at the first start, readable by us alone. ValueError if the file is none."""
    pem = made_once(path, lambda: private_pem(generate_key()))
    try:
        return load_private(pem)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def release_keys(path: Path) -> KeySet:
    """The trusted release keys: a key set as `siaga firmware keygen` writes it; empty where there is no file."""
    if not path.exists():
        return key_set(KeyRole.RELEASE, 1, ())
    try:
        found = parse_key_set(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if found.role is not KeyRole.RELEASE:
        raise ValueError(f"{path}: a set of {found.role.value} keys, not of release keys")
    return found
