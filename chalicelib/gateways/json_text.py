"""JSON as it goes out: Decimals as numbers with exactly their digits, instants as RFC 3339, dataclasses as objects."""

import msgspec

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def to_json(thing: object) -> str:
    return _ENCODER.encode(thing).decode()
