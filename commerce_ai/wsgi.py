"""The web process."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "commerce_ai.settings")
os.environ.setdefault("COMMERCE_AI_PROCESS", "web")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

from commerce_ai.shop.revision import refresher  # noqa: E402

refresher.ensure_started()
