"""`siaga firmware`, `siaga rollout`, `siaga windows` on a data directory of their own: exit codes, one-line faults."""

import json
from pathlib import Path

import pytest

from gateway import cli

IMAGE = b"camera image " * 1000


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a command; its exit code, output and error lines."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIAGA_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("SIAGA_FIRMWARE__RELEASE_KEYS", str(tmp_path / "release-keys.json"))
    (tmp_path / "cam.bin").write_bytes(IMAGE)

    def siaga(*words: str) -> tuple[int, str, list[str]]:
        try:
            code = cli.main(words)
        except SystemExit as left:
            code = int(left.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err.splitlines()

    return siaga


SIGN = (
    "firmware", "sign", "cam.bin", "--product", "cam-dome", "--hw", "dome-2", "--version", "2.5.0", "--counter", "7",
    "--notes-en", "Fixes the clock.", "--notes-id", "Memperbaiki jam.",
)  # fmt: skip


def published(siaga) -> str:
    assert siaga("firmware", "keygen")[0] == 0
    assert siaga(*SIGN)[0] == 0
    code, out, _ = siaga("firmware", "publish", "cam.bin")
    assert code == 0
    return out.strip()


def with_rollout(siaga) -> str:
    release = published(siaga)
    for number in (1, 2, 3):
        registered = siaga("devices", "add", f"cam-{number}", "--model", "Dome 2", "--site", "shop")
        assert registered[0] == 0, registered
    code, out, err = siaga(
        "rollout", "create", "november", "--release", release, "--model", "Dome 2", "--as", "ayu", "--json"
    )
    assert code == 0, err
    plan = json.loads(out)
    assert plan["targets"] == 3
    assert plan["not"] == {"no_inventory": 3}, "nothing was ever reported, so nothing can be promised"
    return release


def test_a_release_is_signed_verified_published_listed_and_revoked(desk, tmp_path: Path) -> None:
    release = published(desk)
    assert desk("firmware", "verify", "cam.bin")[0] == 0
    assert desk("firmware", "publish", "cam.bin")[1].strip() == release, "publishing again changes nothing"
    listed = json.loads(desk("firmware", "list", "--json")[1])
    assert [(one["release"], one["version"], one["revoked"]) for one in listed] == [(release, "2.5.0", "")]
    assert len(list((tmp_path / "data" / "images").iterdir())) == 1
    assert desk("firmware", "revoke", release, "--reason", "burns cards")[0] == 0
    assert "burns cards" in desk("firmware", "list")[1]
    code, _, err = desk("firmware", "revoke", "nothing", "--reason", "x")
    assert (code, len(err)) == (1, 1)


def test_a_key_is_never_overwritten_and_kept_from_others(desk, tmp_path: Path) -> None:
    assert desk("firmware", "keygen")[0] == 0
    first = (tmp_path / "release.pem").read_bytes()
    assert (tmp_path / "release.pem").stat().st_mode & 0o077 == 0
    code, _, err = desk("firmware", "keygen")
    assert (code, len(err)) == (2, 1)
    assert (tmp_path / "release.pem").read_bytes() == first
    assert desk("firmware", "keygen", "--out", "second.pem")[0] == 0
    assert len(json.loads((tmp_path / "release-keys.json").read_text())["keys"]) == 2


@pytest.mark.parametrize("victim", ["cam.bin", "cam.bin.manifest.json"])
def test_a_tampered_image_or_manifest_is_refused(desk, tmp_path: Path, victim: str) -> None:
    published(desk)
    file = tmp_path / victim
    file.write_bytes(file.read_bytes().replace(b"2.5.0" if "manifest" in victim else b"camera", b"9.9.9", 1))
    code, _, err = desk("firmware", "verify", "cam.bin")
    assert (code, len(err)) == (1, 1)
    assert desk("firmware", "publish", "cam.bin")[0] != 0
    assert len(json.loads(desk("firmware", "list", "--json")[1])) == 1


def test_a_strangers_signature_is_refused(desk, tmp_path: Path) -> None:
    published(desk)
    assert desk("firmware", "keygen", "--out", "evil.pem", "--keys", "evil.json")[0] == 0
    (tmp_path / "cam.bin.manifest.sig").unlink()
    assert desk(*SIGN, "--key", "evil.pem")[0] == 0
    assert desk("firmware", "verify", "cam.bin")[0] == 1
    assert desk("firmware", "publish", "cam.bin")[0] == 2


@pytest.mark.parametrize(
    "words",
    [
        ("firmware", "sign", "cam.bin"),
        ("firmware", "publish", "cam.bin", "-c", "absent.toml"),
        (*SIGN[:8], "seven", *SIGN[9:]),
        ("rollout", "create", "n", "--release", "nothing", "--as", "ayu"),
        ("windows", "--zone", "Mars/Base", "--days", "Sat", "--start", "02:00", "--end", "04:00", "--from",
         "2026-03-28", "--to", "2026-03-29"),
        ("windows", "--zone", "UTC", "--days", "Noday", "--start", "02:00", "--end", "04:00", "--from", "2026-03-28",
         "--to", "2026-03-29"),
    ],
)  # fmt: skip
def test_bad_words_are_one_line_and_exit_2(desk, words) -> None:
    code, _, err = desk(*words)
    assert code == 2
    assert "Traceback" not in "\n".join(err)
    assert len([line for line in err if not line.startswith(("usage", " "))]) == 1


def test_no_rollout_is_made_of_a_release_whose_image_is_not_here(desk, tmp_path: Path) -> None:
    release = published(desk)
    assert desk("devices", "add", "cam-1")[0] == 0
    for image in (tmp_path / "data" / "images").iterdir():
        image.unlink()
    code, _, err = desk("rollout", "create", "n", "--release", release, "--as", "ayu")
    assert (code, len(err)) == (2, 1)
    assert "is not here yet" in err[0]
    assert json.loads(desk("rollout", "list", "--json")[1]) == []


def test_the_author_cannot_approve_the_own_rollout(desk) -> None:
    with_rollout(desk)
    code, _, err = desk("rollout", "approve", "november", "--as", "ayu")
    assert (code, err) == (1, ["siaga rollout: the author may not approve the own rollout"])
    assert json.loads(desk("rollout", "show", "november", "--json")[1])["state"] == "pending_approval"
    assert desk("rollout", "approve", "november", "--as", "budi")[0] == 0
    assert json.loads(desk("rollout", "show", "november", "--json")[1])["state"] == "scheduled"


def test_a_rollout_is_listed_exported_and_stopped_for_good(desk) -> None:
    with_rollout(desk)
    assert [one["rollout"] for one in json.loads(desk("rollout", "list", "--json")[1])] == ["november"]
    assert "november" in desk("rollout", "list")[1]
    rows = desk("rollout", "export", "november")[1].splitlines()
    assert rows[0] == "device,site,wave,state,reason,since"
    assert [row.split(",")[0] for row in rows[1:]] == ["cam-1", "cam-2", "cam-3"]
    code, _, err = desk("rollout", "pause", "november", "--reason", "wait", "--as", "ayu")
    assert (code, err) == (1, ["siaga rollout: the rollout is not in a state that allows this"])
    assert desk("rollout", "stop", "november", "--reason", "enough", "--as", "ayu")[0] == 0
    shown = json.loads(desk("rollout", "show", "november", "--json")[1])
    assert (shown["state"], shown["reason"]) == ("aborted", "enough")
    assert desk("rollout", "resume", "november", "--as", "budi")[0] == 1


@pytest.mark.parametrize("action", ["show", "export", "approve", "pause", "resume", "stop"])
def test_an_unknown_rollout_is_one_line_and_exit_1(desk, action: str) -> None:
    more = {"pause": ("--reason", "x", "--as", "a"), "stop": ("--reason", "x", "--as", "a")}
    named = {"approve": ("--as", "a"), "resume": ("--as", "a"), **more}
    code, out, err = desk("rollout", action, "nothing", *named.get(action, ()))
    assert (code, out, err) == (1, "", ["siaga rollout: no rollout 'nothing'"])


def test_windows_are_exact_where_the_clock_leaps(desk) -> None:
    words = ("windows", "--zone", "Europe/Berlin", "--days", "Sat,Sun", "--start", "02:00", "--end", "04:00")
    code, out, _ = desk(*words, "--from", "2026-03-28", "--to", "2026-03-29", "--json")
    assert code == 0
    assert json.loads(out)["intervals"] == [
        "2026-03-28T01:00Z/2026-03-28T03:00Z",
        "2026-03-29T01:00Z/2026-03-29T02:00Z",
    ]
