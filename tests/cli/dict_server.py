"""A server made of dicts: as much of the REST contract as the commands speak."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

NOW = "2026-01-02T03:04:05Z"


def problem(status: int, detail: str, **more: Any) -> httpx.Response:
    body = {"title": "t", "status": status, "code": "c", "detail": detail, "request_id": "r-1", **more}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


@dataclass
class DictServer:
    """Libraries with their lines. `answer` replaces every answer; `searches` are the bodies of searches."""

    libraries: dict[str, dict[str, Any]] = field(default_factory=dict)
    lines: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    searches: list[dict[str, Any]] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    answer: Callable[[httpx.Request], httpx.Response] | None = None

    def handle(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        if self.answer is not None:
            return self.answer(request)
        match request.method, request.url.path.strip("/").split("/")[1:]:
            case "GET", ["libraries"]:
                return httpx.Response(200, json={"items": list(self.libraries.values()), "next_cursor": None})
            case "PUT", ["libraries", name]:
                return self._create(name, json.loads(request.content))
            case _, ["libraries", name, *rest] if name in self.libraries:
                return self._inside(request, name, rest)
        return problem(404, "There is no such library.")

    def _create(self, name: str, body: dict[str, Any]) -> httpx.Response:
        if name in self.libraries:
            return problem(412, "The library exists.")
        self.libraries[name] = {
            "id": name,
            "dimension": body.get("dimension", 1536),
            "metric": body["metric"],
            "index": body.get("index", {"kind": "auto"}),
            "embedder": body.get("embedder"),
            "metadata": body.get("metadata") or {},
            "document_count": 0,
            "chunk_count": 0,
            "position": 1,
            "version": 1,
            "created_at": NOW,
            "updated_at": NOW,
        }
        self.lines[name] = []
        return httpx.Response(201, json=self.libraries[name])

    def _inside(self, request: httpx.Request, name: str, rest: list[str]) -> httpx.Response:
        library = self.libraries[name]
        match request.method, rest:
            case "GET", []:
                return httpx.Response(200, json=library)
            case "DELETE", []:
                del self.libraries[name]
                return httpx.Response(204)
            case "POST", ["import"]:
                return self._import(name, request.content)
            case "GET", ["export"]:
                return httpx.Response(
                    200, content=b"".join(json.dumps(one).encode() + b"\n" for one in self.lines[name])
                )
            case "POST", ["search"]:
                self.searches.append(json.loads(request.content))
                return httpx.Response(200, json=self._hits(name))
            case "GET", ["stats"]:
                index = {"kind": "graph", "state": "ready"}
                segments = [{"name": "s1", "rows": 12345, "bytes": 1536}]
                body = {
                    "chunk_count": library["chunk_count"],
                    "live_bytes": 3 << 20,
                    "segments": segments,
                    "index": index,
                }
                return httpx.Response(200, json=body)
        return problem(405, "Not here.")

    def _import(self, name: str, content: bytes) -> httpx.Response:
        errors, library = [], self.libraries[name]
        for number, raw in enumerate(content.splitlines(), start=1):
            line = json.loads(raw)
            if line.get("metadata", {}).get("bad"):
                fault = {
                    "line": number,
                    "code": "unknown-field",
                    "pointer": "/metadata/bad",
                    "detail": "Unknown field.",
                }
                errors.append(fault)
                continue
            self.lines[name].append(line)
            library["document_count"] += 1
            library["chunk_count"] += len(line.get("chunks", []))
        return httpx.Response(200, json={"failed": len(errors), "errors": errors})

    def _hits(self, name: str) -> dict[str, Any]:
        chunks = [(line, chunk) for line in self.lines[name] for chunk in line.get("chunks", [])]
        hits = [
            {
                "id": chunk["id"],
                "document_id": line["id"],
                "score": 1 - place / 10,
                "distance": place / 10,
                "text": chunk["text"],
                "metadata": chunk.get("metadata", {}),
                "document": {"id": line["id"], "metadata": line.get("metadata", {})},
            }
            for place, (line, chunk) in enumerate(chunks)
        ]
        return {"hits": hits, "position": 3, "took_ms": 1.25}
