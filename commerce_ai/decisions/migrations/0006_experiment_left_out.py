from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("decisions", "0005_loss")]

    operations = [
        migrations.AddField(
            model_name="experiment",
            name="left_out",
            field=models.JSONField(blank=True, default=dict, editable=False, verbose_name="visitors left out, by why"),
        ),
    ]
