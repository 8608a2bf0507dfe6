"""The Lua scripts that make a look and a write in Redis one step. Each touches one key alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha1

from imagestore.cache.envelope import HEADER_BYTES, MAGIC

GENERATION_DIGITS = 20
"""A generation is written with leading zeros, first in the body of aliases and fences: text of one length
compares as its number does, and Lua's own numbers are exact to 2**53 only."""


Command = tuple[bytes | str | int, ...]


@dataclass(frozen=True, slots=True)
class Script:
    source: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", sha1(self.source.encode(), usedforsecurity=False).hexdigest())

    def of(self, key: bytes, *arguments: bytes | str | int) -> Command:
        """The command that runs it on a server that knows it; see `taught`."""
        return ("EVALSHA", self.sha, 1, key, *arguments)


# KEYS: alias. ARGV: sealed value, generation, milliseconds to keep it.
# 1: written. 0: a newer generation is there and stays. -1: no memory for it, and what was there is gone.
KEEP_NEWEST = Script(f"""
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'string' and string.sub(held, 1, {len(MAGIC)}) == '{MAGIC[:-1].decode()}\\{MAGIC[-1]}' then
  local generation = string.sub(held, {HEADER_BYTES + 1}, {HEADER_BYTES + GENERATION_DIGITS})
  if not string.find(generation, '%D') and generation > ARGV[2] then return 0 end
end
local kept = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
if kept.err then
  redis.call('UNLINK', KEYS[1])
  return -1
end
return 1
""")

# KEYS: any. ARGV: SHA-1 of the value that is to go, in hexadecimal. A key of another type goes in any case.
DROP_IF = Script("""
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'table' or (held and redis.sha1hex(held) == ARGV[1]) then
  return redis.call('UNLINK', KEYS[1])
end
return 0
""")

# KEYS: lease. ARGV: its token, milliseconds that it is to last from now.
EXTEND_IF = Script("""
if redis.pcall('GET', KEYS[1]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
""")

# KEYS: counter. ARGV: milliseconds of its window.
# How often it was counted since its window began, this time included, and the milliseconds left of it.
# A key that is no counter of such a window is none at all, and a new window begins.
COUNT_WITHIN = Script("""
local count = redis.pcall('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if type(count) ~= 'number' or left < 0 or left > tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])
  return {1, tonumber(ARGV[1])}
end
return {count, left}
""")

# KEYS: set. ARGV: member, most members, milliseconds to keep the set from now.
NOTE_MEMBER = Script("""
if redis.pcall('TYPE', KEYS[1]).ok ~= 'set' then redis.call('UNLINK', KEYS[1]) end
if redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('SADD', KEYS[1], ARGV[1])
return redis.call('PEXPIRE', KEYS[1], ARGV[3])
""")

_SCRIPTS = (KEEP_NEWEST, DROP_IF, EXTEND_IF, COUNT_WITHIN, NOTE_MEMBER)
_SOURCES = {script.sha: script.source for script in _SCRIPTS}


def taught(command: Command) -> Command:
    """A script's command, with its text for a server that does not know it yet."""
    _, sha, *rest = command
    return ("EVAL", _SOURCES[str(sha)], *rest)


def key_of(command: Command) -> bytes:
    """The key of a command that has one."""
    key = command[3] if command[0] in ("EVAL", "EVALSHA") else command[1]
    assert isinstance(key, bytes)
    return key
