"""Lifecycle rules by S3: read as AWS reads them, shown as they were put, told in answers, and carried out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.lifecycle import parse_rules
from tests.service import await_that, running_service

TAG = {"Key": "a", "Value": "1"}


def given(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"Rules": list(rules)}


def rule(name: str = "r", **fields: Any) -> dict[str, Any]:
    return {"ID": name, "Status": "Enabled", **({"Filter": {}} if "Prefix" not in fields else {}), **fields}


RULES = [
    rule("plain", Prefix="logs/", Expiration={"Days": 30}),
    rule("date", Filter={"Prefix": "x"}, Expiration={"Date": datetime(2035, 1, 31, tzinfo=UTC)}),
    rule("marker", Expiration={"ExpiredObjectDeleteMarker": True}),
    rule("tag", Filter={"Tag": TAG}, Expiration={"Days": 1}),
    rule(
        "and",
        Filter={"And": {"Prefix": "p", "Tags": [TAG], "ObjectSizeGreaterThan": 1, "ObjectSizeLessThan": 9}},
        NoncurrentVersionExpiration={"NoncurrentDays": 7, "NewerNoncurrentVersions": 2},
    ),
    rule("abort", Status="Disabled", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 3}),
]


def test_rules_are_shown_as_they_were_put(s3: Any, s3_bucket: str) -> None:
    with pytest.raises(ClientError, match="NoSuchLifecycleConfiguration"):
        s3.get_bucket_lifecycle_configuration(Bucket=s3_bucket)
    s3.put_bucket_lifecycle_configuration(Bucket=s3_bucket, LifecycleConfiguration=given(*RULES))
    assert s3.get_bucket_lifecycle_configuration(Bucket=s3_bucket)["Rules"] == RULES
    s3.delete_bucket_lifecycle(Bucket=s3_bucket)
    with pytest.raises(ClientError, match="NoSuchLifecycleConfiguration"):
        s3.get_bucket_lifecycle_configuration(Bucket=s3_bucket)


def test_a_rule_without_an_id_gets_one_and_a_filter_may_leave_out_its_and(s3: Any, s3_bucket: str) -> None:
    wanted = {"Prefix": "p", "Tag": TAG, "And": {"Prefix": "p/q", "Tags": [{"Key": "b", "Value": "2"}]}}
    s3.put_bucket_lifecycle_configuration(
        Bucket=s3_bucket,
        LifecycleConfiguration=given({"Status": "Enabled", "Filter": wanted, "Expiration": {"Days": 1}}),
    )
    [found] = s3.get_bucket_lifecycle_configuration(Bucket=s3_bucket)["Rules"]
    assert len(found["ID"]) == 48
    both = {"Prefix": "p/q", "Tags": [TAG, {"Key": "b", "Value": "2"}]}
    assert found["Filter"] == {"And": both}


DAYS = "<Expiration><Days>1</Days></Expiration>"
PAST = "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>"
ABORT = (
    "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>"
    "</AbortIncompleteMultipartUpload>"
)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("inside", "code"),
    [
        ("<Prefix/><Status>Enabled</Status>" + DAYS, ""),
        ("<Filter/><Status>Enabled</Status>" + DAYS, ""),
        (f"<ID>{'a' * 255}</ID><Prefix/><Status>Enabled</Status>{DAYS}", ""),
        (f"<ID>{'a' * 256}</ID><Prefix/><Status>Enabled</Status>{DAYS}", "InvalidArgument"),
        ("<Prefix/><Status>enabled</Status>" + DAYS, "MalformedXML"),
        ("<Prefix/>" + DAYS, "MalformedXML"),
        ("<Status>Enabled</Status>" + DAYS, "MalformedXML"),
        ("<Prefix/><Filter/><Status>Enabled</Status>" + DAYS, "InvalidRequest"),
        ("<Prefix/><Status>Enabled</Status>", "InvalidRequest"),
        (DAYS.replace("1", "0"), "InvalidArgument"),
        (DAYS.replace("1", "-1"), "InvalidArgument"),
        (DAYS.replace("1", "one"), "MalformedXML"),
        (DAYS.replace("1", "٣"), "MalformedXML"),
        (DAYS.replace("1", "1</Days><Days>2"), "MalformedXML"),
        ("<Expiration/>", "MalformedXML"),
        ("<Expiration><Days>1</Days><Date>2030-01-01</Date></Expiration>", "MalformedXML"),
        ("<Expiration><Date>2030-01-01</Date></Expiration>", ""),
        ("<Expiration><Date>2030-01-01T00:00:00.000Z</Date></Expiration>", ""),
        ("<Expiration><Date>2030-01-01T02:00:00+02:00</Date></Expiration>", ""),
        ("<Expiration><Date>20300101</Date></Expiration>", "MalformedXML"),
        ("<Expiration><Date>2030-13-01</Date></Expiration>", "MalformedXML"),
        ("<Expiration><Date>2030-01-01T01:00:00Z</Date></Expiration>", "MalformedXML"),
        ("<Expiration><Date>0001-01-01T00:00:00+12:00</Date></Expiration>", "MalformedXML"),
        ("<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>", ""),
        (
            "<Expiration><ExpiredObjectDeleteMarker>yes</ExpiredObjectDeleteMarker></Expiration>",
            "MalformedXML",
        ),
        ("<NoncurrentVersionExpiration/>", "MalformedXML"),
        (
            PAST.replace("1", "0"),
            "InvalidArgument",
        ),
        (
            PAST.replace(
                "</NoncurrentV", "<NewerNoncurrentVersions>101</NewerNoncurrentVersions></NoncurrentV"
            ),
            "InvalidArgument",
        ),
        ("<AbortIncompleteMultipartUpload/>", "MalformedXML"),
        (
            ABORT.replace("1", "0"),
            "InvalidArgument",
        ),
        ("<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>", "NotImplemented"),
        ("<Transition><Date>nodate</Date><StorageClass>GLACIER</StorageClass></Transition>", "MalformedXML"),
    ],
)
def test_rules_are_well_formed_or_refused(inside: str, code: str) -> None:
    whole = (
        inside if "Status" in inside or "Prefix" in inside else f"<Prefix/><Status>Enabled</Status>{inside}"
    )
    assert refused(f"<Rule>{whole}</Rule>") == code


@pytest.mark.quick
@pytest.mark.parametrize(
    ("inside", "code"),
    [
        ("<Prefix>a</Prefix>", ""),
        ("<Tag><Key>a</Key><Value/></Tag>", ""),
        ("<Tag><Key>a</Key></Tag>", "MalformedXML"),
        ("<Tag><Key/><Value/></Tag>", "InvalidTag"),
        ("<And><Tag><Key>a</Key><Value/></Tag><Tag><Key>a</Key><Value/></Tag></And>", "InvalidTag"),
        ("<Prefix>a</Prefix><And><Prefix>b</Prefix></And>", "MalformedXML"),
        ("<ObjectSizeGreaterThan>0</ObjectSizeGreaterThan>", ""),
        ("<ObjectSizeGreaterThan>-1</ObjectSizeGreaterThan>", "InvalidArgument"),
        ("<ObjectSizeGreaterThan>a</ObjectSizeGreaterThan>", "MalformedXML"),
        (
            "<And><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>5</ObjectSizeLessThan></And>",
            "InvalidRequest",
        ),
    ],
)
def test_filters_are_well_formed_or_refused(inside: str, code: str) -> None:
    assert refused(f"<Rule><Filter>{inside}</Filter><Status>Enabled</Status>{DAYS}</Rule>") == code


@pytest.mark.quick
def test_whole_documents_are_held_to_their_bounds() -> None:
    one = f"<Rule><Prefix/><Status>Enabled</Status>{DAYS}</Rule>"
    assert refused("") == "MalformedXML"
    assert refused(one + "<Other/>") == "MalformedXML"
    assert refused(one * 1000) == ""
    assert refused(one * 1001) == "MalformedXML"
    assert refused(one.replace("<Prefix/>", "<ID>a</ID><Prefix/>") * 2) == "InvalidArgument"
    of_objects = "<Rule><Filter><Tag><Key>a</Key><Value/></Tag></Filter><Status>Enabled</Status>{}</Rule>"
    assert refused(of_objects.format(ABORT)) == "InvalidRequest"
    marker = "<Expiration><ExpiredObjectDeleteMarker>false</ExpiredObjectDeleteMarker></Expiration>"
    assert refused(of_objects.format(marker)) == "InvalidRequest"


def refused(rules: str) -> str:
    """The code with which a document is refused; empty if it is not."""
    try:
        parse_rules(f"<LifecycleConfiguration>{rules}</LifecycleConfiguration>".encode())
    except S3Error as error:
        return error.code
    return ""


def test_answers_tell_when_an_object_ends(s3: Any, s3_bucket: str) -> None:
    name = {"Bucket": s3_bucket, "Key": "logs/a"}
    s3.put_bucket_lifecycle_configuration(
        Bucket=s3_bucket,
        LifecycleConfiguration=given(
            rule("of logs", Filter={"Prefix": "logs/"}, Expiration={"Days": 2}),
            rule("tagged", Filter={"Tag": TAG}, Expiration={"Days": 1}),
            rule("abort", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}),
        ),
    )
    put = s3.put_object(**name, Body=b"a")
    head = s3.head_object(**name)
    assert put["Expiration"] == head["Expiration"] == s3.get_object(**name)["Expiration"]
    date, name_of_rule = (
        head["Expiration"].removeprefix('expiry-date="').removesuffix('"').split('", rule-id="')
    )
    tomorrow = (head["LastModified"] + timedelta(days=3)).replace(hour=0, minute=0, second=0)
    assert (parsedate_to_datetime(date), name_of_rule) == (tomorrow, "of%20logs")
    s3.put_object_tagging(**name, Tagging={"TagSet": [TAG]})
    assert 'rule-id="tagged"' in s3.head_object(**name)["Expiration"]
    assert "Expiration" not in s3.put_object(Bucket=s3_bucket, Key="other", Body=b"a")
    upload = s3.create_multipart_upload(Bucket=s3_bucket, Key="other")
    assert upload["AbortRuleId"] == "abort"
    assert upload["AbortDate"] > datetime.now(UTC) + timedelta(days=1)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of a service whose days last two seconds."""
    settings = {"s3_bind": "127.0.0.1:0", "upkeep": "on", "lifecycle_day_seconds": 2, "redis_url": "none"}
    with running_service(tmp_path_factory.mktemp("hasty"), **settings) as running:
        client = boto3.client(
            "s3", endpoint_url=running.s3_url, region_name="us-east-1",
            aws_access_key_id=running.access_key, aws_secret_access_key=running.secret,
            config=Config(s3={"addressing_style": "path"}),
        )  # fmt: skip
        with closing(client):
            yield client


def test_rules_are_carried_out(hasty: Any) -> None:
    hasty.create_bucket(Bucket="ends")
    hasty.put_bucket_versioning(Bucket="ends", VersioningConfiguration={"Status": "Enabled"})
    for key in ("past/a", "keep/a"):
        hasty.put_object(Bucket="ends", Key=key, Body=b"1")
        hasty.put_object(Bucket="ends", Key=key, Body=b"2")
        hasty.create_multipart_upload(Bucket="ends", Key=key)
    hasty.put_bucket_lifecycle_configuration(
        Bucket="ends",
        LifecycleConfiguration=given(
            rule(
                "all",
                Filter={"Prefix": "past/"},
                Expiration={"Days": 1},
                NoncurrentVersionExpiration={"NoncurrentDays": 1},
                AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1},
            )
        ),
    )

    def left() -> list[str]:
        found = hasty.list_object_versions(Bucket="ends")
        uploads = hasty.list_multipart_uploads(Bucket="ends").get("Uploads", [])
        return [each["Key"] for kind in ("Versions", "DeleteMarkers") for each in found.get(kind, [])] + [
            each["Key"] for each in uploads
        ]

    await_that(lambda: "past/a" not in left())
    assert left() == ["keep/a"] * 3
