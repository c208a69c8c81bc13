"""API keys."""

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.responses import Response

from quiredb.api.answers import JsonAnswer, answer, empty
from quiredb.api.bodies import StrictRoute
from quiredb.api.dependencies import KeyPath, ServicesDependency
from quiredb.api.openapi import problems
from quiredb.api.schemas.keys import KEY_EXAMPLE, KeyBody, KeyList, NewKeyAnswer, key_answer

router = APIRouter(prefix="/v1/keys", tags=["keys"], route_class=StrictRoute)


@router.post(
    "",
    operation_id="create_key",
    summary="Make an API key",
    status_code=201,
    response_model=NewKeyAnswer,
    responses=problems(400, 413, 415, 507),
)
def create_key(services: ServicesDependency, body: Annotated[KeyBody, Body(examples=[KEY_EXAMPLE])]) -> JsonAnswer:
    """Answers the key itself, this once: only its digest is kept. It counts within a second."""
    made, key = services.keys.create(body.to_domain())
    return answer({**key_answer(made), "key": key}, status=201)


@router.get("", operation_id="list_keys", summary="List API keys", response_model=KeyList, responses=problems())
def list_keys(services: ServicesDependency) -> JsonAnswer:
    """What is known of each key, the oldest first; never the keys themselves."""
    return answer({"items": [key_answer(key) for key in services.keys.list()]})


@router.delete(
    "/{key}", operation_id="revoke_key", summary="Revoke an API key", status_code=204, responses=problems(404, 507)
)
def revoke_key(services: ServicesDependency, key: KeyPath) -> Response:
    """Makes the key with this id worthless, for good and within a second."""
    services.keys.revoke(key)
    return empty(204)
