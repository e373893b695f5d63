"""The tests' settings for processes with a Redis of their own, which a test may kill without others noticing."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import CACHES

_socket = os.environ["OWN_REDIS_SOCKET"]
REDIS_URL = f"unix://{_socket}?db=0"
CELERY_BROKER_URL = f"redis+socket://{_socket}?virtual_host=0"
CACHES["default"]["LOCATION"] = f"unix://{_socket}?db=1"
DECISION_LIMIT_S = 0.05  # as in the product
