import json

import pytest

from firmware_updates.manifest import ManifestError, ReleaseClass, parse_manifest, release_id
from firmware_updates.version import parse_version
from tests.firmware_updates.factories import release


def manifest_json(**changes):
    body = {
        "schema": 1,
        "product": "cam-dome",
        "component": "firmware",
        "hw_ids": ["cam-a", "cam-b"],
        "version": "2.5.0",
        "release_counter": 7,
        "min_counter": 5,
        "class": "security",
        "cves": ["CVE-2026-12345"],
        "from_versions": ">=2.0,<2.5",
        "depends": {"bootloader": ">=1.2"},
        "conflicts": {"analytics": "<3"},
        "size": 1000,
        "sha256": "ab" * 32,
        "chunk_size": 600,
        "chunks": ["cd" * 32, "ef" * 32],
        "install": {"p95_s": 240, "reboot_s": 60, "needs_battery_pct": 30, "free_bytes": 2000},
        "confirm_timeout_s": 600,
        "notes": {"en": "Fixes the clock.", "id": "Memperbaiki jam."},
        "created": "2026-11-01T00:00:00Z",
        "expires": "2027-11-01T07:00:00+07:00",
    }
    body.update(changes)
    return json.dumps({name: value for name, value in body.items() if value is not None}).encode()


def test_a_manifest_is_read_whole():
    found = parse_manifest(manifest_json())
    assert found.release_class is ReleaseClass.SECURITY
    assert found.version == parse_version("2.5.0")
    assert found.hw_ids == {"cam-a", "cam-b"}
    assert parse_version("2.4.9") in found.from_versions
    assert [name for name, _ in found.depends] == ["bootloader"]
    assert (found.created_at, found.expires_at) == (1793491200.0, 1825027200.0)
    assert found.fit_s == 240 + 60 + 300
    assert found.notes_id == "Memperbaiki jam."


def test_fields_of_a_newer_schema_are_passed_over_and_defaults_stand_in():
    found = parse_manifest(
        manifest_json(
            sbom="cyclonedx", depends=None, conflicts=None, from_versions=None, cves=None,
            install={"p95_s": 1, "reboot_s": 1},
        )
    )  # fmt: skip
    assert (found.depends, found.conflicts, found.cves, found.free_bytes) == ((), (), (), 0)
    assert parse_version("0.1") in found.from_versions


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"{", "document: Invalid JSON"),
        (manifest_json(schema=2), "schema"),
        (manifest_json(sha256="AB" * 32), "sha256"),
        (manifest_json(version="new"), "not a version: 'new'"),
        (manifest_json(from_versions=">=x"), "not a version"),
        (manifest_json(chunks=["cd" * 32]), "1 chunk hashes do not cover 1000 bytes by 600"),
        (manifest_json(min_counter=8), "min_counter is above"),
        (manifest_json(expires="2026-10-01T00:00:00Z"), "expires before it was created"),
        (manifest_json(created="2026-11-01T00:00:00"), "created"),
        (manifest_json(notes={"en": "Only English."}), "notes.id"),
        (manifest_json(release_counter=True), "release_counter"),
        (manifest_json(notes={"en": "x" * 13_000, "id": "x"}), "bytes are above 12288"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_said_in_one_line(document, message):
    with pytest.raises(ManifestError, match=message) as caught:
        parse_manifest(document)
    assert "\n" not in str(caught.value)


def test_the_name_of_a_release_follows_from_its_exact_bytes():
    assert release_id(manifest_json()) == release_id(manifest_json())
    assert release_id(manifest_json()) != release_id(manifest_json() + b" ")


def test_a_manifest_may_name_the_faults_that_it_ends() -> None:
    assert parse_manifest(release().document).fixes == ()
    text = release().document.decode().replace('"size"', '"fixes": ["F22", "F01"], "size"', 1)
    assert parse_manifest(text.encode()).fixes == ("F22", "F01")
    with pytest.raises(ManifestError, match="fixes"):
        parse_manifest(text.replace("F22", "leak").encode())
