"""create_app() and create_s3_app(): services and faces make the Flask applications."""

from __future__ import annotations

from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI

from imagestore import __version__
from imagestore.services import Services
from imagestore.web import frontdoor
from imagestore.web.delivery import delivery
from imagestore.web.forms import SpoolingRequest
from imagestore.web.ops import ops
from imagestore.web.rest import FACES
from imagestore.web.rest.docs import docs
from imagestore.web.rest.schemas import ErrorAnswer
from imagestore.web.s3.door import Door

FORM_SLACK = 1024 * 1024
"""What a multipart body may have beyond the picture: part heads and fields."""

FORM_FIELD_BYTES = 128 * 1024
"""Longest field of a form. Werkzeug also bounds what it has read of a file and not yet handed on by this, and
it reads 64 KiB at a time: with less than that and a boundary's length, pictures would be refused."""


def create_app(services: Services) -> OpenAPI:
    """The application on services that are open; whoever opened them closes them."""
    app = OpenAPI(
        "imagestore",
        info=Info(title="imagestore", version=__version__),
        security_schemes={"basic": {"type": "http", "scheme": "basic"}},
        validation_error_status=400,
        validation_error_model=ErrorAnswer,
        validation_error_callback=frontdoor.validation_response,
        doc_ui=False,
        static_folder=None,
    )
    app.request_class = SpoolingRequest
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    app.config["MAX_CONTENT_LENGTH"] = services.settings.upload_bytes + FORM_SLACK
    app.config["MAX_FORM_MEMORY_SIZE"] = FORM_FIELD_BYTES
    app.config["MAX_FORM_PARTS"] = 20
    frontdoor.install(app, services)
    for face in FACES:
        app.register_api(face)
    app.register_blueprint(docs)
    app.register_blueprint(delivery)
    app.register_blueprint(ops)
    return app


def create_s3_app(services: Services) -> Door:
    """The S3 door, an application of its own on the same services."""
    return Door(services)
