"""The product's settings on services of the tests' own, and one database, Redis pair and queue prefix a worker."""

import os
from pathlib import Path

from tests import site

_base = Path(os.environ.get("COMMERCE_AI_VAR") or Path(__file__).resolve().parent.parent / "var")
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
_number = int(WORKER.removeprefix("gw") or 0)

# Real processes that a test starts read the same environment, and so the same services.
if not os.environ.get("COMMERCE_AI_TESTS"):
    os.environ["COMMERCE_AI_TESTS"] = "1"
    os.environ["COMMERCE_AI_VAR"] = str(_base / "test")
os.environ["DATABASE_NAME"] = f"test_{WORKER}"
os.environ["REDIS_DB"] = str(2 + 2 * _number)
os.environ["QUEUE_PREFIX"] = f"{WORKER}-"
os.environ["HTTPS"] = "0"
for name in ("DATABASE_URL", "REDIS_URL"):
    os.environ.pop(name, None)

site.install(Path(os.environ["COMMERCE_AI_VAR"]))

from commerce_ai.settings import *  # noqa: E402, F403
from commerce_ai.settings import DATABASES, STATIC_ROOT  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
ALLOWED_HOSTS = ["*"]
DATABASES["default"]["CONN_HEALTH_CHECKS"] = False
DECISION_LIMIT_S = 10.0  # machines that run tests are busy
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
