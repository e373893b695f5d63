from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="reorderproposal",
            name="automatic",
            field=models.BooleanField(default=False, verbose_name="approved automatically"),
        ),
        migrations.AddField(
            model_name="reorderproposal",
            name="batch",
            field=models.UUIDField(blank=True, editable=False, null=True, verbose_name="decided together with"),
        ),
        migrations.AddIndex(
            model_name="reorderproposal",
            index=models.Index(fields=["shop", "-decided_at"], name="inventory_reorder_decided"),
        ),
    ]
