"""What `.suitewatch.yml`, CODEOWNERS and `.suitewatch-deferrals.yml` say, and remarks about what cannot be used.

Read from their texts: by `ingest.pipeline` through `keep`, by the check endpoint and by `suitewatch check`; all but
`keep` is pure.
Promise: any text gives an answer and never an error; what is good in it is used
(`tests/ingest/configuration/test_reading.py`).
"""

from ingest.configuration.reading import ConfigurationRead, decode_text, name_file, read_configuration, read_file
from ingest.configuration.remarks import CONFIGURATION, DEFERRALS, OWNERS

__all__ = [
    "CONFIGURATION",
    "DEFERRALS",
    "OWNERS",
    "ConfigurationRead",
    "decode_text",
    "name_file",
    "read_configuration",
    "read_file",
]
