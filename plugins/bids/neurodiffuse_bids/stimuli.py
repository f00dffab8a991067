"""The pictures that were shown: which file each is, and what was said of it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from neurodiffuse.errors import DataError, MissingDataError, listing, near
from neurodiffuse.readers.pictures import PICTURES
from neurodiffuse.readers.reach import check_file, keep_inside, leaves
from neurodiffuse.readers.tables import read_table
from neurodiffuse.types import Remark
from neurodiffuse_bids.copies import equal_pictures
from neurodiffuse_bids.identity import (
    Names,
    bare,
    composed,
    file_of,
    index,
    is_absent,
    whole,
)

_WHOLE = re.compile(r"[A-Za-z]:[\\/]|[\\/~]|[A-Za-z][\w+.-]*://")
"""What a path begins with that does not start in the folder of stimuli: a drive, a root, a URL."""


@dataclass(frozen=True)
class Shown:
    """What a row of a table says of its picture: a name, perhaps a file, and the table."""

    stimulus: str
    file: str
    table: Path | None


class Pictures:
    """The folder of stimuli: which picture a name stands for, and which captions it has.

    A picture is its file. Names are what tables call it: several may stand for one picture, and
    one of them is then its id. Where no file is found, the name has to do.

    Parameters
    ----------
    folder
        ``stimuli/`` of the data set, or one that the user names.
    within
        Paths in tables may not lead out of this folder; how far links may, `reach` says.
    captions_file
        Captions that are not in ``captions.tsv`` of the folder.
    """

    def __init__(self, folder: Path, within: Path, captions_file: Path | None) -> None:
        self.folder = folder
        self.within = within
        self.captions_file = captions_file
        self._found: dict[tuple[str, str], str] = {}
        self._several: dict[str, list[str]] = {}
        self._loosely: dict[str, str] = {}
        self._pictures: dict[str, str] = {}
        self._names: dict[str, list[str]] = {}
        self._paths: dict[str, Path] = {}
        self._texts: dict[str, str] = {}
        self._inside: dict[Path, bool] = {}
        self._decoded: dict[Path, str] = {}
        keep_inside(within)
        self._folded: dict[str, list[str]] = {}
        self._listing: dict[str, list[str]] | None = None
        self._listed = Names(())
        self._captions: dict[str, tuple[str, ...]] | None = None
        self._captioned = Names(())
        self._catalogue: dict[str, dict[str, str]] | None = None
        self._catalogued = Names(())

    # --- which picture a row shows ------------------------------------------------------------

    def identify(self, shown: Sequence[Shown]) -> tuple[list[str], list[Remark]]:
        """Return the id of the picture of each row of a subject's tables, and what to remark.

        Raises
        ------
        DataError
            If one name stands for two files, or two for one file that fits them loosely only.
        """
        named = {s.stimulus: s.file for s in reversed(shown) if s.file}
        pairs = [(s.stimulus, s.file or named.get(s.stimulus, "")) for s in shown]
        keys: dict[str, Counter[str]] = {}
        places: dict[str, str] = {}
        for (stimulus, file), row in zip(pairs, shown, strict=True):
            key = self._find(stimulus, file)
            before = places.setdefault(stimulus, self._pictures.get(stimulus, key))
            if before != key:
                raise DataError(
                    f"{row.table}: the stimulus {stimulus} is {file!r} here and {before!r} "
                    "elsewhere; an id stands for one image."
                )
            keys.setdefault(key, Counter())[stimulus] += 1
        with_file = {stimulus for stimulus, file in pairs if file}
        ids: dict[str, str] = {}
        taken = {name: key for key, names in keys.items() for name in names}
        for key, names in keys.items():
            self._check_loose([name for name in names if name not in with_file], key)
            best = self._best(names)
            plain = self._plain(best)
            ids[key] = plain if taken.setdefault(plain, key) == key else best
            for name in (*names, ids[key]):
                self._pictures[name] = key
                if name not in self._names.setdefault(key, []):
                    self._names[key].append(name)
        return [ids[places[stimulus]] for stimulus, _ in pairs], self._remarks(keys, ids)

    def key(self, stimulus: str) -> str:
        """Return what tells the picture of an id from others, the same for every subject."""
        return self._pictures.get(stimulus) or self._find(stimulus, "")

    def knows(self, stimulus: str) -> bool:
        """Return whether a name leads to a file, there or not."""
        return self.key(stimulus) in self._paths

    def absent(self, ids: Iterable[str]) -> list[str]:
        """Return which ids have no picture that is there; one that leads out is not absent."""
        paths = {i: self._path(i) for i in ids}
        return [i for i, p in paths.items() if not p or (self._is_inside(p) and is_absent(p))]

    def copies(self, ids: Iterable[str], *, every: bool) -> dict[str, str]:
        """Return what the pictures show that another one shows too, as `equal_pictures`, by id."""
        paths = {i: path for i in ids if (path := self._path(i)) and self._is_inside(path)}
        there = {i: path for i, path in paths.items() if path.is_file()}
        return equal_pictures(there, every=every, known=self._decoded)

    def paths(self, ids: Sequence[str]) -> list[Path]:
        """Return the image files of stimuli.

        Raises
        ------
        MissingDataError
            If some are not there; all of them are told at once.
        DataError
            If a name fits several files, or one lies outside of the data set.
        """
        absent = dict.fromkeys(self.absent(ids))
        if absent:
            raise MissingDataError(self._missing(list(absent), len(set(ids))))
        return [self._checked(i) for i in ids]

    def _check_loose(self, names: Sequence[str], key: str) -> None:
        """Refuse names of one file that differ by more than the format of a number."""
        forms = {index(bare(self._plain(name))): name for name in names}
        if len(forms) > 1 and any(name in self._loosely for name in names):
            one, two = list(forms.values())[:2]
            raise DataError(
                f"{key}: is the only image for the stimuli {one} and {two}, which may be two. "
                "Restore the other one, or name the file of each in a column stim_file."
            )

    def _best(self, names: Counter[str]) -> str:
        """Return which of the names of a picture is its id."""
        catalogue, order = self.catalogue(), list(names)
        return min(
            order,
            key=lambda n: (bare(n) not in catalogue, whole(n) != n, -names[n], order.index(n)),
        )

    def _plain(self, name: str) -> str:
        """Return a name in the one way to spell it: a path from the folder, a whole number."""
        if "/" not in name and "\\" not in name:
            return composed(whole(name))
        path = Path(os.path.normpath(self._named(name, name)))
        inside = path.is_relative_to(self.folder)
        return composed(id_of_file(path.relative_to(self.folder).as_posix())) if inside else name

    def _remarks(self, keys: Mapping[str, Counter[str]], ids: Mapping[str, str]) -> list[Remark]:
        several = {key: names for key, names in keys.items() if len(names) > 1}
        out = []
        if several:
            key, names = next(iter(several.items()))
            out.append(
                Remark(
                    f"stimuli: {len(several)} pictures have several names in the events and are "
                    f"one stimulus each, such as {' and '.join(names)}: {ids[key]}."
                )
            )
        out += self._contradictions(keys)
        loosely = {n: f for names in keys.values() for n in names if (f := self._loosely.get(n))}
        if loosely:
            name, file = next(iter(loosely.items()))
            out.append(
                Remark(
                    f"stimuli: {len(loosely)} pictures were found by names that differ in case, "
                    f"file ending, accents or zeros, such as {name}: {file}."
                )
            )
        return out

    def _contradictions(self, keys: Mapping[str, Counter[str]]) -> list[Remark]:
        """Return a warning on names with another name's file though there is one of their own."""
        shown = {name: key for key, names in keys.items() for name in names}
        wrong, files = {}, self._files()
        for name, key in shown.items():
            path = self._paths.get(key)
            own, loosely = self._listed.find(name)
            found = {str(file_of(self.folder / f)) for one in own for f in files[one]}
            if path and found and not loosely and key not in found:
                wrong[name] = path.name
        if not wrong:
            return []
        name, file = next(iter(wrong.items()))
        have = "stimulus has" if len(wrong) == 1 else "stimuli have"
        return [
            Remark(
                f"stimuli: {len(wrong)} {have} a picture that carries another name, while there is "
                f"one of their own: the tables say {file} of {name}. The tables are followed; "
                "captions and sides of the split go by the name. Check the column stim_file.",
                "warning",
            )
        ]

    # --- files --------------------------------------------------------------------------------

    def _find(self, stimulus: str, file: str) -> str:
        """Return what tells a picture from others; note its path where there is a file."""
        given = (stimulus, file)
        if given not in self._found:
            row = self.row(stimulus)
            text = file or row.get("stim_file") or row.get("filename") or ""
            path = self._named(text, stimulus) if text else self._called(stimulus)
            if path:
                key = str(file_of(path)) if path.exists() else os.path.normpath(path)
                self._paths.setdefault(key, path)
                self._texts.setdefault(key, text or path.name)
            else:
                key = f"the name {bare(composed(whole(stimulus)))}"
            self._found[given] = key
        return self._found[given]

    def _path(self, stimulus: str) -> Path | None:
        return self._paths.get(self.key(stimulus))

    def _named(self, name: str, stimulus: str) -> Path:
        """Return the file that a table names, under the folder; it need not be there."""
        spellings = [name, name.replace("\\", "/").removeprefix("bids::")]
        spellings.append(os.path.normpath(spellings[1]).removeprefix("stimuli/"))
        for text in spellings:
            for path in (self.folder / text, self.folder / os.path.normpath(text)):
                if os.path.lexists(path):
                    return path
        self._files()
        wanted = {composed(os.path.normpath(text)) for text in spellings}
        folded = {text.casefold() for text in wanted}
        alike = [path for fold in folded for path in self._folded.get(fold, ())]
        fitting = [path for path in alike if composed(path) in wanted] or alike
        if len(set(fitting)) > 1:
            self._several[stimulus] = fitting
        if fitting and composed(fitting[0]) not in wanted:
            self._loosely[stimulus] = fitting[0]
        return self.folder / (fitting[0] if fitting else spellings[-1])

    def _called(self, stimulus: str) -> Path | None:
        """Return the file under the folder that has an id for its name, if there is one."""
        if "/" in stimulus and Path(stimulus).suffix.lower() in PICTURES:
            return self._named(stimulus, stimulus)
        files = self._files()
        names, loosely = self._listed.find(stimulus)
        found = list(dict.fromkeys(path for name in names for path in files[name]))
        if len(found) > 1:
            self._several[stimulus] = found
        if found and loosely:
            self._loosely[stimulus] = found[0]
        return self.folder / found[0] if found else None

    def _files(self) -> dict[str, list[str]]:
        """Return the pictures below the folder by stimulus id, as paths relative to it."""
        if self._listing is None:
            self._listing = {}
            for folder, _, names in os.walk(self.folder):
                for name in sorted(names):
                    stem, extension = os.path.splitext(name)  # noqa: PTH122
                    if extension.lower() in PICTURES:
                        path = (Path(folder) / name).relative_to(self.folder).as_posix()
                        self._folded.setdefault(composed(path).casefold(), []).append(path)
                        for key in (bare(stem.removesuffix("_image")), name):
                            self._listing.setdefault(key, []).append(path)
            self._listed = Names(self._listing)
        return self._listing

    def _is_inside(self, path: Path) -> bool:
        """Return whether a path, and what it links to, may be read."""
        if path not in self._inside:
            inside = Path(os.path.normpath(path)).is_relative_to(os.path.normpath(self.within))
            self._inside[path] = inside and leaves(path) is None
        return self._inside[path]

    def _checked(self, stimulus: str) -> Path:
        """Return a stimulus' file, which is there."""
        path = self._path(stimulus)
        assert path is not None  # `absent` has none without a path
        several = [f for name in self._all_names(stimulus) for f in self._several.get(name, ())]
        if several:
            raise DataError(
                f"{self.folder}: the stimulus {stimulus} has two images: "
                f"{listing(dict.fromkeys(several))}. Say which with a column stim_file."
            )
        if not self._is_inside(path):
            check_file(path)
            raise DataError(
                f"stimulus {stimulus}: the path {self._texts[self.key(stimulus)]!r} climbs out of "
                f"{self.within} to {path.resolve()}; images must lie in the data set or in the "
                f"folder that datasets.bids.stimuli_dir names.{self._hint(stimulus)}"
            )
        return path

    def _missing(self, absent: Sequence[str], total: int) -> str:
        """Return the message that pictures are not there."""
        paths = [self._path(i) for i in absent]
        if len(absent) == 1 and paths[0] is None:
            what = (
                f"no image for the stimulus {absent[0]}.{near(absent[0], self._files())} Looked "
                f"for {absent[0]}_image.png and the like, and in stim_file of the events."
            )
        else:
            some = [
                f"{i} ({path or 'no file of that name'})"
                for i, path in zip(absent, paths, strict=True)
            ]
            what = f"{len(absent)} of {total} stimuli have no picture: {listing(some, most=3)}."
        what += next((hint for i in absent if (hint := self._hint(i))), "")
        links = any(path and path.is_symlink() for path in paths)
        fetch = f"Get them with: datalad get {self.folder}" if links else "Restore the files"
        return (
            f"{self.folder}: {what} {fetch}, name their folder with datasets.bids.stimuli_dir, "
            "choose rows with datasets.bids.trials_filter or datasets.bids.exclude, or leave the "
            "trials of all of these out: --set datasets.bids.missing=skip."
        )

    def _hint(self, stimulus: str) -> str:
        """Return what seems to be wrong with the path of a picture, empty where nothing does."""
        text = self._texts.get(self.key(stimulus), "")
        plain = unquote(text).replace("\\", "/").removeprefix("bids::")
        whole_path = bool(_WHOLE.match(text)) and not Path(text).is_relative_to(self.within)
        wrong = f" {text!r} is a whole path or an address, perhaps of another machine: paths "
        wrong = f"{wrong}start in {self.folder}." if whole_path else ""
        self._files()
        parts = [part for part in plain.split("/") if part not in ("", ".")]
        for k in range(len(parts)):
            there = self._folded.get(composed("/".join(parts[k:])).casefold(), [])
            if there:
                return f"{wrong} There is a file {there[0]!r}: write that name into the table."
        return wrong

    # --- tables of stimuli --------------------------------------------------------------------

    def row(self, stimulus: str) -> Mapping[str, str]:
        """Return the row that ``stimuli.tsv`` has of a stimulus, empty when it has none."""
        rows = self.catalogue()
        for name in _fitting(self._catalogued, self._all_names(stimulus)):
            return rows[name]
        return {}

    def catalogue(self) -> Mapping[str, Mapping[str, str]]:
        """Return the rows of ``stimuli.tsv`` by stimulus id, none when there is no such table.

        Raises
        ------
        DataError
            If an id has two rows.
        """
        if self._catalogue is None:
            path, rows = self.folder / "stimuli.tsv", {}
            if path.exists():
                table = read_table(path)
                for k, stimulus in enumerate(table["stim_id"]):
                    if bare(stimulus) in rows:
                        raise DataError(f"{path}: the stimulus {stimulus} has two rows.")
                    rows[bare(stimulus)] = {n: v[k] for n, v in table.columns.items()}
            self._catalogue, self._catalogued = rows, Names(rows)
        return self._catalogue

    def tables(self) -> tuple[Path, ...]:
        """Return the tables of images that there are."""
        path = self.folder / "stimuli.tsv"
        return (path,) if path.exists() else ()

    def caption_tables(self) -> tuple[Path, ...]:
        """Return the tables of captions that there are."""
        path = self.captions_file or self.folder / "captions.tsv"
        return (path,) if path.exists() else ()

    def captions(self, stimulus: str) -> tuple[str, ...]:
        """Return the captions of a stimulus, possibly none."""
        if self._captions is None:
            collected: dict[str, list[str]] = {}
            path = self.captions_file or self.folder / "captions.tsv"
            if self.captions_file or path.exists():
                table = read_table(path)
                for name, caption in zip(table["stim_id"], table["caption"], strict=True):
                    if caption:
                        collected.setdefault(bare(name), []).append(caption)
            self._captions = {name: tuple(texts) for name, texts in collected.items()}
            self._captioned = Names(self._captions)
        names = _fitting(self._captioned, self._all_names(stimulus))
        return tuple(text for name in names for text in self._captions[name])

    def _all_names(self, stimulus: str) -> Sequence[str]:
        """Return what the tables call the picture of a stimulus, the id first."""
        others = self._names.get(self._pictures.get(stimulus, ""), ())
        return [stimulus, *(name for name in others if name != stimulus)]


def _fitting(known: Names, names: Sequence[str]) -> tuple[str, ...]:
    """Return which known names are those of a picture; loosely only where one alone is."""
    found = [known.find(name) for name in names]
    exact = [name for some, loosely in found if not loosely for name in some]
    loosely = {name for some, _ in found for name in some}
    return tuple(dict.fromkeys(exact)) or (tuple(loosely) if len(loosely) == 1 else ())


def id_of_file(name: str) -> str:
    """Return the id of an image that has no other: ``stim-x`` of ``stim-x_image.png``."""
    path = PurePosixPath(name)
    if path.name.startswith("stim-") and path.stem.endswith("_image"):
        return path.stem.removesuffix("_image")
    return name
