"""Who is asking, for the limits, and what an answer tells of them."""

from collections.abc import Callable

from chalice.app import Request

from chalicelib.domain.errors import TooManyRequests
from chalicelib.domain.limits import Limit, Usage
from chalicelib.domain.users import Caller
from chalicelib.edge.requests import read_caller, source_of

Limiter = Callable[[Limit, Caller | str], Usage]
"""Counts a request of the caller, or from the address."""
HEADERS = ["RateLimit", "RateLimit-Policy", "Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining"]
_NOWHERE = "unknown"


def who_asks(request: Request) -> Caller | str:
    """The caller, or the address where there is none."""
    return read_caller(request) or address_of(request)


def address_of(request: Request) -> str:
    """Where API Gateway got the request from; never what a header says, which anybody can write.

    Of an IPv6 address its /64, the least that one customer of a provider has (RFC 6177), with 2**64 addresses to ask from.
    """
    # Loaded by urllib.parse anyway, but only in some versions of Python.
    from ipaddress import IPv4Address, ip_address, ip_network

    try:
        address = ip_address(source_of(request).partition("%")[0])
    except ValueError:
        return _NOWHERE
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((address, 64), strict=False))


def headers_of(usage: Usage) -> dict[str, str]:
    """draft-ietf-httpapi-ratelimit-headers-09, and the older names that more clients know.

    If nobody could count they say what is allowed, and not what remains of it.
    """
    quota, remaining, seconds, refusal = usage
    headers = {"X-RateLimit-Limit": str(quota.limit), "RateLimit-Policy": f'"{quota.name}";q={quota.limit};w={quota.seconds}'}
    if remaining is not None:
        headers |= {"X-RateLimit-Remaining": str(remaining), "RateLimit": f'"{quota.name}";r={remaining};t={seconds}'}
    if isinstance(refusal, TooManyRequests):
        headers["Retry-After"] = str(refusal.retry_after_seconds)
    return headers
