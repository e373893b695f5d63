"""The web process."""

import gc
import os
import threading

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "commerce_ai.settings")
os.environ.setdefault("COMMERCE_AI_PROCESS", "web")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

from commerce_ai.decisions import losses  # noqa: E402
from commerce_ai.shop.revision import refresher  # noqa: E402


def _warm_up() -> None:
    """In a thread of its own: requests are answered meanwhile, the first ones more slowly."""
    from django.db import connections

    from commerce_ai.decisions.experiments import assignment
    from commerce_ai.learning import live
    from commerce_ai.shop import allowed

    try:
        allowed.load_all()
        live.load_all()
        assignment.load_all()
    finally:
        connections.close_all()
        # What is loaded by now stays: a full collection that walks all of it holds every request up for 0.1 s.
        gc.collect()
        gc.freeze()


refresher.ensure_started()
losses.keep_settled()
threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()
