"""From the text of a region expression to its tree."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from neurodiffuse.errors import ConfigError, listing, near
from neurodiffuse.rois.expression import (
    COMPARATORS,
    Band,
    Chain,
    Comparison,
    Complement,
    Everything,
    Expression,
    Region,
)

ALIASES = {"ecc": "eccentricity"}
EVERYTHING = "all"
DEEPEST = 50  # parentheses in parentheses

_WORD = re.compile(r"[\w.]+")
_HYPHENATED = re.compile(r"[\w.]+(?:-[\w.]+)*")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])")
_OPERAND = re.compile(r"""\s*[\w."'(~!]""")


def parse(expression: str, known: Iterable[str] | None = None) -> Expression:
    """Return the tree of a region expression; the grammar is on the page of this package.

    Parameters
    ----------
    expression
        For instance ``"V1+V4+faces-V2"``.
    known
        The names of the data set's masks and maps. Without them any word is a name, and a
        hyphen outside quotes is always a difference.

    Raises
    ------
    ConfigError
        The text is not an expression or holds a name that is not known; the message says at
        which character (counted from 1) and lists the names that are.
    """
    return _Parser(expression, None if known is None else _Lexicon(known)).parse()


class _Lexicon:
    """The known names and the spellings under which they are found."""

    def __init__(self, known: Iterable[str]) -> None:
        self.names = tuple(dict.fromkeys(name for name in known if name))
        spellings: dict[str, list[str]] = {}
        for name in (*self.names, EVERYTHING):
            _add(spellings, name.lower(), name)
        forms: dict[str, list[str]] = {}
        for form, name in self._other_forms():
            _add(forms, form, name)
        # A name proper goes before another one's short form; longer spellings are tried first.
        both = (forms | spellings).items()
        self.spellings = dict(sorted(both, key=lambda item: -len(item[0])))

    def _other_forms(self) -> list[tuple[str, str]]:
        forms = []
        for name in self.names:
            if "-" in name:
                forms.append((name.replace("-", "").lower(), name))
            forms += [(short, name) for short, long in ALIASES.items() if name.lower() == long]
        return forms

    def match(self, text: str, start: int) -> tuple[str, int] | None:
        """Return the spelling that ``text`` has at ``start``, and where it ends."""
        plain, loose = self._as_listed(text, start), self._less_hyphens(text, start)
        if plain is None or loose is None:
            return plain or loose
        rest = plain[1]
        divided = text[rest : rest + 1] == "-" and text[rest + 1 : rest + 2].isdigit()
        return loose if divided and self._as_listed(text, rest + 1) is None else plain

    def _as_listed(self, text: str, start: int) -> tuple[str, int] | None:
        for spelling in self.spellings:
            end = start + len(spelling)
            if text[start:end].lower() == spelling and _ends(text, end):
                return spelling, end
        return None

    def _less_hyphens(self, text: str, start: int) -> tuple[str, int] | None:
        """Find ``FFA-1`` in the text where the list has ``FFA1``."""
        found = _HYPHENATED.match(text, start)
        pieces = found.group().split("-") if found else []
        for count in range(len(pieces), 1, -1):
            spelling = "".join(pieces[:count]).lower()
            if spelling in self.spellings:
                return spelling, start + len("-".join(pieces[:count]))
        return None


def _add(spellings: dict[str, list[str]], spelling: str, name: str) -> None:
    names = spellings.setdefault(spelling, [])
    if name not in names:
        names.append(name)


def _ends(text: str, end: int) -> bool:
    """Whether a name can end here: ``V1`` not within ``V1v``, ``ecc4+`` not within ``ecc4+V1``."""
    if _WORD.match(text[end - 1]):
        return not _WORD.match(text, end)
    return not _OPERAND.match(text, end)


