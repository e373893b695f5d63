"""The toy learners, installed for a test; a shop that they can learn from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.learning import toy


@pytest.fixture(scope="session")
def toy_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.announce(tmp_path_factory.mktemp("toys"))


@pytest.fixture
def toys(toy_package: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from commerce_ai import registry

    monkeypatch.syspath_prepend(str(toy_package))
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join(filter(None, [str(toy_package), os.environ.get("PYTHONPATH", "")]))
    )
    registry.learner_paths.cache_clear()
    toy.Toy.published.clear()
    yield
    registry.learner_paths.cache_clear()


@pytest.fixture
def var(settings: Any, tmp_path: Path) -> Path:
    """A folder of the test's own for what runs and versions leave on a machine."""
    settings.VAR_DIR = tmp_path
    return tmp_path


@pytest.fixture
def shop(db: None, toys: None, var: Path) -> Any:
    return toy.stock()


@pytest.fixture
def train(shop: Any) -> Any:
    """Trains here and now, as `manage.py train --shop` does; returns the ended run."""
    from commerce_ai.learning import leases
    from commerce_ai.learning.attempt import execute
    from commerce_ai.learning.runs import request_run

    def _train(learner: str = "toy.mean", **options: Any) -> Any:
        params = options.pop("params", None)
        run = request_run(options.pop("shop", shop), learner, params, wake=False, **options)
        ended = execute(leases.claim("test", run.pk))
        print(ended, ended.state, ended.reason, *ended.log.values_list("text", flat=True), sep="\n")
        return ended

    return _train
