"""Writes the OpenAPI description: `python -m quiredb.api > docs/openapi.json`."""

import sys

from quiredb.api.application import describe

sys.stdout.write(describe())
