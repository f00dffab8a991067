"""Compare what is needed with the bucket and the disk, fetch the rest, verify what is here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from neurodiffuse.downloads import Fetched, Wanted, fetch, in_bytes, plan
from neurodiffuse.downloads.digests import computed
from neurodiffuse.errors import DataError, DownloadError, listing
from neurodiffuse_nsd.fetch import coco
from neurodiffuse_nsd.fetch.bucket import Bucket
from neurodiffuse_nsd.fetch.needs import Need, Request, needs
from neurodiffuse_nsd.tree import VERSIONS, Tree


@dataclass(frozen=True)
class Listed:
    """What the bucket has of what is needed, with its sizes, and what it has not."""

    needs: tuple[Need, ...]
    absent: tuple[Need, ...]


def listed(request: Request, bucket: Bucket) -> Listed:
    """Ask the bucket for the sizes of what is needed.

    Raises
    ------
    DownloadError
        If it lacks a file that decoding cannot do without.
    """
    wanted = needs(request)
    sizes: dict[str, int] = {}
    for folder in dict.fromkeys(need.key.rpartition("/")[0] for need in wanted):
        sizes |= bucket.folder(f"{folder}/")
    absent = tuple(need for need in wanted if need.key not in sizes)
    if lacking := [need.key for need in absent if not need.optional]:
        raise DownloadError(
            f"s3://{bucket.bucket} has not: {listing(lacking, most=3)}. Nothing was fetched."
        )
    there = [replace(n, size=sizes[n.key], bound="") for n in wanted if n.key in sizes]
    return Listed(tuple(there), absent)


def wanted_of(found: Sequence[Need], bucket: Bucket, root: Path) -> list[Wanted]:
    """Return the bucket's files with their places below the root."""
    return [Wanted(need.key, root / need.key, bucket, need.size) for need in found]


def obtain(wanted: Sequence[Wanted], tree: Tree, *, jobs: int, quiet: bool) -> list[Fetched]:
    """Fetch what is not here, and unpack the captions where they are among it."""
    try:
        fetched = fetch(wanted, jobs=jobs, quiet=quiet)
    except DownloadError:  # the archive may be whole though another file failed
        coco.unpack(tree)
        raise
    coco.unpack(tree)
    return fetched


def verify(wanted: Sequence[Wanted], jobs: int) -> Counter[str]:
    """Compare files on the disk with size and checksum of the bucket's; count by what.

    Raises
    ------
    DataError
        Names the files that differ.
    """
    here = [one for one in wanted if one.place.is_file()]
    with ThreadPoolExecutor(jobs) as pool:
        found = list(pool.map(_check, here))
    if wrong := [text for _, text in found if text]:
        raise DataError(
            "\n".join(wrong) + "\nRemove these files, and give the command again without --verify."
        )
    return Counter(by for by, _ in found)


def _check(one: Wanted) -> tuple[str, str]:
    remote = one.source.look(one.address)
    size = one.place.stat().st_size
    if size != remote.size:
        return "size", f"{one.place}: {size:,} bytes; the bucket's has {remote.size:,}"
    for digest in remote.digests:
        if (value := computed(one.place, digest)) != digest.value:
            return digest.kind, f"{one.place}: {digest.kind} {value}; the bucket's {digest.value}"
    return (remote.digests[0].kind if remote.digests else "size"), ""


def heading(request: Request) -> str:
    """Return what is asked for, in a line for each subject."""
    lines = ["Natural Scenes Dataset"]
    for subject in request.subjects:
        lines.append(
            f"  subject {subject}: {request.sessions_of(subject)} sessions of "
            f"{VERSIONS[request.version]} in {request.space}"
        )
    return "\n".join(lines)


def files_in_words(found: Sequence[Need], root: Path) -> str:
    """Return a line for each file: part, key, size, whether it is here."""
    lines = []
    for need in found:
        state = "here" if (root / need.key).is_file() else ""
        lines.append(f"{need.part:9} {need.key}  {need.said}  {state}".rstrip())
    return "\n".join(lines)


def total_in_words(found: Sequence[Need], root: Path) -> str:
    """Return bytes to fetch by part, then of all; a bound is said with them."""
    left = [need for need in found if not (root / need.key).is_file()]
    lines = []
    for part in dict.fromkeys(need.part for need in found):
        lines.append(f"{part:9} {_sum([need for need in left if need.part == part])}")
    return "\n".join([*lines, f"{'to fetch':9} {_sum(left)}"])


def _sum(left: Sequence[Need]) -> str:
    if not left:
        return "nothing"
    known = [need for need in left if need.size is not None]
    bounds = {need.bound for need in known}
    bound = "at most " if "at most" in bounds else "about " if "about" in bounds else ""
    said = [bound + in_bytes(sum(need.size or 0 for need in known))] if known else []
    if unknown := len(left) - len(known):
        said.append(f"{unknown} of unknown size" if known else "of unknown size")
    files = "1 file" if len(left) == 1 else f"{len(left)} files"
    return f"{files}, {', '.join(said)}"


def captions_in_words(tree: Tree) -> str:
    """Return what is to be fetched of COCO's captions."""
    if not (wanted := coco.wanted(tree)):
        return "captions  here"
    state = "here, to be unpacked" if plan(wanted).here else ""
    return f"captions  {wanted[0].address}  {in_bytes(wanted[0].size)}  {state}".rstrip()
