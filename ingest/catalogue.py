"""Every code a sender can meet and what it means: the closed list that `/api/v1/errors` shows.

Called by `ingest.views`. An error is why something was not taken or not read; a remark stands beside what was read.
Promise: whatever code the program can tell is listed, and `docs/errors.md` says the same
(`tests/ingest/test_catalogue.py`).
"""

from dataclasses import dataclass
from typing import Final

from ingest.errors import HINTS
from ingest.parsers import notes
from ingest.parsers.coverage import notes as coverage_notes
from ingest.remarks import HINTS as UPLOAD_HINTS

ERRORS: Final[dict[str, str]] = {
    # At the door.
    "token_missing": "No token came.",
    "token_malformed": "What came is no Suitewatch token; its checksum was not even looked up.",
    "token_invalid": "The token is unknown, revoked or expired; which of them is not told.",
    "scope_missing": "The token is good, and not for this.",
    "token_in_url": "The token stands in the address.",
    "upload_not_found": "The token's project has no such upload.",
    "run_not_found": "The token's project has no such run.",
    "https_required": "The request came over plain http.",
    "unsupported_type": "This can never be a report: a program, an image, a database, a locked archive.",
    "length_required": "The request does not say how long its body is, as chunked ones do not.",
    "too_large": "The request is longer than the limit; none of it was read.",
    "body_truncated": "The connection ended before the announced length had come.",
    "upload_timeout": "The body came too slowly, or paused for too long.",
    "empty_body": "There is no file in the request, or in its archive.",
    "too_many_parts": "More files or fields came than one upload takes.",
    "bad_multipart": "The form is cut, or a part of it has no name that can be read.",
    "bad_encoding": "A packed file ends early, is damaged, or is followed by something else.",
    "too_large_uncompressed": "The files are larger than the limit once unpacked.",
    "unsupported_encoding": "A packing that is not read, or one inside of another.",
    "bad_idempotency_key": "The header is too short, too long, or holds other characters.",
    "idempotency_key_reused": "The key stands for an earlier upload with other content.",
    "rate_limited": "The project sends faster than it may; or too many unknown tokens came from one address.",
    "queue_full": "Too many uploads of the project wait to be read.",
    "quota_exceeded": "The project sent as many bytes today as it may.",
    "invalid_field": "Fields of the upload cannot be used; all of them are named.",
    "storage_full": "There is no room on a disk, the door's or the database's.",
    "server_busy": "As many files are open, connections held, or large uploads unpacked, as may be at once.",
    "db_unavailable": "The database does not answer.",
    # At any address.
    "bad_request": "The request makes no sense: its host, its address or its headers.",
    "forbidden": "You are known, and may not do this.",
    "stale_form": "The form's token is missing or too old.",
    "not_found": "There is nothing at this address.",
    "method_not_allowed": "The address takes no such method.",
    "db_busy": "The database has no connection or lock free.",
    "too_slow": "A question to the database took too long.",
    "read_only": "The database takes no changes at the moment.",
    # In a file.
    "empty_file": "The file holds nothing.",
    "not_xml": "The file is no XML and nothing else we read.",
    "not_a_report": "The file can be read, and is no report.",
    "xml_malformed": "The XML breaks its own rules before the first result.",
    "report_truncated": "The file breaks off; what came before is kept.",
    "undecodable_text": "Bytes are not in the encoding that the file declares.",
    "xml_entities_forbidden": "The file declares entities or a DTD of its own.",
    "xml_too_deep": "Elements are nested too deeply.",
    "xml_too_many_attributes": "An element has too many attributes.",
    "xml_token_too_long": "A name, a comment or a value is far too long.",
    "too_many_cases": "One file holds more cases than the limit.",
    "bad_json": "The JSON breaks its own rules.",
    "coverage_too_large": "The coverage report names more lines or files than the limit.",
    # In the files of the configuration.
    "configuration_too_large": "A file of the configuration is longer than the limit.",
    "configuration_unreadable": "`.suitewatch.yml` is no YAML, or nothing in it could be understood.",
    "configuration_invalid": "A value in `.suitewatch.yml` is not what can stand there.",
    "yaml_forbidden": "`.suitewatch.yml` uses aliases, anchors or tags.",
    "unknown_key": "`.suitewatch.yml` has a key that means nothing here.",
    "duplicate_key": "`.suitewatch.yml` says the same key twice, or puts the same pattern off twice.",
    "names_nothing": "A text under `deferrals` names no tests that can be looked up.",
    "owners_invalid": "A line of CODEOWNERS cannot be read.",
    # In the worker.
    "worker_crashed": "The worker died each time it read this upload.",
    "time_limit": "Reading took longer than a worker may take.",
    "out_of_memory": "Reading took more memory than a worker has.",
    "payload_missing": "The kept bytes of a file are not complete.",
    "internal": "Suitewatch failed.",
}
RESULTS_REMARKS: Final[dict[str, str]] = {
    "attempts_merged": "A test stands in the report several times, once for each attempt.",
    "case_cut_off": "The file breaks off inside of a test.",
    "conflicting_outcome": "A test is called skipped and failed at once.",
    "control_characters_removed": "The file holds characters that no XML may hold.",
    "declared_differs": "The report declares other numbers of tests than it lists.",
    "encoding_repaired": "Bytes are not in the encoding that the file declares.",
    "leading_space_removed": "The file begins with blank space.",
    "name_truncated": "The name of a test or suite is too long.",
    "no_cases": "The report lists no test.",
    "repeated_name": "Several tests of the upload have one name.",
    "several_documents": "The file holds several reports, one behind the other.",
    "status_ignored": "A test calls itself failed in an attribute, and has no failure.",
    "suite_level_error": "A suite failed outside of its tests.",
    "suspicious_unit": "A test is said to have taken improbably long.",
    "text_truncated": "A failure's text is too long.",
    "time_missing": "Tests have no time.",
    "time_rewritten": "A time is written as some languages write it, and not as XML does.",
    "time_unreadable": "A time cannot be a duration.",
    "trailing_content": "Something that is no report stands behind the report.",
}
COVERAGE_REMARKS: Final[dict[str, str]] = {
    "branches_clamped": "More branches are said to be taken than there are.",
    "contexts_left_out": "The report names more tests and lines together than are kept.",
    "declared_differs": "The report declares other totals than its lines add up to.",
    "encoding_repaired": "Bytes are not in the encoding that the file declares.",
    "entry_unreadable": "An entry has not the form it should have.",
    "hits_clamped": "What should be a number of hits is none.",
    "line_out_of_range": "A line has an impossible number.",
    "no_files": "The report lists no files.",
    "no_branch_detail": "The report has a total of branches, and lists none of them.",
    "no_line_detail": "The report has totals, and does not list the lines.",
    "path_above_root": "A path leads out of the root of the repository.",
    "path_absolute": "A path begins at the root of the machine that ran the tests.",
    "path_changed": "A path is too long, or holds control characters.",
    "path_missing": "A file has no path.",
    "paths_merged": "Several paths of the report became one, for example by a prefix.",
    "record_too_long": "A line of the file is too long to be read.",
    "record_unclosed": "A record begins before the one before it has ended.",
    "record_unknown": "A line of the file is nothing that its format knows.",
    "totals_differ": "The report declares other totals than its lines add up to, and in its format the totals stand.",
}
UPLOAD_REMARKS: Final[dict[str, str]] = {
    "sibling_deliveries": "Another upload of the same job, variant and attempt ran the same tests.",
    "timestamp_out_of_range": "A moment is impossible, or has no time zone; it counts as not sent.",
    "unknown_field": "A field of the upload is not known; it was not read.",
    "volatile_name": "Names hold an address, a UUID or a moment; tests are followed without it.",
}


@dataclass(frozen=True, slots=True)
class Code:
    """A code with what it means and what helps; `about` is empty for errors."""

    code: str
    meaning: str
    hint: str
    about: str = ""


def list_errors() -> list[Code]:
    """The codes of `ingest.errors`, in its order."""
    return [Code(code, ERRORS[code], hint) for code, hint in HINTS.items()]


def list_remarks() -> list[Code]:
    """The codes of remarks by what they are about; a code that two kinds of report know is in the list twice."""
    kinds = (
        ("results", RESULTS_REMARKS, notes.HINTS),
        ("coverage", COVERAGE_REMARKS, coverage_notes.HINTS),
        ("upload", UPLOAD_REMARKS, UPLOAD_HINTS),
    )
    return [
        Code(code, meanings[code], hint, about=about)
        for about, meanings, hints in kinds
        for code, hint in hints.items()
    ]
