"""Cases, configurations and source files: numbers that other tables point at."""

from typing import Final

from health.invariants.law import Invariant

NAMES: Final = (
    Invariant(
        "numbers_not_dense",
        "{} cases have numbers from {} to {}: tiles would point at the wrong ones",
        """
        SELECT project_id, count(*), min(ord), max(ord) FROM health_case
        WHERE project_id = ANY(%(projects)s) GROUP BY project_id
        HAVING min(ord) <> 0 OR max(ord) <> count(*) - 1
        """,
    ),
    Invariant(
        "identity_twice",
        "{} cases share the identity {}",
        """
        SELECT project_id, count(*), digest FROM health_case
        WHERE project_id = ANY(%(projects)s) GROUP BY project_id, digest HAVING count(*) > 1
        """,
    ),
    Invariant(
        "result_without_case",
        "{} holds a result of case {}, and there are only {} cases",
        """
        SELECT x.project_id, x.what, x.last, coalesce(cases.n, 0) FROM (
            SELECT project_id, 'a tile of run ' || run AS what, block * 512 + CASE encoding WHEN 0
                THEN length(outcomes) - 1
                ELSE get_byte(offsets, length(offsets) - 2) + 256 * get_byte(offsets, length(offsets) - 1) END AS last
            FROM health_tile
            WHERE project_id = ANY(%(projects)s) AND (encoding = 0 OR length(offsets) >= 2)
            UNION ALL
            SELECT project_id, 'a failure of run ' || run, max(ord) FROM health_failure
            WHERE project_id = ANY(%(projects)s) GROUP BY project_id, run) x
        LEFT JOIN (
            SELECT project_id, count(*) AS n FROM health_case
            WHERE project_id = ANY(%(projects)s) GROUP BY project_id) cases ON cases.project_id = x.project_id
        WHERE x.last >= coalesce(cases.n, 0)
        """,
    ),
    Invariant(
        "case_without_suite",
        "{} cases stand in suite {}, which is not there",
        """
        SELECT c.project_id, count(*), c.suite FROM health_case c
        WHERE c.project_id = ANY(%(projects)s) AND NOT EXISTS (
            SELECT 1 FROM health_suite s WHERE s.project_id = c.project_id AND s.number = c.suite)
        GROUP BY c.project_id, c.suite
        """,
    ),
    Invariant(
        "merged_into_nothing",
        "case {} goes on as case {}, which is no other case that stands for itself",
        """
        SELECT c.project_id, c.ord, c.merged_into FROM health_case c
        WHERE c.project_id = ANY(%(projects)s) AND c.merged_into IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM health_case other
            WHERE other.project_id = c.project_id AND other.ord = c.merged_into AND other.ord <> c.ord)
        """,
    ),
    Invariant(
        "configuration_missing",
        "{} goes by configuration {}, which is not there",
        """
        SELECT x.project_id, x.what, x.configuration FROM (
            SELECT id AS project_id, 'the project' AS what, unnest(ARRAY[configuration, code_owners]) AS configuration
            FROM health_project
            UNION ALL
            SELECT project_id, 'upload ' || public_id, unnest(ARRAY[configuration, code_owners]) FROM health_upload) x
        WHERE x.project_id = ANY(%(projects)s) AND x.configuration IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM health_configuration c
            WHERE c.project_id = x.project_id AND c.number = x.configuration)
        """,
    ),
)

COVERAGE: Final = (
    Invariant(
        "coverage_not_summed",
        "run {} has a coverage report and no total, or a total and no report (level {})",
        """
        SELECT coalesce(r.project_id, t.project_id), coalesce(r.run, t.run),
            coalesce(nullif(coalesce(r.level, t.level), ''), 'none')
        FROM (SELECT DISTINCT project_id, run, level FROM health_coveragereport
              WHERE project_id = ANY(%(projects)s)) r
        FULL JOIN (SELECT project_id, run, level FROM health_runcoverage WHERE project_id = ANY(%(projects)s)) t
            ON t.project_id = r.project_id AND t.run = r.run AND t.level = r.level
        WHERE r.run IS NULL OR t.run IS NULL
        """,
    ),
    Invariant(
        "covered_more_than_there_is",
        "{} has more lines or branches covered than there are",
        """
        SELECT project_id, what FROM (
            SELECT project_id, 'the coverage report of upload number ' || upload AS what, lines_valid, lines_covered,
                branches_valid, branches_covered FROM health_coveragereport
            UNION ALL
            SELECT project_id, 'the coverage of run ' || run, lines_valid, lines_covered, branches_valid,
                branches_covered FROM health_runcoverage
            UNION ALL
            SELECT project_id, 'the coverage of file number ' || file, lines_valid, lines_covered, branches_valid,
                branches_covered FROM health_filecoverage
            UNION ALL
            SELECT project_id, 'the coverage of ' || directory || ' on ' || day, lines_valid, lines_covered,
                branches_valid, branches_covered FROM health_directoryday) x
        WHERE project_id = ANY(%(projects)s) AND (lines_covered > lines_valid OR branches_covered > branches_valid)
        """,
    ),
    Invariant(
        "file_without_name",
        "coverage is kept of file number {}, whose path is not",
        """
        SELECT f.project_id, f.file FROM health_filecoverage f
        WHERE f.project_id = ANY(%(projects)s) AND NOT EXISTS (
            SELECT 1 FROM health_sourcefile s WHERE s.project_id = f.project_id AND s.number = f.file)
        """,
    ),
)
