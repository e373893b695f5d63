from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DecisionsConfig(AppConfig):
    name = "commerce_ai.decisions"
    verbose_name = _("Decisions")

    def ready(self) -> None:
        from commerce_ai.decisions.experiments import canary
        from commerce_ai.learning.keeping import keep_files_of

        keep_files_of(canary.on_trial)
