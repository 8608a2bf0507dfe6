"""REST: credentials: made, listed, revoked. All of it takes the admin scope on the whole service."""

from __future__ import annotations

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from imagestore.access.policies import Action
from imagestore.web.frontdoor import require, services
from imagestore.web.journal import note
from imagestore.web.rest.answers import ERRORS, SECURITY, answer_json, no_content
from imagestore.web.rest.schemas import (
    CredentialAnswer,
    CredentialList,
    CredentialPath,
    IssuedCredential,
    NewCredential,
)

credentials = APIBlueprint(
    "credentials",
    __name__,
    url_prefix="/v1",
    abp_tags=[Tag(name="credentials", description="Access keys, their scopes and the buckets they reach.")],
    abp_security=SECURITY,
    abp_responses=ERRORS,
)


@credentials.post("/credentials", summary="Make a credential", responses={"201": IssuedCredential})
def create_credential(body: NewCredential) -> Response:
    require(Action.ADMINISTER, None)
    issued = services().keyring.issue(list(body.scopes), body.buckets, body.description, body.owner)
    note(credential=issued.record.access_key)
    shown = CredentialAnswer.of(issued.record).model_dump()
    return answer_json(IssuedCredential(**shown, secret=issued.secret), 201)


@credentials.get(
    "/credentials", summary="List the credentials, without their secrets", responses={"200": CredentialList}
)
def list_credentials() -> Response:
    require(Action.ADMINISTER, None)
    found = [CredentialAnswer.of(record) for record in services().keyring.list_credentials()]
    return answer_json(CredentialList(credentials=found))


@credentials.delete(
    "/credentials/<string:access_key>", summary="Revoke a credential", responses={"204": None}
)
def revoke_credential(path: CredentialPath) -> Response:
    require(Action.ADMINISTER, None)
    services().keyring.revoke(path.access_key)
    return no_content()
