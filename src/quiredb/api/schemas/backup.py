"""What whoever takes a backup has already."""

from typing import Annotated

from pydantic import ConfigDict, Field

from quiredb.api.schemas.base import RequestModel
from quiredb.domain.limits import BACKUP_BLOCKS_MAX

BlockDigest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BackupBody(RequestModel):
    """The blocks that earlier backups brought, by their SHA-256; they are not sent again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"known": ["0" * 64]}]})

    known: Annotated[list[BlockDigest], Field(max_length=BACKUP_BLOCKS_MAX)] = Field(default_factory=list)
