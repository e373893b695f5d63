from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class ConsoleConfig(AppConfig):
    name = "commerce_ai.console"
    verbose_name = _("Console")

    def ready(self) -> None:
        from commerce_ai.console import scope

        # Groups are auth's; an app without models is not told that migrating is over.
        post_migrate.connect(scope.make_groups, sender=apps.get_app_config("auth"), dispatch_uid="console.groups")
