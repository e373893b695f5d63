import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("decisions", "0004_experiment_replaced"),
        ("shop", "0002_tombstone"),
    ]

    operations = [
        migrations.CreateModel(
            name="Loss",
            fields=[
                (
                    "decision_id",
                    models.UUIDField(editable=False, primary_key=True, serialize=False, verbose_name="decision"),
                ),
                ("plugin", models.CharField(max_length=64, verbose_name="plugin")),
                (
                    "shop",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="shop.shop",
                        verbose_name="shop",
                    ),
                ),
            ],
            options={
                "verbose_name": "lost decision",
                "verbose_name_plural": "lost decisions",
            },
        ),
        migrations.AddIndex(
            model_name="loss",
            index=models.Index(fields=["shop", "plugin"], name="decisions_loss_plugin"),
        ),
    ]
