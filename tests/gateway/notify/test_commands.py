"""`siaga notify`, what `siaga doctor` says of receivers, and settings that cannot work."""

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web

from gateway.cli import main
from gateway.notify.signing import secret_of
from gateway.ports.notifications import Delivery
from gateway.settings import SettingsError, load
from gateway.storage.database import open_database
from gateway.storage.deliveries import SqlDeliveries
from gateway.telling import endpoints
from tests.gateway.notify.parts import post_office, receiver

SECRET = "whsec_" + "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="


def settings_file(folder: Path, mail_port: int = 0, hook: str = "", more: str = "") -> Path:
    path = folder / "siaga.toml"
    text = f'data_dir = "{folder}/data"\n'
    if mail_port:
        text += f'[mail]\nhost = "127.0.0.1"\nport = {mail_port}\nsecurity = "none"\n'
    if hook:
        text += f'[[webhook]]\nname = "oncall"\nurl = "{hook}"\nsecret = "{SECRET}"\n{more}'
    path.write_text(text)
    return path


async def command(*words: str) -> int:
    return await asyncio.to_thread(main, list(words))


async def test_a_test_letter_and_a_test_event_really_go_out(tmp_path: Path, capsys) -> None:
    async with post_office() as office, receiver() as there:
        config = str(settings_file(tmp_path, office.port, there.url, "allow_private = true\n"))
        assert await command("notify", "test", "--to", "me@example.com", "-c", config) == 0
        assert office.letters[0]["To"] == "me@example.com"
        assert await command("notify", "test", "--webhook", "oncall", "-c", config) == 0
        assert there.bodies()[0]["type"] == "test"
        assert "took a letter to me@example.com" in capsys.readouterr().out
        office.refuse_to = "gone@example.com"
        assert await command("notify", "test", "--to", "gone@example.com", "-c", config) == 1
        there.answers = [web.Response(status=503)]
        assert await command("notify", "test", "--webhook", "oncall", "-c", config) == 3
        assert await command("notify", "test", "--webhook", "other", "-c", config) == 2
        assert "no such webhook in the settings (there are: oncall)" in capsys.readouterr().err
    assert await command("notify", "test", "--to", "me@example.com", "-c", config) == 3
    nothing = str(settings_file(tmp_path))
    assert await command("notify", "test", "--to", "me@example.com", "-c", nothing) == 2


async def test_what_was_given_up_is_listed_and_tried_again(tmp_path: Path, capsys) -> None:
    config = str(settings_file(tmp_path))
    (tmp_path / "data").mkdir()
    async with open_database(f"sqlite:///{tmp_path}/data/siaga.db") as database:
        book = SqlDeliveries(database)
        await book.sort([], [], [Delivery("d1", "mail", "a@b.example", "c", (), "digest", "{}", 1.0, next_try=1.0)])
        await book.failed("d1", None, "550 no such user")
        assert await command("notify", "list", "-c", config) == 0
        assert "550 no such user" in capsys.readouterr().out
        assert await command("notify", "list", "--json", "-c", config) == 0
        assert json.loads(capsys.readouterr().out)["given_up"][0]["delivery_id"] == "d1"
        assert await command("notify", "retry", "d1", "-c", config) == 0
        assert await command("notify", "retry", "-c", config) == 1
        assert [one.delivery_id for one in await book.claim("mail", 4e9, 5, 1.0)] == ["d1"]


async def test_a_receiver_that_is_gone_is_listed_and_turned_on_again(tmp_path: Path, capsys) -> None:
    config = str(settings_file(tmp_path, 25))
    async with open_database(f"sqlite:///{tmp_path}/data/siaga.db") as database:
        await SqlDeliveries(database).went("webhook:oncall", "https://hooks.example/", 1.0)
    assert await command("notify", "list", "-c", config) == 0
    assert "oncall is off: https://hooks.example/ has answered 410" in capsys.readouterr().out
    assert await command("notify", "list", "--json", "-c", config) == 0
    assert json.loads(capsys.readouterr().out)["off"] == {"webhook:oncall": "https://hooks.example/"}
    assert await command("notify", "on", "oncall", "-c", config) == 0
    assert await command("notify", "on", "oncall", "-c", config) == 1
    assert capsys.readouterr().out == "oncall is on again\noncall was not off\n"


