from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LearningConfig(AppConfig):
    name = "commerce_ai.learning"
    verbose_name = _("Learning")
