"""Keys of encrypted fields: changed while processes run, taken up again after a death, never taken out too early."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.core.management import CommandError, call_command
from django.db import connection

from commerce_ai import crypto, keyring
from commerce_ai.models import PluginState
from commerce_ai.privacy import keys
from commerce_ai.shop import bulk
from commerce_ai.shop.models import Customer, Shop

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def file(tmp_path: Path, settings: Any) -> keyring.KeyFile:
    """An install whose keys are in a file of its own."""
    settings.FIELD_KEYS = keyring.load(tmp_path / "secrets.json", one_machine=True).field_keys
    settings.FIELD_KEY_FILE = keyring.KeyFile(tmp_path / "secrets.json")
    return settings.FIELD_KEY_FILE


@pytest.fixture(autouse=True)
def _own_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRET_KEY", "FIELD_KEYS", "HASH_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def shop(db: None) -> Shop:
    return Shop.objects.create(slug="north", name="North")


def _customers(shop: Shop, count: int = 25) -> None:
    rows = [(shop.pk, f"c{n}", f"c{n}@shop.example", "" if n % 3 else f"+49 170 {n:07}") for n in range(count)]
    bulk.upsert(Customer, ["shop", "external_id", "email", "phone"], rows, key=("shop", "external_id"))


def _emails(shop: Shop) -> list[str]:
    return [each.email for each in Customer.objects.of(shop).order_by("pk")]


class TestRotation:
    def test_every_row_comes_under_the_new_key_and_says_the_same(self, shop: Shop, file: keyring.KeyFile) -> None:
        _customers(shop)
        before, changed = _emails(shop), list(Customer.objects.of(shop).values_list("updated_at", flat=True))
        assert keys.add() == "k2"
        assert keys.is_under_way()
        told: list[tuple[str, int, int]] = []
        found = keys.rotate(batch=10, progress=lambda *each: told.append(each))
        assert (found.key, found.rows, found.left) == ("k2", 25, 0)
        assert told == [("shop_customer", 10, 25), ("shop_customer", 20, 25), ("shop_customer", 25, 25)]
        assert keys.usage() == {"k2": {"shop_customer": 25}, "k1": {}}
        assert _emails(shop) == before
        assert list(Customer.objects.of(shop).values_list("updated_at", flat=True)) == changed

    def test_what_died_half_way_is_taken_up_again(self, shop: Shop, file: keyring.KeyFile) -> None:
        _customers(shop)
        keys.add()

        def die(*_said: Any) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            keys.rotate(batch=10, progress=die)
        assert keys.usage() == {"k2": {"shop_customer": 10}, "k1": {"shop_customer": 15}}
        assert keys.rotate_keys() == 15  # the worker's turn; then there is nothing left to do
        assert keys.rotate_keys() == 0
        assert not keys.is_under_way()

    def test_secrets_in_plugins_settings_come_along(self, shop: Shop, file: keyring.KeyFile) -> None:
        class Form(forms.Form):
            token = forms.CharField(widget=forms.PasswordInput)
            colour = forms.CharField()

        state = PluginState(shop=shop, plugin="gone")
        state.write_settings({"token": "hush", "colour": "abcdef"}, Form)
        state.save()
        keys.add()
        assert keys.rotate().rows == 1
        assert keys.usage() == {"k2": {"plugin settings": 1}, "k1": {}}
        assert PluginState.objects.get().read_settings(Form) == {"token": "hush", "colour": "abcdef"}

    def test_a_row_that_does_not_decrypt_is_left_and_counted(
        self, shop: Shop, file: keyring.KeyFile, caplog: pytest.LogCaptureFixture
    ) -> None:
        _customers(shop, 3)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE shop_customer SET phone = email WHERE external_id = 'c1'")
        keys.add()
        found = keys.rotate()
        assert found.left == 1  # the row's e-mail came along, what was moved into its phone did not
        assert keys.usage()["k1"] == {"shop_customer": 1}
        assert "shop_customer.phone" in caplog.text
        assert "shop.example" not in caplog.text


class TestRemoval:
    def test_only_a_key_that_no_row_uses_and_that_rested(
        self, shop: Shop, file: keyring.KeyFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _customers(shop, 3)
        with pytest.raises(keys.Refused, match="encrypts"):
            keys.remove("k1")
        keys.add()
        with pytest.raises(keys.Refused, match="younger than 24 hours"):
            keys.remove("k1")
        monkeypatch.setattr(keys, "RESTS", timedelta(0))
        with pytest.raises(keys.Refused, match="shop_customer: 3"):
            keys.remove("k1")
        keys.rotate()
        keys.remove("k1")
        assert list(crypto.field_keys()) == ["k2"]
        assert _emails(shop) == ["c0@shop.example", "c1@shop.example", "c2@shop.example"]
        with pytest.raises(keys.Refused, match="no key k1"):
            keys.remove("k1")

    def test_keys_of_the_environment_are_changed_there(self, shop: Shop, file: Any, settings: Any) -> None:
        settings.FIELD_KEY_FILE = None
        with pytest.raises(keys.Refused, match="FIELD_KEYS comes by the environment"):
            keys.add()
        _customers(shop, 3)
        settings.FIELD_KEYS = {"new": os.urandom(32), **settings.FIELD_KEYS}
        assert keys.rotate().rows == 3


def test_the_command_rotates_lists_and_removes(
    shop: Shop, file: keyring.KeyFile, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(crypto, "LOOKS_EVERY_S", 0)
    _customers(shop, 3)
    call_command("privacy", "rotate")
    call_command("privacy", "keys")
    said = capsys.readouterr().out
    assert "New rows are encrypted under k2." in said
    assert "shop_customer: 3 of 3 rows" in said
    assert "k2 (encrypts): shop_customer: 3" in said
    assert "k1 (decrypts): no rows" in said
    with pytest.raises(CommandError, match="younger than 24 hours"):
        call_command("privacy", "remove-key", "k1")
    monkeypatch.setattr(keys, "RESTS", timedelta(0))
    call_command("privacy", "remove-key", "k1")
    call_command("privacy", "keys")
    assert "k1" not in capsys.readouterr().out.splitlines()[-1]


class TestRunningProcesses:
    @pytest.fixture
    def other(self, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
        """A process of the same install: says the key it encrypts with, or what it is given to decrypt."""
        environment = {**os.environ, "COMMERCE_AI_VAR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "commerce_ai.settings"}
        for name in ("SECRET_KEY", "FIELD_KEYS", "HASH_KEY", "DATABASE_URL", "REDIS_URL"):
            environment.pop(name, None)
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", _OTHER], env=environment, cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1,
        )  # fmt: skip
        yield process
        process.kill()
        process.wait()

    def test_a_new_key_is_known_at_once_where_it_is_needed(
        self, file: keyring.KeyFile, other: subprocess.Popen[str]
    ) -> None:
        assert _ask(other, "k") == "k1"
        old = crypto.encrypt("before", context="c")
        keys.add()
        new = crypto.encrypt("after", context="c")
        assert (crypto.key_id_of(old), crypto.key_id_of(new)) == ("k1", "k2")
        assert _ask(other, new.hex()) == "after"
        assert _ask(other, old.hex()) == "before"
        assert _ask(other, "k") == "k2"


def test_a_file_that_is_half_written_leaves_the_keys_of_before(
    file: keyring.KeyFile, caplog: pytest.LogCaptureFixture
) -> None:
    file.path.write_text('{"FIELD_KEYS": "k9:abc')
    assert list(crypto._look()) == ["k1"]
    assert "can't be read" in caplog.text


def test_rotation_never_waits_for_a_row_that_somebody_holds(shop: Shop, file: keyring.KeyFile) -> None:
    _customers(shop, 3)
    keys.add()
    assert "SKIP LOCKED" in _statements_of(lambda: crypto.rotate(Customer))


def _statements_of(work: Any) -> str:
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as caught:
        work()
    return " ".join(each["sql"] for each in caught.captured_queries)


def _ask(process: subprocess.Popen[str], line: str) -> str:
    assert process.stdin and process.stdout
    process.stdin.write(line + "\n")
    return process.stdout.readline().strip()


_OTHER = """
import sys
import django
django.setup()
from commerce_ai import crypto
for line in sys.stdin:
    line = line.strip()
    print(crypto.current_key_id() if line == "k" else crypto.decrypt(bytes.fromhex(line), context="c"))
"""
