"""Named transformations: what `t_<name>` stands for in a bucket, and how that is changed."""

from __future__ import annotations

from dataclasses import dataclass

from imagestore.core.errors import InvalidParameter, StoreUnavailable, TransformationNotFound
from imagestore.core.transformation.parsing import Transformation, parse
from imagestore.core.transformation.segments import NAME
from imagestore.library.aliases import Aliases, Ground, transformation_ground
from imagestore.store.transformations import NamedTransformation, Transformations

MOST_NAMED = 1000
MOST_CHARACTERS = 4096


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a name stands for, and what that depends on: no `grounds` for what may be out of date."""

    transformation: Transformation
    grounds: tuple[Ground, ...]


class NamedTransformations:
    """They are looked up at every request, by way of Redis, as buckets are."""

    def __init__(self, store: Transformations, aliases: Aliases) -> None:
        self._store = store
        self._aliases = aliases

    def put(self, bucket: str, name: str, text: str) -> NamedTransformation:
        """Give a transformation a name, or the name another one. When it returns, every worker uses it,
        unless Redis was out of reach. Raises InvalidParameter and InvalidTransformation."""
        if not NAME.fullmatch(name):
            raise InvalidParameter(
                f"{name[:100]!r} cannot name a transformation: use 1 to 100 of letters, digits, '_' and '-', "
                "a letter or digit first."
            )
        if len(text) > MOST_CHARACTERS:
            raise InvalidParameter(f"A named transformation has at most {MOST_CHARACTERS} characters.")
        wanted = parse(text)
        if not wanted.canonical():
            raise InvalidParameter("A named transformation does something: give one such as c_fill,w_300.")
        known = self._store.list(bucket)
        if len(known) >= MOST_NAMED and all(each.name != name for each in known):
            raise InvalidParameter(f"A bucket has at most {MOST_NAMED} named transformations.")
        made = self._store.put(bucket, name, text)
        self._aliases.forget_transformation(bucket, name, made.generation)
        return made

    def show(self, bucket: str, name: str) -> NamedTransformation:
        """Raises TransformationNotFound."""
        found = self._store.find(bucket, name)
        if found is None:
            raise _no_name(name)
        return found

    def list(self, bucket: str) -> list[NamedTransformation]:
        return self._store.list(bucket)

    def drop(self, bucket: str, name: str) -> None:
        """Raises TransformationNotFound."""
        generation = self._store.drop(bucket, name)
        if generation is None:  # perhaps by this very request, when it was asked before: see Repeats
            self._aliases.forget_transformation(bucket, name, self._store.generation(bucket, name))
            raise _no_name(name)
        self._aliases.forget_transformation(bucket, name, generation)

    def drop_all(self, bucket: str) -> None:
        """Those of a bucket that is gone."""
        for each in self._store.list(bucket):
            self.drop(bucket, each.name)

    def look_up(self, bucket: str, name: str) -> Meaning:
        """What a name stands for now. Raises TransformationNotFound."""
        known = self._aliases.read_transformation(bucket, name)
        if known is not None:
            text, ground = known
            return Meaning(parse(text), (ground,))
        try:
            found = self._store.find(bucket, name)
        except StoreUnavailable:
            known = self._aliases.read_transformation(bucket, name, stale=True)
            if known is None:
                raise
            return Meaning(parse(known[0]), ())
        if found is None:
            raise _no_name(name)
        self._aliases.write_transformation(bucket, name, found.generation, found.text)
        return Meaning(parse(found.text), (transformation_ground(bucket, name, found.generation),))


def _no_name(name: str) -> TransformationNotFound:
    return TransformationNotFound(
        f"The bucket has no transformation named {name[:100]!r}: put it there first, or check the name."
    )
