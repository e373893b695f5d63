"""Probes: alive is not ready, and neither waits."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client

from commerce_ai.api import health, limits


def test_alive_without_any_service(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_ready_when_everything_is_there(client: Client, db: None) -> None:
    response = client.get("/readyz")
    checks = {"postgres": "ok", "migrations": "ok", "redis": "ok"}
    assert (response.status_code, response.json()) == (200, {"status": "ok", "checks": checks})


def test_not_ready_while_a_migration_is_missing(client: Client, db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'api'")
    response = client.get("/readyz")
    assert response.status_code == 503 and response.json()["checks"]["migrations"] == "failed"


def test_not_ready_without_redis(client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    gone = redis.Redis(unix_socket_path="/nowhere/redis.sock", retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(limits, "client", lambda: gone)
    response = client.get("/readyz")
    assert response.status_code == 503 and response.json()["checks"]["redis"] == "failed"


def test_not_ready_without_postgres(client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> bool:
        raise OSError("the secret address of the database")

    monkeypatch.setattr(health, "_postgres", gone)
    response = client.get("/readyz")
    assert response.status_code == 503 and "secret" not in response.content.decode()
