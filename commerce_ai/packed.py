"""How the cache in Redis holds values: as MessagePack, which reads data and runs nothing, where Django would pickle."""

from __future__ import annotations

from typing import Any

import msgspec


class Serializer:
    """Of ``RedisCache``. Whole numbers stay what Redis can count up."""

    def __init__(self, protocol: object = None) -> None:
        self._encode, self._decode = msgspec.msgpack.encode, msgspec.msgpack.decode

    def dumps(self, value: Any) -> Any:
        return value if type(value) is int else self._encode(value)

    def loads(self, data: bytes) -> Any:
        """What can't be read is as if it were not there: an earlier install may have left it."""
        try:
            return int(data)
        except ValueError:
            try:
                return self._decode(data)
            except msgspec.DecodeError:
                return None
