"""The tables by name. Rooms import from here; nothing else lives in this file."""

from health.models.audit import AuditEntry
from health.models.configuration import Configuration
from health.models.coverage import CoverageReport, DirectoryDay, FileCoverage, RunCoverage, SourceFile
from health.models.deferrals import (
    Backing,
    BackingCase,
    BackingChange,
    Deferral,
    DeferralChange,
    DeferredCase,
    DeferredSpan,
)
from health.models.judged import (
    CaseSpeed,
    CaseVerdict,
    CauseCount,
    CauseSplit,
    FixClaim,
    SeriesWindow,
    VanishedCase,
)
from health.models.limits import Allowance, Refusal
from health.models.projects import Membership, Project, UploadToken
from health.models.results import (
    Case,
    Failure,
    FailureText,
    Fingerprint,
    Job,
    RenameProposal,
    Run,
    RunClosing,
    RunSuite,
    Series,
    Suite,
    SuiteDay,
    Tile,
)
from health.models.uploads import PayloadChunk, Upload, UploadFile

__all__ = [
    "Allowance",
    "AuditEntry",
    "Backing",
    "BackingCase",
    "BackingChange",
    "Case",
    "CaseSpeed",
    "CaseVerdict",
    "CauseCount",
    "CauseSplit",
    "Configuration",
    "CoverageReport",
    "Deferral",
    "DeferralChange",
    "DeferredCase",
    "DeferredSpan",
    "DirectoryDay",
    "Failure",
    "FailureText",
    "FileCoverage",
    "Fingerprint",
    "FixClaim",
    "Job",
    "Membership",
    "PayloadChunk",
    "Project",
    "Refusal",
    "RenameProposal",
    "Run",
    "RunClosing",
    "RunCoverage",
    "RunSuite",
    "Series",
    "SeriesWindow",
    "SourceFile",
    "Suite",
    "SuiteDay",
    "Tile",
    "Upload",
    "UploadFile",
    "UploadToken",
    "VanishedCase",
]
