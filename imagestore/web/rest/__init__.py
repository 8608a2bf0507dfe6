"""REST, `/v1/…`: one module for each kind of thing."""

from imagestore.web.rest.buckets import buckets
from imagestore.web.rest.cache import cache
from imagestore.web.rest.credentials import credentials
from imagestore.web.rest.images import images
from imagestore.web.rest.transformations import transformations
from imagestore.web.rest.versions import versions

FACES = (buckets, transformations, images, versions, credentials, cache)
