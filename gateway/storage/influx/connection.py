"""HTTP to an InfluxDB by influxdb-client, synchronous, and its failures sorted by whose they are."""

import gzip
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from gateway.ports.history import HistoryAway


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer may take, in milliseconds."""

    write_ms: int = 30_000
    query_ms: int = 10_000
    ping_ms: int = 1_800


@dataclass(frozen=True, slots=True)
class Address:
    """Where an InfluxDB is. For 1.x `token` is "user:password" or "", `bucket` the database, `org` is not used."""

    url: str
    token: str
    org: str
    bucket: str

    @property
    def rollup_bucket(self) -> str:
        """Where downsampled data is kept."""
        return f"{self.bucket}_5m"


_CONFLICTS = ("type conflict", "incorrect type", "invalid column type")
"""How 1.x and 2.x, and in the end 3.x, say that a field has another type."""
_ONE_STATEMENT = "only one InfluxQl statement"
"""How 3.x refuses several statements in one request."""


class LinesRefused(Exception):
    """The server read the batch and refused some or all of it: sending it again would change nothing."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    @property
    def too_large(self) -> bool:
        """The batch and not a line was refused."""
        return "too large" in self.reason

    @property
    def past_retention(self) -> int:
        """How many points were older than the bucket keeps; the others were written."""
        if "retention policy" not in self.reason or self.field_conflict:
            return 0
        # 1.x: "points beyond retention policy dropped=3"; 2.x: "dropped 3 points outside retention policy of ...".
        dropped = re.search(r"dropped[ =](\d+)", self.reason)
        return int(dropped[1]) if dropped else 1

    @property
    def field_conflict(self) -> bool:
        """The field has another type in the store."""
        return any(words in self.reason for words in _CONFLICTS)


def _compressed(path: str, body: Any) -> Any:
    """Lines as gzip of level 1. The client's own level 9 takes five times as long to make them a third smaller."""
    if path != "/api/v2/write":
        return body
    return gzip.compress(body if isinstance(body, bytes) else str(body).encode(), 1)


