"""Why a delivery or a file failed or was refused, in words: the public codes as people say them.

Used by the pages of uploads. Pure; a code that is not named here is written with blanks
(`tests/dashboard/test_reasons.py`).
"""

from typing import Final

# Where the code with blanks for underscores would not be said, or not be understood.
_WORDS: Final[dict[str, str]] = {
    "bad_json": "broken JSON",
    "bad_idempotency_key": "an Idempotency-Key that cannot be used",
    "bad_multipart": "a form that cannot be read",
    "bad_encoding": "damaged compression",
    "body_truncated": "the connection broke",
    "coverage_too_large": "more coverage than may be kept",
    "db_busy": "the database was busy",
    "db_unavailable": "the database was away",
    "empty_body": "no file in the delivery",
    "https_required": "sent over plain http",
    "idempotency_key_reused": "an Idempotency-Key used twice",
    "internal": "an error of Suitewatch",
    "invalid_field": "a field that is not understood",
    "length_required": "no Content-Length",
    "not_a_report": "not a report",
    "not_xml": "not XML",
    "out_of_memory": "out of memory",
    "payload_missing": "the files are no longer kept",
    "rate_limited": "too many deliveries at once",
    "report_truncated": "breaks off",
    "scope_missing": "a token that may not upload",
    "storage_full": "no room on the server",
    "time_limit": "took too long",
    "too_large": "too large a body",
    "too_large_uncompressed": "too large when unpacked",
    "too_many_cases": "too many tests in one file",
    "too_many_parts": "too many files at once",
    "undecodable_text": "text in another encoding",
    "unsupported_encoding": "a packing that is not read, or packed twice",
    "unsupported_type": "a file that can be no report",
    "upload_timeout": "sent too slowly",
    "worker_crashed": "the worker died",
    "xml_entities_forbidden": "entities in the XML",
    "xml_malformed": "broken XML",
    "xml_too_deep": "nested too deeply",
    "xml_too_many_attributes": "too many attributes",
    "xml_token_too_long": "too long a tag",
}


def name_reason(code: str) -> str:
    """The code as a colleague would say it; without a code, that nobody knows."""
    return _WORDS.get(code) or code.replace("_", " ") or "no reason was kept"