async def test_a_made_secret_is_one(capsys) -> None:
    assert await command("notify", "secret") == 0
    assert len(secret_of(capsys.readouterr().out.strip())) == 32


async def test_doctor_signs_in_to_the_mail_server_and_looks_for_receivers(tmp_path: Path, capsys) -> None:
    async with post_office() as office, receiver() as there:
        config = str(settings_file(tmp_path, office.port, there.url, "allow_private = true\n"))
        await command("doctor", "--json", "-c", config)
        said = {it["part"]: it for it in json.loads(capsys.readouterr().out)}
        assert said["mail"]["good"]
        assert said["webhook"]["good"]
        await command("doctor", "--json", "-c", str(settings_file(tmp_path, 0, "https://127.0.0.1/")))
        said = {it["part"]: it for it in json.loads(capsys.readouterr().out)}
        assert "not a public address" in said["webhook"]["says"]
        assert there.seen == [], "a receiver does not hear of a doctor"
    await command("doctor", "--json", "-c", str(settings_file(tmp_path, office.port)))
    said = {it["part"]: it for it in json.loads(capsys.readouterr().out)}
    assert not said["mail"]["good"]


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ('[mail]\nsender = "nobody"', "mail: sender"),
        ('[mail]\nquiet = "at night"', "quiet hours"),
        ('[mail]\npassword = "x"', "password needs username"),
        ('[mail]\nhost = "mx.example"\nusername = "a"\npassword = "x"\nsecurity = "none"', "in clear"),
        ('[[webhook]]\nname = "a"\nurl = "http://x.example/"\nsecret = "S"', "https, please"),
        ('[[webhook]]\nname = "a"\nurl = "ftp://x.example/"\nsecret = "S"', "url: write it as"),
        ('[[webhook]]\nname = "a"\nurl = "https://u:p@x.example/"\nsecret = "S"', "without a user"),
        ('[[webhook]]\nname = "a"\nurl = "https://x.example/"', "one of the two"),
        ('[[webhook]]\nname = "a"\nurl = "https://x.example/"\nsecret = "whsec_short"', "whsec_"),
        ('[[webhook]]\nname = "A b"\nurl = "https://x.example/"\nsecret = "S"', "webhook.0.name"),
        ('[[webhook]]\nname = "a"\nurl = "https://x.example/"\nsecret = "S"\ntypes = ["x"]', "there are ticket.opened"),
        ('[[webhook]]\nname = "a"\nurl = "https://x.example/"\nsecret = "S"\n' * 2, "each name once"),
        ('[s3]\nbucket = "b"\nendpoint = "http://x.example"', "https, please"),
        ('[s3]\nbucket = "b"\nendpoint = "x.example"', "endpoint: write it as"),
        ('[s3]\nbucket = "b"\naccess_key = "a"', "go together"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused_in_one_line(tmp_path: Path, toml: str, says: str) -> None:
    path = tmp_path / "siaga.toml"
    path.write_text(toml.replace('"S"', f'"{SECRET}"'))
    with pytest.raises(SettingsError) as refusal:
        load(path)
    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert SECRET not in str(refusal.value)


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "oncall"
    path = tmp_path / "siaga.toml"
    path.write_text(f'[[webhook]]\nname = "a"\nurl = "https://x.example/"\nsecret_file = "{secret}"\n')
    with pytest.raises(ValueError, match=r"webhook a: .*No such file"):
        endpoints(load(path))
    secret.write_text(SECRET + "\n")
    assert endpoints(load(path))[0].secrets == (secret_of(SECRET),)
    secret.write_text("hello")
    with pytest.raises(ValueError, match="webhook a: a webhook secret is"):
        endpoints(load(path))
