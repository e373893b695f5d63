"""Files of versions: stored in Postgres, cached on the machine, checked whenever they are fetched."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection, transaction

from commerce_ai.learning import artifacts
from commerce_ai.learning.artifacts import ArtifactError
from commerce_ai.learning.models import ArtifactChunk, ArtifactFile, Version
from tests.learning import toy


@pytest.fixture
def version(shop):
    return make(shop)


def make(shop) -> Version:
    return Version.objects.create(
        shop=shop, slot="dummy.rating", learner="toy.mean", recipe="r", exclusive_key="dummy.rating"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    (made / "deep").mkdir(parents=True)
    (made / "config.json").write_text('{"a": 1}')
    (made / "deep" / "weights.npy").write_bytes(os.urandom(300_000))
    (made / "deep" / "empty.json").write_bytes(b"")
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_stored_is_fetched_read_only_under_its_own_fingerprint(version, folder, var, monkeypatch) -> None:
    monkeypatch.setattr(artifacts, "CHUNK_BYTES", 100_000)
    manifest = artifacts.store(version, folder)

    assert ArtifactChunk.objects.filter(file__path="deep/weights.npy").count() == 3
    fetched = artifacts.fetch(version)
    assert fetched == var / "artifacts" / manifest and contents(fetched) == contents(folder)
    assert version.size == sum(len(data) for data in contents(folder).values())
    assert not (fetched / "config.json").stat().st_mode & 0o222
    assert [path.name for path in fetched.parent.iterdir() if not path.name.endswith(".lock")] == [manifest]


def test_the_same_files_share_one_cache(shop, version, folder) -> None:
    artifacts.store(version, folder)
    second = make(shop)
    artifacts.store(second, folder)
    assert artifacts.fetch(version) == artifacts.fetch(second)


@pytest.mark.parametrize("damage", ["changed", "cut", "missing", "added"])
def test_a_damaged_cache_is_fetched_again(version, folder, damage) -> None:
    artifacts.store(version, folder)
    cached = artifacts.fetch(version)
    target = cached / "deep" / "weights.npy"
    target.chmod(0o600)
    if damage == "changed":
        data = bytearray(target.read_bytes())
        data[1000] ^= 1
        target.write_bytes(data)
    elif damage == "cut":
        os.truncate(target, 10)
    elif damage == "missing":
        target.unlink()
    else:
        (cached / "more.json").write_text("{}")

    assert contents(artifacts.fetch(version)) == contents(folder)


def test_a_damaged_piece_in_the_database_is_said_and_nothing_is_cached(version, folder, var) -> None:
    artifacts.store(version, folder)
    ArtifactChunk.objects.filter(file__path="deep/weights.npy").update(data=b"something else")

    with pytest.raises(ArtifactError, match=r"deep/weights\.npy of version \d+ is damaged in the database"):
        artifacts.fetch(version)
    assert not list((var / "artifacts").glob("[!.]*")) and not list((var / "artifacts").glob(".*.??????*/new"))


def test_a_damaged_list_of_files_is_said(version, folder) -> None:
    artifacts.store(version, folder)
    ArtifactFile.objects.filter(path="config.json").delete()
    with pytest.raises(ArtifactError, match="list of files"):
        artifacts.fetch(version)


def test_no_path_leads_out_of_the_cache(version, folder) -> None:
    artifacts.store(version, folder)
    ArtifactFile.objects.filter(path="config.json").update(path="../../evil.json")
    rows = [artifacts.StoredFile(row.path, row.sha256, row.size) for row in version.files.all()]
    version.manifest = artifacts.fingerprint(rows)
    with pytest.raises(ArtifactError, match="outside"):
        artifacts.fetch(version)


@pytest.mark.parametrize("name", ["model.pkl", "model.pt", "model.joblib", "weights.bin", "run.py"])
def test_only_formats_that_run_nothing_are_stored(version, folder, name) -> None:
    (folder / name).write_bytes(b"x")
    with pytest.raises(ArtifactError, match=name):
        artifacts.store(version, folder)
    assert not ArtifactFile.objects.exists()


def test_links_and_empty_artifacts_are_refused(version, folder, tmp_path) -> None:
    with pytest.raises(ArtifactError, match="no file"):
        artifacts.store(version, tmp_path / "made" / "deep" / "nothing")
    (folder / "secrets.json").symlink_to("/etc/hostname")
    with pytest.raises(ArtifactError, match="not a plain file"):
        artifacts.store(version, folder)


def test_files_are_written_in_the_transaction_that_makes_the_version(shop, folder) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        artifacts.store(make(shop), folder)
        raise RuntimeError
    assert not Version.objects.exists() and not ArtifactChunk.objects.exists()


def test_let_go_files_are_missed_in_words(version, folder) -> None:
    artifacts.store(version, folder)
    artifacts.let_go(version)
    assert not ArtifactChunk.objects.exists()
    with pytest.raises(ArtifactError, match="were let go"):
        artifacts.fetch(version)


@pytest.mark.django_db(transaction=True)
def test_many_fetch_at_once_and_each_gets_the_whole(toys, var, folder) -> None:
    version = make(toy.stock())
    artifacts.store(version, folder)

    def fetch_and_read(_number: int) -> dict[str, bytes]:
        try:
            return contents(artifacts.fetch(version))
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert all(found == contents(folder) for found in pool.map(fetch_and_read, range(24)))
