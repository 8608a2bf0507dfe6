"""REST: OpenAPI 3.1 as made from the views, and a page to read it."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, send_file
from flask_openapi3.openapi import OpenAPI

from imagestore.web.rest.schemas import LabelsChange

docs = Blueprint("docs", __name__, url_prefix="/v1")

_SCRIPT = files("flask_openapi3_redoc").joinpath("templates/redoc/js/redoc.standalone.js")
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>imagestore REST API</title>
<style>body { margin: 0; }</style>
</head>
<body>
<redoc spec-url="openapi.json" hide-download-button></redoc>
<script src="docs/redoc.js"></script>
</body>
</html>
"""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data:; worker-src blob:; base-uri 'none'; frame-ancestors 'none'"
)


@docs.get("/openapi.json")
def show_openapi() -> Response:
    app = current_app
    assert isinstance(app, OpenAPI)
    document: dict[str, Any] = app.api_doc
    # flask-openapi3 leaves out what it does not know of JSON Schema, such as propertyNames.
    document["components"]["schemas"]["LabelsChange"] = LabelsChange.model_json_schema()
    return jsonify(document)


@docs.get("/docs")
def show_docs() -> Response:
    """The document, rendered by Redoc in the browser; nothing is fetched from anywhere else."""
    response = Response(_PAGE, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = _POLICY
    return response


@docs.get("/docs/redoc.js")
def show_script() -> Response:
    response = send_file(str(_SCRIPT), mimetype="text/javascript")
    response.headers["Cache-Control"] = "public, max-age=86400"
    return response
