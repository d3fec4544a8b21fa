"""What `.suitewatch.yml` and CODEOWNERS say, read from their texts: content, and remarks about what cannot be used.

Called by `ingest.pipeline` through `keep`, by the check endpoint and by `suitewatch check`; all but `keep` is pure.
Promise: any text gives an answer and never an error; what is good in it is used
(`tests/ingest/configuration/test_reading.py`).
"""

from ingest.configuration.reading import ConfigurationRead, decode_text, read_configuration
from ingest.configuration.remarks import CONFIGURATION, OWNERS

__all__ = [
    "CONFIGURATION",
    "OWNERS",
    "ConfigurationRead",
    "decode_text",
    "read_configuration",
]
