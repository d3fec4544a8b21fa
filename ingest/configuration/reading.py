"""The texts of the configuration: read, checked, and brought into the form the rules are kept in.

Called through `ingest.configuration`; pure.
"""

from dataclasses import dataclass
from typing import Any

from ingest.configuration.code_owners import read_code_owners
from ingest.configuration.deferrals import order_deferrals
from ingest.configuration.remarks import CONFIGURATION, DEFERRALS, OWNERS, Remarks
from ingest.configuration.shapes import read_shape
from ingest.configuration.yaml_nodes import YamlError, read_nodes
from ingest.remarks import Remark


@dataclass(frozen=True, slots=True)
class ConfigurationRead:
    """What was understood, without defaults, and what was not.

    Of an unreadable file nothing was understood, which is not the same as one that says nothing.
    """

    content: dict[str, Any]
    warnings: list[Remark]
    is_readable: bool = True


def name_file(path: str) -> str:
    """As which of the files one of this name is read."""
    name = path.replace("\\", "/").rpartition("/")[2]
    if name.upper() == OWNERS:
        return OWNERS
    return DEFERRALS if name.lower().replace(".yaml", ".yml") == DEFERRALS else CONFIGURATION


def read_file(text: str, *, file: str) -> ConfigurationRead:
    """Read one of the files by itself."""
    if file == OWNERS:
        return read_configuration("", text)
    if file == CONFIGURATION:
        return read_configuration(text)
    remarks = Remarks(file)
    values = _read_yaml(text, remarks)
    return ConfigurationRead(_order(values or {}, remarks), remarks.list_all(), values is not None)


def read_configuration(text: str, owners_text: str = "") -> ConfigurationRead:
    """Read `.suitewatch.yml` and CODEOWNERS; an empty text is a file that is not there."""
    remarks, about_owners = Remarks(CONFIGURATION), Remarks(OWNERS)
    values = _read_yaml(text, remarks)
    content = _order(values or {}, remarks)
    if code_owners := read_code_owners(owners_text, remarks=about_owners):
        content["code_owners"] = code_owners
    return ConfigurationRead(content, remarks.list_all() + about_owners.list_all(), values is not None)


def decode_text(data: bytes, *, file: str) -> tuple[str, list[Remark]]:
    """A file's bytes as text that the database can hold; bytes that are not UTF-8 become U+FFFD, with a remark."""
    remarks = Remarks(file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        remarks.add("undecodable_text", "The file is not UTF-8 here.", line=line)
        text = data.decode("utf-8-sig", "replace")
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}"), remarks.list_all()


def _read_yaml(text: str, remarks: Remarks) -> dict[str, Any] | None:
    """The values of the file; None when nothing in it could be understood."""
    try:
        root, second = read_nodes(text)
    except YamlError as problem:
        remarks.add(problem.code, problem.message, line=problem.line, column=problem.column)
        return None
    if second is not None:
        remarks.add("configuration_invalid", "A second document begins here; only the first is read.", line=second)
    values = read_shape(root, remarks=remarks) if root else {}
    if values is None:
        remarks.add_about_all("configuration_unreadable", "Nothing in the file could be understood.")
    return values


def _order(values: dict[str, Any], remarks: Remarks) -> dict[str, Any]:
    """The content as it is kept: what says nothing is left out."""
    content = {
        "suites": values.get("suites"),
        "coverage": {name: listed for name, listed in values.get("coverage", {}).items() if listed},
        "expected_jobs": list(dict.fromkeys(values.get("expected_jobs", ()))),
        "run": values.get("run"),
        "owners": values.get("owners"),
        "causes": values.get("causes"),
        "suite_times": values.get("suite_times"),
        "deferrals": order_deferrals(values.get("deferrals") or (), remarks=remarks),
        "deferral_policy": _name_once(values.get("deferral_policy")),
        "gate": _name_once(values.get("gate")),
    }
    return {name: value for name, value in content.items() if value}


def _name_once(said: dict[str, Any] | None) -> dict[str, Any]:
    """A mapping in whose lists nothing stands twice; an empty list is kept, since it says something."""
    return {name: list(dict.fromkeys(one)) if isinstance(one, list) else one for name, one in (said or {}).items()}
