from django.db import migrations

from commerce_ai.decisions import triggers


class Migration(migrations.Migration):

    dependencies = [
        ('decisions', '0008_shadow'),
    ]

    operations = [
        migrations.RunSQL(sql=list(triggers.made_for_taken()), reverse_sql=list(triggers.unmade_for_taken())),
    ]
