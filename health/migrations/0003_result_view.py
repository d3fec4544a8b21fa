"""A view that unpacks tiles, one row per result, for people who want ad-hoc SQL; no page reads it."""

from django.db import migrations

VIEW = """
CREATE VIEW health_result AS
SELECT t.project_id, t.series, t.run, t.upload, t.attempt, t.block * 512 + slot.number AS ord, slot.outcome,
       ((slot.word & 2047)::bigint << (slot.word >> 11)) / 100.0 AS milliseconds
FROM health_tile t
CROSS JOIN LATERAL (
    SELECT CASE t.encoding WHEN 0 THEN i ELSE get_byte(t.offsets, 2 * i) + 256 * get_byte(t.offsets, 2 * i + 1) END
               AS number,
           get_byte(t.outcomes, i) AS outcome,
           get_byte(t.durations, 2 * i) + 256 * get_byte(t.durations, 2 * i + 1) AS word
    FROM generate_series(0, length(t.outcomes) - 1) AS i
) slot
WHERE slot.outcome <> 0
"""


class Migration(migrations.Migration):
    dependencies = [("health", "0002_storage_of_packed_columns")]
    operations = [migrations.RunSQL(VIEW, reverse_sql="DROP VIEW health_result")]
