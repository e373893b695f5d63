"""The secrets of an install."""

import base64
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.exceptions import ImproperlyConfigured

from commerce_ai import keyring


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch):
    for name in ("SECRET_KEY", "FIELD_KEYS", "HASH_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_made_once_for_one_machine_and_readable_by_its_owner_only(tmp_path):
    path = tmp_path / "var" / "secrets.json"
    first = keyring.load(path, one_machine=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keyring.load(path, one_machine=True) == first
    assert len(first.hash_key) == 32 and len(next(iter(first.field_keys.values()))) == 32
    assert first.secret_key not in repr(first)


def test_processes_that_start_together_agree(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: keyring.load(tmp_path / "secrets.json", one_machine=True), range(8)))
    assert all(each == made[0] for each in made)


def test_several_machines_must_be_given_theirs(tmp_path, monkeypatch):
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY, FIELD_KEYS, HASH_KEY must be set"):
        keyring.load(tmp_path / "secrets.json", one_machine=False)
    for name, value in keyring.make().items():
        monkeypatch.setenv(name, value)
    keyring.load(tmp_path / "secrets.json", one_machine=False)
    assert not (tmp_path / "secrets.json").exists()


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("FIELD_KEYS", "k1", "must read id:base64"),
        ("FIELD_KEYS", "k1:!!", "not base64"),
        ("HASH_KEY", base64.b64encode(b"short").decode(), "of 5 bytes"),
    ],
)
def test_a_bad_key_is_named(tmp_path, monkeypatch, variable, value, message):
    for name, good in keyring.make().items():
        monkeypatch.setenv(name, good)
    monkeypatch.setenv(variable, value)
    with pytest.raises(ImproperlyConfigured, match=message):
        keyring.load(tmp_path / "secrets.json", one_machine=True)


def test_keys_rotate_by_order(tmp_path, monkeypatch):
    old, new = keyring.make()["FIELD_KEYS"].partition(":")[2], keyring.make()["FIELD_KEYS"].partition(":")[2]
    monkeypatch.setenv("FIELD_KEYS", f"k2:{new},k1:{old}")
    assert list(keyring.load(tmp_path / "secrets.json", one_machine=True).field_keys) == ["k2", "k1"]


def test_a_process_that_stores_nothing_writes_nothing(tmp_path):
    path = tmp_path / "var" / "secrets.json"
    assert keyring.load(path, one_machine=True, keep=False).hash_key
    assert not path.parent.exists()
    kept = keyring.load(path, one_machine=True)
    assert keyring.load(path, one_machine=True, keep=False) == kept
