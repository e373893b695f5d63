from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CommerceAIConfig(AppConfig):
    name = "commerce_ai"
    verbose_name = _("Commerce AI")

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        from commerce_ai import (
            celery,  # noqa: F401  (shared_task needs the app in every process)
            checks,  # noqa: F401  (registers the plugin checks)
            jobs,
        )

        post_migrate.connect(jobs.ensure, sender=self, dispatch_uid="commerce_ai.jobs")