class Connection:
    """One InfluxDB, perhaps away. Calls block; HistoryAway for everything that waiting may mend."""

    def __init__(self, address: Address, patience: Patience | None = None) -> None:
        if not address.url.startswith(("http://", "https://")):
            raise ValueError(f"InfluxDB url {address.url!r} must begin with http:// or https://")
        self.address = address
        self._patience = patience or Patience()
        # The client has one time limit for writes, its own; every other call is given its limit.
        self._client = InfluxDBClient(
            address.url, address.token, org=address.org, timeout=self._patience.write_ms, enable_gzip=True
        )
        self._client.api_client.configuration.update_request_body = _compressed
        self._one_by_one = False
        self._writes = self._client.write_api(write_options=SYNCHRONOUS)

    def write(self, text: str) -> None:
        """Lines in milliseconds. LinesRefused if the server read them and said no to some."""
        address = self.address
        try:
            precision: Any = WritePrecision.MS
            self._writes.write(address.bucket, address.org, text, precision)
        except ApiException as error:
            if error.status in (400, 422):
                raise LinesRefused(_said(error)) from error
            if error.status == 413:
                raise LinesRefused("the batch is too large") from error
            raise self._away(error) from error
        except HTTPError as error:
            raise self._unreachable(error) from error

    def query(self, statements: str, database: str, *, changes: bool = False) -> list[dict[str, Any]]:
        """The result of each InfluxQL statement (times in milliseconds). `changes`: it is not only read."""
        parameters = {"db": database, "epoch": "ms", "q": statements}
        answer = self.call("POST" if changes else "GET", "/query", parameters)
        results: list[dict[str, Any]] = (answer or {}).get("results") or [{}]
        for result in results:
            if "error" in result:
                raise HistoryAway(f"InfluxDB {self.address.url}: {result['error']}{self._hint(result['error'])}")
        return results

    def query_each(self, statements: Sequence[str], database: str) -> list[dict[str, Any]]:
        """The result of each statement: in one request, or in one each where the server wants that (3.x)."""
        if not self._one_by_one:
            try:
                return self.query(";".join(statements), database)
            except HistoryAway as error:
                if _ONE_STATEMENT not in str(error):
                    raise
                self._one_by_one = True
        return [self.query(statement, database)[0] for statement in statements]

    def find(self, path: str, parameters: dict[str, str], kind: str) -> list[dict[str, Any]]:
        """What a list of the v2 API holds. 2.x answers 404 where nothing has the name that is asked for."""
        try:
            _, text, _ = self._raw("GET", path, parameters, None, self._patience.query_ms)
        except ApiException as error:
            if error.status == 404:
                return []
            raise self._away(error) from error
        except HTTPError as error:
            raise self._unreachable(error) from error
        return json.loads(text).get(kind) or []

    def call(self, method: str, path: str, parameters: dict[str, str], body: Any = None) -> Any:
        """Any other endpoint; its JSON (None for an empty answer)."""
        try:
            status, text, _ = self._raw(method, path, parameters, body, self._patience.query_ms)
        except ApiException as error:
            raise self._away(error) from error
        except HTTPError as error:
            raise self._unreachable(error) from error
        return json.loads(text) if text and status != 204 else None

    def ping(self) -> str:
        """The server's version, within two seconds."""
        try:
            _, text, headers = self._raw("GET", "/ping", {}, None, self._patience.ping_ms)
        except ApiException as error:
            raise self._away(error) from error
        except HTTPError as error:
            raise self._unreachable(error) from error
        named = headers.get("X-Influxdb-Version") or (json.loads(text).get("version") if text[:1] == b"{" else "")
        return str(named or "unknown").removeprefix("v")

    def close(self) -> None:
        """Give the connections up."""
        self._client.close()  # type: ignore[no-untyped-call]

    def _raw(
        self, method: str, path: str, parameters: dict[str, str], body: Any, timeout_ms: int
    ) -> tuple[int, bytes, Any]:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self.address.token:
            headers["Authorization"] = f"Token {self.address.token}"
        response = self._client.api_client.request(  # type: ignore[no-untyped-call]
            method,
            self.address.url.rstrip("/") + path,
            query_params=list(parameters.items()),
            headers=headers,
            body=body,
            _preload_content=True,
            _request_timeout=timeout_ms,
        )
        return response.status, response.data, response.getheaders()

    def _away(self, error: ApiException) -> HistoryAway:
        said = _said(error)
        wait = _seconds(error.headers) if error.status in (429, 503) else 0.0
        return HistoryAway(f"InfluxDB {self.address.url}: {error.status} {said}{self._hint(said, error.status)}", wait)

    def _unreachable(self, error: HTTPError) -> HistoryAway:
        reason = str(getattr(error, "reason", None) or error).rsplit(": ", 1)[-1]
        return HistoryAway(f"InfluxDB {self.address.url} is not reached: {reason}")

    def _hint(self, said: str, status: int | None = None) -> str:
        if status in (401, 403):
            return " (check history.token and its rights on the bucket)"
        return " (run siaga doctor --fix)" if "not found" in said else ""


def _said(error: ApiException) -> str:
    """The server's reason in one line, whichever version it speaks."""
    text = error.body.decode(errors="replace") if isinstance(error.body, bytes) else str(error.body or "")
    try:
        answer = json.loads(text)
    except ValueError:
        answer = {}
    if isinstance(answer, dict):
        reasons = [answer.get("message") or answer.get("error") or ""]
        details = answer.get("data")
        if isinstance(details, list):
            reasons += [str(each.get("error_message", "")) for each in details[:3] if isinstance(each, dict)]
        text = "; ".join(filter(None, reasons)) or text
    return " ".join(text.split())[:400] or str(error.reason)


def _seconds(headers: Any) -> float:
    """Retry-After: seconds, or a date (judged by the server's own clock), at most an hour."""
    text = (headers or {}).get("Retry-After") or ""
    if text.strip().isdigit():
        return min(float(text), 3600.0)
    try:
        named, sent = parsedate_to_datetime(text), parsedate_to_datetime((headers or {}).get("Date") or "")
    except (TypeError, ValueError):
        return 0.0
    return min(max(0.0, (named - sent).total_seconds()), 3600.0)
