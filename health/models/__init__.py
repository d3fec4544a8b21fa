"""The tables by name. Rooms import from here; nothing else lives in this file."""

from health.models.projects import Membership, Project, UploadToken
from health.models.results import (
    Case,
    Failure,
    FailureText,
    Fingerprint,
    Job,
    Run,
    RunSuite,
    Series,
    Suite,
    SuiteDay,
    Tile,
)
from health.models.uploads import PayloadChunk, Upload, UploadFile

__all__ = [
    "Case",
    "Failure",
    "FailureText",
    "Fingerprint",
    "Job",
    "Membership",
    "PayloadChunk",
    "Project",
    "Run",
    "RunSuite",
    "Series",
    "Suite",
    "SuiteDay",
    "Tile",
    "Upload",
    "UploadFile",
    "UploadToken",
]
