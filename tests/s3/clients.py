"""boto3's client of an S3 door, and nothing else that this machine may know."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

REGION = "us-east-1"


def s3_client(url: str, access_key: str, secret: str, *, verify: str | None = None, **options: Any) -> Any:
    """`options` are those of its Config, `verify` the file of who signed for https. The caller closes it."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name=REGION,
        verify=verify,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        config=Config(proxies={}, **options),
    )
