"""The tables. A row of `chunks` or `documents` is one version: alive at the positions born <= P < died."""

CATALOGUE = """
CREATE TABLE libraries (id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE) STRICT, WITHOUT ROWID;
CREATE TABLE creations (key TEXT PRIMARY KEY, digest TEXT NOT NULL, at INTEGER NOT NULL, library TEXT NOT NULL) STRICT;
CREATE TABLE retired (id TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
"""

KEYS = """
CREATE TABLE IF NOT EXISTS api_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    role TEXT NOT NULL,
    libraries TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;
"""
"""In the catalogue, made when keys are first asked for. `libraries` is a JSON list of ids, NULL for all."""

LIBRARY = """
CREATE TABLE state (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    library BLOB NOT NULL,
    last_chunk_row INTEGER NOT NULL,
    last_document_row INTEGER NOT NULL,
    last_document_key INTEGER NOT NULL
) STRICT;

CREATE TABLE documents (
    row INTEGER PRIMARY KEY,
    key INTEGER NOT NULL,
    id TEXT NOT NULL,
    chunk_count INTEGER NOT NULL,
    born INTEGER NOT NULL,
    died INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    metadata BLOB NOT NULL
) STRICT;
CREATE INDEX documents_id ON documents (id);
CREATE INDEX documents_key ON documents (key);
CREATE INDEX documents_died ON documents (died) WHERE died IS NOT NULL;

CREATE TABLE chunks (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    document INTEGER NOT NULL,
    place INTEGER NOT NULL,
    born INTEGER NOT NULL,
    died INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    metadata BLOB NOT NULL
) STRICT;
CREATE INDEX chunks_id ON chunks (id);
CREATE INDEX chunks_document ON chunks (document, place);
CREATE INDEX chunks_died ON chunks (died) WHERE died IS NOT NULL;
CREATE TABLE texts (row INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE TABLE embeddings (row INTEGER PRIMARY KEY, vector BLOB NOT NULL) STRICT;

CREATE VIEW chunk_versions AS SELECT
    row, id, document, place, born, died, created_at, updated_at, metadata,
    (SELECT d.id FROM documents d WHERE d.key = chunks.document LIMIT 1) AS document_id,
    (SELECT t.text FROM texts t WHERE t.row = chunks.row) AS text,
    (SELECT e.vector FROM embeddings e WHERE e.row = chunks.row) AS vector
FROM chunks;

CREATE TABLE graves (row INTEGER PRIMARY KEY, died INTEGER NOT NULL) STRICT;
CREATE TABLE segments (
    name TEXT PRIMARY KEY,
    low_row INTEGER NOT NULL,
    high_row INTEGER NOT NULL,
    position INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    kind TEXT NOT NULL,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE slices (slice INTEGER PRIMARY KEY, purged INTEGER NOT NULL, packed INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE attribute_kinds (
    scope TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, PRIMARY KEY (scope, name, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE idempotency (
    key TEXT PRIMARY KEY, digest TEXT NOT NULL, at INTEGER NOT NULL, receipt BLOB NOT NULL
) STRICT;
CREATE INDEX idempotency_at ON idempotency (at);
"""
