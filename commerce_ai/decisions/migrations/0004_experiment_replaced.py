from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("decisions", "0003_experiment")]

    operations = [
        migrations.AddField(
            model_name="experiment",
            name="replaced",
            field=models.JSONField(blank=True, default=dict, editable=False, verbose_name="settings before"),
        ),
    ]
