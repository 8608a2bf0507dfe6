"""REST: named transformations of a bucket: put, show, list, delete."""

from __future__ import annotations

from datetime import datetime

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import Field

from imagestore.access.policies import Action
from imagestore.core.transformation.segments import NAME
from imagestore.library.transformations import MOST_CHARACTERS
from imagestore.store.transformations import NamedTransformation
from imagestore.web.frontdoor import require, services
from imagestore.web.rest.answers import ERRORS, SECURITY, answer_json, no_content
from imagestore.web.rest.schemas import BucketPath, Model


class TransformationPath(BucketPath):
    name: str = Field(
        description="1 to 100 of letters, digits, '_' and '-'.",
        json_schema_extra={"pattern": f"^{NAME.pattern}$"},
    )


class NewTransformation(Model):
    transformation: str = Field(
        description=f"As it would stand in a URL, {MOST_CHARACTERS} characters at most.",
        examples=["c_fill,g_face,w_200,h_200/f_auto,q_auto"],
        json_schema_extra={"format": "transformation"},
    )


class TransformationAnswer(Model):
    name: str
    transformation: str
    changed: datetime

    @classmethod
    def of(cls, named: NamedTransformation) -> TransformationAnswer:
        return cls(name=named.name, transformation=named.text, changed=named.changed)


class TransformationList(Model):
    transformations: list[TransformationAnswer]


transformations = APIBlueprint(
    "transformations",
    __name__,
    url_prefix="/v1",
    abp_tags=[Tag(name="transformations", description="What `t_<name>` stands for in a bucket's URLs.")],
    abp_security=SECURITY,
    abp_responses=ERRORS,
)


@transformations.get(
    "/buckets/<string:bucket>/transformations",
    summary="List a bucket's named transformations",
    responses={"200": TransformationList},
)
def list_transformations(path: BucketPath) -> Response:
    require(Action.READ_TRANSFORMATIONS, path.bucket)
    services().catalog.bucket(path.bucket)
    found = services().transformations.list(path.bucket)
    return answer_json(TransformationList(transformations=[TransformationAnswer.of(each) for each in found]))


@transformations.get(
    "/buckets/<string:bucket>/transformations/<string:name>",
    summary="Show a named transformation",
    responses={"200": TransformationAnswer},
)
def show_transformation(path: TransformationPath) -> Response:
    require(Action.READ_TRANSFORMATIONS, path.bucket)
    return answer_json(TransformationAnswer.of(services().transformations.show(path.bucket, path.name)))


@transformations.put(
    "/buckets/<string:bucket>/transformations/<string:name>",
    summary="Give a transformation a name, or the name another transformation",
    responses={"200": TransformationAnswer},
)
def put_transformation(path: TransformationPath, body: NewTransformation) -> Response:
    require(Action.CHANGE_TRANSFORMATIONS, path.bucket)
    services().catalog.bucket(path.bucket)
    made = services().transformations.put(path.bucket, path.name, body.transformation)
    return answer_json(TransformationAnswer.of(made))


@transformations.delete(
    "/buckets/<string:bucket>/transformations/<string:name>",
    summary="Delete a named transformation",
    responses={"204": None},
)
def delete_transformation(path: TransformationPath) -> Response:
    require(Action.CHANGE_TRANSFORMATIONS, path.bucket)
    services().transformations.drop(path.bucket, path.name)
    return no_content()
