"""The public bucket, read without an account."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from neurodiffuse.downloads import Digest, Interrupted, Remote, Source, Stream
from neurodiffuse.errors import ConfigError, DownloadError

BUCKET = "natural-scenes-dataset"
REGION = "us-east-2"
CHUNK = 1 << 16
CONNECT, READ = 20, 60
"""Seconds to wait for a connection, and for the next bytes."""


class Bucket(Source):
    """Files of an S3 bucket by key, resumed with ``Range`` and ``If-Match``.

    Parameters
    ----------
    endpoint
        Address of an S3 server that holds a copy of the bucket; empty: Amazon's.
    bucket
        Its name.
    """

    def __init__(self, endpoint: str = "", bucket: str = BUCKET) -> None:
        self.endpoint = endpoint
        self.bucket = bucket

    @cached_property
    def _client(self) -> Any:
        import botocore.session
        from botocore import UNSIGNED
        from botocore.config import Config

        config = Config(
            signature_version=UNSIGNED,
            connect_timeout=CONNECT,
            read_timeout=READ,
            max_pool_connections=40,
            retries={"mode": "standard", "total_max_attempts": 2},
            # the client would refuse pieces whose checksum is the whole file's
            response_checksum_validation="when_required",
            s3={"addressing_style": "path" if self.endpoint else "auto"},
        )
        session = botocore.session.Session()
        try:
            return session.create_client(
                "s3", region_name=REGION, endpoint_url=self.endpoint or None, config=config
            )
        except ValueError as error:
            raise ConfigError(f"--endpoint: {self.endpoint!r} is no address ({error}).") from error

    def folder(self, prefix: str) -> dict[str, int]:
        """Return the sizes of the files directly in a folder, by key.

        Call it first: making the client is not safe in several threads at once.
        """
        found: dict[str, int] = {}
        with self._told(prefix):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix, Delimiter="/"):
                found |= {item["Key"]: item["Size"] for item in page.get("Contents", ())}
        return found

    def look(self, address: str) -> Remote:
        """Return size, ETag and checksum."""
        with self._told(address):
            answer = self._client.head_object(Bucket=self.bucket, Key=address)
            size, etag = _length(answer), answer.get("ETag", "")
            return Remote(size, etag, self._digests(address, etag.strip('"'), size, answer))

    @contextlib.contextmanager
    def open(self, address: str, start: int, version: str) -> Iterator[Stream]:
        """Return the rest of a file if it still is of that version, else the whole."""
        with self._told(address):
            answer = self._get(address, version, start) if start and version else None
            if answer is not None and _span(answer)[0] == start:
                with self._stream(address, answer, start, ()) as stream:
                    yield stream
                return
            remote = self.look(address)
            if (remote.size, remote.version) == (start, version):  # nothing is left to send
                yield Stream(remote, start, iter(()))
                return
            answer = self._get(address, remote.version, 0)
            if answer is None:
                raise Interrupted(f"{self._name(address)}: changed at this moment")
            with self._stream(address, answer, 0, remote.digests) as stream:
                yield stream

    def _get(self, address: str, version: str, start: int) -> Any:
        """Return the answer, or None where the file has changed or has no such range."""
        from botocore.exceptions import ClientError

        asked = {"Range": f"bytes={start}-"} if start else {}
        try:
            return self._client.get_object(
                Bucket=self.bucket, Key=address, IfMatch=version, **asked
            )
        except ClientError as error:
            if _status(error) in (412, 416):
                return None
            raise

    @contextlib.contextmanager
    def _stream(
        self, address: str, answer: Mapping[str, Any], start: int, digests: tuple[Digest, ...]
    ) -> Iterator[Stream]:
        with contextlib.closing(answer["Body"]) as body:
            remote = Remote(_span(answer)[1], answer.get("ETag", ""), digests)
            yield Stream(remote, start, self._chunks(address, body))

    def _chunks(self, address: str, body: Any) -> Iterator[bytes]:
        with self._told(address):
            yield from body.iter_chunks(CHUNK)

    def _digests(
        self, key: str, etag: str, size: int, answer: Mapping[str, Any]
    ) -> tuple[Digest, ...]:
        """Return the checksum that the ETag is, if it is one.

        It is the MD5 of what was uploaded in one piece. For an upload in parts the size of the
        first part tells how to compute it. Where objects are encrypted with keys of their own
        it says nothing of the content.
        """
        encryption = answer.get("ServerSideEncryption", "AES256")
        if encryption != "AES256" or "SSECustomerAlgorithm" in answer:
            return ()
        if re.fullmatch(r"[0-9a-f]{32}", etag):
            return (Digest("md5", etag),)
        if not (parts := re.fullmatch(r"[0-9a-f]{32}-(\d+)", etag)):
            return ()
        first = self._client.head_object(Bucket=self.bucket, Key=key, PartNumber=1)
        length, count = _length(first), int(parts[1])
        if length <= 0 or -(-size // length) != count:  # parts of unequal sizes, or no such answer
            return ()
        return (Digest("multipart", etag, length),)

    def _name(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    @contextlib.contextmanager
    def _told(self, key: str) -> Iterator[None]:
        """Turn the client's errors into those of `Source.open`."""
        from botocore import exceptions as errors
        from urllib3.exceptions import HTTPError

        name, where = self._name(key), self.endpoint or "Amazon S3"
        try:
            yield
        except errors.ClientError as error:
            status = _status(error)
            told = f"{status} {error.response.get('Error', {}).get('Code', '')}".strip()
            if status in (408, 429) or status >= 500:
                raise Interrupted(f"{name}: {where} answers {told}") from error
            if status == 404:
                raise DownloadError(f"{name}: there is no such file ({told}).") from error
            raise DownloadError(f"{name}: the server does not give it ({told}).") from error
        except errors.SSLError as error:
            if "CERTIFICATE_VERIFY_FAILED" not in str(error):
                raise Interrupted(f"{name}: the secure connection broke off") from error
            raise DownloadError(
                f"{name}: the server's certificate is not trusted. Behind an institution's "
                " proxy, set AWS_CA_BUNDLE to its certificate file."
            ) from error
        except (
            errors.ConnectionError,
            errors.HTTPClientError,
            errors.IncompleteReadError,
            HTTPError,
        ) as error:
            raise Interrupted(f"{name}: no connection to {where}, or it broke off") from error
        except errors.BotoCoreError as error:
            raise DownloadError(f"{name}: {error}") from error


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _span(answer: Mapping[str, Any]) -> tuple[int, int]:
    """Return where the content begins, and the size of the whole file."""
    if span := re.match(r"bytes (\d+)-\d+/(\d+)", answer.get("ContentRange", "")):
        return int(span[1]), int(span[2])
    return 0, _length(answer)


def _length(answer: Mapping[str, Any]) -> int:
    if "ContentLength" not in answer:  # the client takes headers that were cut off for whole ones
        raise Interrupted("Amazon S3: the answer broke off")
    return int(answer["ContentLength"])
