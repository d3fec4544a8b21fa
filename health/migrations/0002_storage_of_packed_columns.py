"""Packed values are already small or compressed: PostgreSQL should neither compress nor move them in vain."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("health", "0001_facts")]
    operations = [
        migrations.RunSQL(
            """
            ALTER TABLE health_tile ALTER offsets SET STORAGE PLAIN, ALTER outcomes SET STORAGE PLAIN,
                ALTER durations SET STORAGE PLAIN;
            ALTER TABLE health_failuretext ALTER blob SET STORAGE EXTERNAL;
            ALTER TABLE health_payloadchunk ALTER data SET STORAGE EXTERNAL;
            ALTER TABLE health_coveragereport ALTER blob SET STORAGE EXTERNAL, ALTER contexts SET STORAGE EXTERNAL;
            """,
            reverse_sql=migrations.RunSQL.noop,
        )
    ]
