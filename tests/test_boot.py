"""What the web process imports, and what the deployment check says."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("process")]


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def test_the_web_process_starts_without_torch_transformers_or_xgboost(services):
    done = run(
        "import sys; from commerce_ai.wsgi import application; from django.urls import get_resolver\n"
        "get_resolver().url_patterns\n"
        "heavy = ('torch', 'transformers', 'xgboost', 'sklearn', 'scipy', 'pandas', 'apprise')\n"
        "print([name for name in heavy if name in sys.modules])",
        DJANGO_SETTINGS_MODULE="tests.settings",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_check_deploy_is_clean_when_nothing_is_set(tmp_path):
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("HTTPS", "DEBUG", "DJANGO_SETTINGS_MODULE", "PYTHONPATH")
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        env={**environment, "COMMERCE_AI_VAR": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
