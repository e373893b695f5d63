"""Probes: is the process alive, and may it be sent requests."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from commerce_ai.api import limits

logger = logging.getLogger(__name__)


def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process answers; it asks nobody else, so that a database's trouble restarts no web process."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """200 when Postgres, its migrations and Redis are there, else 503 naming what is not."""
    checks = {"postgres": _postgres, "migrations": _migrations, "redis": _redis}
    found = {name: _try(name, check) for name, check in checks.items()}
    ready = all(found.values())
    body = {
        "status": "ok" if ready else "unavailable",
        "checks": {name: "ok" if ok else "failed" for name, ok in found.items()},
    }
    return JsonResponse(body, status=200 if ready else 503)


def _try(name: str, check: Callable[[], bool]) -> bool:
    try:
        return bool(check())
    except Exception as error:
        logger.warning("not ready, %s: %s", name, str(error).strip() or type(error).__name__)
        return False


def _postgres() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True


def _migrations() -> bool:
    """The newest migration of each app that this code knows is applied. Read from disk once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations")
        return _known_migrations() <= set(cursor.fetchall())


@cache
def _known_migrations() -> frozenset[tuple[str, str]]:
    from django.db.migrations.loader import MigrationLoader

    loader = MigrationLoader(None, ignore_no_migrations=True)
    return frozenset(loader.graph.leaf_nodes())


def _redis() -> bool:
    return bool(limits.client().ping())
