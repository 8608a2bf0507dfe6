"""Two accounts and a stranger at every door of a service, and what they are told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.service import Service


@dataclass(frozen=True)
class Person:
    """`s3` signs by S3; `web` asks delivery and REST, with a credential if there is one."""

    s3: Any
    web: httpx.Client
    owner: str = ""
    id: str = ""


@dataclass(frozen=True)
class People:
    root: Person
    ann: Person
    bob: Person
    stranger: Person

    def __iter__(self) -> Any:
        return iter((self.root, self.ann, self.bob, self.stranger))


def hire(service: Service, open_s3: Callable[..., Any], owner: str) -> Person:
    with service.client() as client:
        made = client.create_credential(["read", "write"], owner=owner)
    auth = (made["access_key"], made["secret"])
    return Person(open_s3(*auth), httpx.Client(base_url=service.url, auth=auth), owner, made["canonical_id"])


def policy(bucket: str, *statements: Mapping[str, Any]) -> str:
    """By default, everybody may get every object."""
    whole = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [whole | dict(each) for each in statements]})


def code_of(call: Callable[..., Any], **named: Any) -> str:
    """The code of S3's error, with which a call must end."""
    with pytest.raises(ClientError) as refused:
        call(**named)
    code: str = refused.value.response["Error"]["Code"]
    return code


def statuses(web: httpx.Client, path: str, **fields: str) -> set[int]:
    """Of as many requests over connections of their own as reach every worker."""
    found = set()
    for _ in range(8):
        headers = {"Connection": "close", **fields}
        found.add(web.get(path, headers=headers).status_code)
    return found
