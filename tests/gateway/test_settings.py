"""Settings: later sources win, and every mistake is one line that says where and what to do."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway import settings

ROOT = Path(__file__).parents[2]


def written(folder: Path, text: str) -> Path:
    path = folder / "siaga.toml"
    path.write_text(text)
    return path


def test_without_a_file_everything_has_a_default_that_works() -> None:
    loaded = settings.load()
    assert loaded.mqtt.enabled
    assert loaded.database_url == "sqlite:///siaga-data/siaga.db"


def test_the_environment_wins_over_secret_files_and_these_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "siaga_broker__password").write_text("from a secret\n")
    (secrets / "siaga_broker__client_id").write_text("from a secret")
    monkeypatch.setenv("SIAGA_BROKER__CLIENT_ID", "from the environment")
    path = written(tmp_path, '[broker]\nurl = "mqtt://b"\nclient_id = "from the file"\nusername = "from the file"\n')
    broker = settings.load(path, secrets).broker
    assert broker.username == "from the file"
    assert broker.password.get_secret_value() == "from a secret"
    assert broker.client_id == "from the environment"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[http\n", "not TOML"),
        ("[http]\nport = 70000\n", "http.port: "),
        ("[http]\nprot = 1\n", "http.prot: no such setting"),
        ("[broker]\nurl = 'tcp://x'\n", 'broker.url: write it as "mqtt://host:1883"'),
        ("[database]\nurl = 'mysql://x'\n", "database.url: write it as"),
        ("[mqtt]\nenabled = false\n", "settings: no way in"),
        ("[mqtt]\ntls_key = 'k'\n", "mqtt: tls_certificate and tls_key go together"),
        ("[mqtt]\nclient_ca = 'c'\n", "mqtt: client_ca needs"),
        ("[history]\nkind = 'mongo'\n", "history.kind: "),
    ],
)
def test_a_mistake_is_one_line_that_names_the_file_and_the_key(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(settings.SettingsError) as error:
        settings.load(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert says in message
    assert "\n" not in message


def test_two_mistakes_are_two_lines(tmp_path: Path) -> None:
    with pytest.raises(settings.SettingsError) as error:
        settings.load(written(tmp_path, "[http]\nport = -1\nhosts = 'x'\n"))
    assert len(str(error.value).splitlines()) == 2


def test_a_missing_file_or_secrets_directory_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(settings.SettingsError, match="no such file"):
        settings.load(tmp_path / "none.toml")
    with pytest.raises(settings.SettingsError, match="no such directory of secrets"):
        settings.load(None, tmp_path / "none")


def test_a_password_is_never_printed(tmp_path: Path) -> None:
    loaded = settings.load(written(tmp_path, "[broker]\nurl = 'mqtt://b'\npassword = 'hunter2'\n"))
    assert "hunter2" not in repr(loaded)


def test_every_setting_is_in_the_documentation() -> None:
    text = (ROOT / "docs/configuration.md").read_text()
    missing = []
    for name, field in settings.Settings.model_fields.items():
        section = field.annotation
        names = list(section.model_fields) if isinstance(section, type) and issubclass(section, BaseModel) else [name]
        missing += [f"{name}.{key}" for key in names if f"`{key}`" not in text]
    assert not missing