class _Parser:
    """Recursive descent over the characters of one expression."""

    def __init__(self, text: str, lexicon: _Lexicon | None) -> None:
        self.text = text
        self.lexicon = lexicon
        self.at = 0
        self.depth = 0

    def parse(self) -> Expression:
        tree = self.expression()
        if self.at < len(self.text):
            char = self.text[self.at]
            raise self.error(
                "this ')' closes nothing."
                if char == ")"
                else f"expected an operator (+ - & |) or the end, not {char!r}."
            )
        return tree

    def expression(self) -> Expression:
        return self.chain("+|-", lambda: self.chain("&", self.factor))

    def chain(self, symbols: str, part: Callable[[], Expression]) -> Expression:
        first, rest = part(), []
        while symbol := self.take(symbols):
            rest.append((symbol.replace("|", "+"), part()))
        return Chain(first, tuple(rest)) if rest else first

    def factor(self) -> Expression:
        complements = 0
        while self.take("~!"):
            complements += 1
        inner = self.group() if self.peek() == "(" else self.operand()
        return Complement(inner) if complements % 2 else inner

    def group(self) -> Expression:
        opened = self.at
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error(f"more than {DEEPEST} parentheses are open; use fewer.")
        self.take("(")
        inner = self.expression()
        if not self.take(")"):
            raise self.error("this '(' is never closed.", opened)
        self.depth -= 1
        return inner

    def operand(self) -> Expression:
        start = self.skip()
        hemisphere = self.hemisphere()
        if not hemisphere:
            return self.region()
        self.at += len("lh.")
        return Chain(Region(hemisphere, self.where(start)), (("&", self.region()),))

    def region(self) -> Expression:
        start = self.skip()
        name = self.quoted() if self.peek() in ("'", '"') else self.name()
        if name is None:
            return Everything()
        self.skip()
        for symbol in COMPARATORS:
            if self.text.startswith(symbol, self.at):
                self.at += len(symbol)
                return Comparison(name, symbol, self.number(symbol), self.where(start))
        if self.take(":"):
            return self.band(name, start)
        return Region(name, self.where(start))

    def band(self, name: str, start: int) -> Band:
        lower = self.number(":")
        if not self.take("-"):
            raise self.error(f"a band is written {name}:0.5-1, or {name}:4- without an end.")
        self.skip()
        upper = self.number("-") if _NUMBER.match(self.text, self.at) else None
        if upper is not None and upper <= lower:
            raise self.error(f"the band {lower:g}-{upper:g} is empty.", start)
        return Band(name, lower, upper, self.where(start))

    def number(self, after: str) -> float:
        self.skip()
        found = _NUMBER.match(self.text, self.at)
        if not found:
            raise self.error(f"expected a number after {after!r}.")
        self.at = found.end()
        return float(found.group())

    def hemisphere(self) -> str:
        """Return the mask ``lh`` or ``rh`` where the text names a region of it, else ''."""
        prefix = self.text[self.at : self.at + 3].lower()
        if self.lexicon is None or prefix not in ("lh.", "rh."):
            return ""
        whole = self.lexicon.match(self.text, self.at)
        mask = self.lexicon.spellings.get(prefix[:2])
        return mask[0] if mask and whole is None else ""

    def quoted(self) -> str:
        start, quote = self.at, self.text[self.at]
        end = self.text.find(quote, start + 1)
        if end < 0:
            raise self.error("this quotation mark is never closed.", start)
        name = self.text[start + 1 : end]
        self.at = end + 1
        if self.lexicon is None or name in self.lexicon.names:
            return name
        same = [other for other in self.lexicon.names if other.lower() == name.lower()]
        if not same:
            raise self.error(self.unknown(name), start)
        return self.only(name, same, start)

    def name(self) -> str | None:
        """Return the name that stands here, or None for ``all``."""
        start = self.at
        if self.lexicon is None:
            found = _WORD.match(self.text, start)
            if not found:
                raise self.error(self.missing())
            self.at = found.end()
            word = found.group()
            return None if word.lower() == EVERYTHING else ALIASES.get(word.lower(), word)
        match = self.lexicon.match(self.text, start)
        if match is None:
            raise self.error(self.unknown_here())
        spelling, self.at = match
        if spelling == EVERYTHING:
            return None
        return self.only(self.text[start : self.at], self.lexicon.spellings[spelling], start)

    def only(self, written: str, fitting: list[str], start: int) -> str:
        if written in fitting or len(fitting) == 1:
            return written if written in fitting else fitting[0]
        raise self.error(f"{written!r} may be {listing(fitting)}: write it as listed.", start)

    # --- characters and messages -------------------------------------------------------------

    def skip(self) -> int:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.at

    def peek(self) -> str:
        self.skip()
        return self.text[self.at : self.at + 1]

    def take(self, symbols: str) -> str:
        char = self.peek()
        if not char or char not in symbols:
            return ""
        self.at += 1
        self.skip()
        return char

    def where(self, at: int) -> str:
        text = self.text if len(self.text) <= 80 else self.text[:79] + "…"
        return f"region expression {text!r}, at character {at + 1}: "

    def error(self, what: str, at: int | None = None) -> ConfigError:
        return ConfigError(self.where(self.at if at is None else at) + what)

    def missing(self) -> str:
        char = self.text[self.at : self.at + 1]
        given = f"not {char!r}" if char else "but the expression ends here"
        return f"expected a region, {given}.{self.known()}"

    def unknown_here(self) -> str:
        found = _HYPHENATED.match(self.text, self.at)
        if not found:
            return self.missing()
        whole = found.group()
        close = self.lexicon is not None and near(whole, self.lexicon.names)
        return self.unknown(whole if close else whole.split("-")[0])

    def unknown(self, name: str) -> str:
        hint = near(name, self.lexicon.names) if self.lexicon else ""
        return f"no region is called {name!r}.{hint}{self.known(name)}"

    def known(self, like: str = "") -> str:
        return f" Known: {listing(self.lexicon.names, like=like)}." if self.lexicon else ""
