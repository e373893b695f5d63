from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class ShopConfig(AppConfig):
    name = "commerce_ai.shop"
    label = "shop"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("Shop")

    def ready(self) -> None:
        from commerce_ai.shop import partitions

        # A house that was just migrated takes events at once, not only after the first run of the schedule.
        post_migrate.connect(partitions.after_migrate, sender=self, dispatch_uid="shop.partitions")
