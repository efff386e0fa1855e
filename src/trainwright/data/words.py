"""Vocabularies that may be longer than memory: words in a mapped file, found by their place.

Takes    the words of one column, chunk after chunk, each chunk's in the order of first appearance and without repeats.
Gives    each word once, in the order of first appearance over all chunks, and what turns the chunks' own numbers into codes.
Why      an identifier of a large table has as many words as rows. Words are told apart exactly: hashes only part them, so that one part at a time
         is compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from typing import Any, Final, overload

import numpy as np
from numpy.typing import NDArray

from trainwright.data.cells import codes_of
from trainwright.data.room import Room, Spill, blocks
from trainwright.record.digests import canonical

HELD: Final = 4 << 20  # bytes of one column's words that are held in memory; more go to a file
WORD: Final = 100  # bytes that a word takes while it is compared, about
PIECE: Final = 50_000  # words that are read together


class LongWords(Sequence[str]):
    """Words in a mapped file: word i is the bytes from ends[i-1] to ends[i], as UTF-8, and a line end that is no part of it."""

    def __init__(self, data: Any, ends: NDArray[np.int64]) -> None:
        self.data, self.ends = data, ends

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self._word(at) for at in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        return self._word(int(place) % len(self))

    def _word(self, place: int) -> str:
        start = int(self.ends[place - 1]) if place else 0
        return str(bytes(self.data[start : int(self.ends[place]) - 1]), "utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        for _, piece in self.pieces():
            yield from piece

    def pieces(self) -> Iterator[tuple[slice, list[str]]]:
        """All words in order, PIECE at a time, each piece with its places."""
        for part in blocks(len(self), PIECE):
            start = int(self.ends[part.start - 1]) if part.start else 0
            data = bytes(self.data[start : int(self.ends[part.stop - 1])])
            if data.count(b"\n") == part.stop - part.start:  # no word has a line end of its own
                words = str(data, "utf-8", "surrogatepass").split("\n")
                words.pop()
            else:
                ends = (self.ends[part] - start).tolist()
                words = [str(data[low : high - 1], "utf-8", "surrogatepass") for low, high in zip([0, *ends[:-1]], ends, strict=True)]
            yield part, words

    def chosen(self, mask: NDArray[np.bool_]) -> Iterator[list[str]]:
        """The words at the places where `mask` is true, in order."""
        for part, words in self.pieces():
            some = mask[part]
            yield words if some.all() else list(compress(words, some.tolist()))


def pieces_of(words: Sequence[str]) -> Iterator[tuple[slice, list[str]]]:
    """All words in order, PIECE at a time, each piece with its places, however they are held."""
    if isinstance(words, LongWords):
        yield from words.pieces()
    else:
        for part in blocks(len(words), PIECE):
            yield part, list(words[part])


def _laid_down(words: Sequence[str], data: Spill, ends: Spill) -> None:
    """Add words to the two files of a `LongWords`."""
    if not len(words):
        return
    low = data.size
    encoded = ("\n".join(words) + "\n").encode("utf-8", "surrogatepass")
    data.add(encoded)
    at = np.flatnonzero(np.frombuffer(encoded, np.uint8) == 10) + 1
    if len(at) != len(words):
        at = np.cumsum([len(word.encode("utf-8", "surrogatepass")) + 1 for word in words])
    ends.add((at + low).astype(np.int64).tobytes())


class Gathered:
    """The words of one column as its chunks bring them. Word number n of all that were brought is of chunk after chunk, repeats included."""

    def __init__(self, room: Room) -> None:
        self._room, self._held = room, min(HELD, room.step)
        self._parts: list[list[str]] = []
        self._size = 0
        self._spilled: Spill | None = None
        self._ends: Spill | None = None
        self.count = 0

    def add(self, words: Sequence[str]) -> int:
        """Take in a chunk's words. Gives the number of the first of them."""
        first, self.count = self.count, self.count + len(words)
        self._parts.append(list(words))
        self._size += sum(map(len, words)) + 50 * len(words)
        if self._size > self._held:
            self._flush()
        return first

    def _flush(self) -> None:
        if self._spilled is None or self._ends is None:
            self._spilled, self._ends = self._room.spill(), self._room.spill()
        for part in self._parts:
            _laid_down(part, self._spilled, self._ends)
        self._parts, self._size = [], 0

    def unified(self) -> tuple[Sequence[str], NDArray[np.int32]]:
        """The vocabulary, and (count,) the code of each word that was brought."""
        if self._spilled is None or self._ends is None:
            codes: dict[str, int] = {}
            known = [codes.setdefault(word, len(codes)) for part in self._parts for word in part]
            return list(codes), np.array(known, np.int32)
        self._flush()
        brought = LongWords(self._spilled.mapped(), np.frombuffer(self._ends.mapped(), np.int64))
        first = self._first(brought)
        is_first = self._room.empty(self.count, np.bool_)
        number = self._room.empty(self.count, np.int32)
        total, data, ends = 0, self._room.spill(), self._room.spill()
        for part in blocks(self.count):
            is_first[part] = first[part] == np.arange(part.start, part.stop)
            number[part] = total + np.cumsum(is_first[part]) - 1
            total = int(number[part.stop - 1]) + 1
        if total == self.count:  # each word was brought once, as those of an identifier
            return brought, number
        for words in brought.chosen(is_first):
            _laid_down(words, data, ends)
        for part in blocks(self.count):
            first[part] = number[first[part]]
        return LongWords(data.mapped(), np.frombuffer(ends.mapped(), np.int64)), first

    def _first(self, brought: LongWords) -> NDArray[np.int32]:
        """(count,) the number of the first word that is the same; found in parts of words of about the same hash."""
        import polars as pl

        parts = self._room.parts(self.count * WORD)
        first = self._room.empty(self.count, np.int32)
        which = self._room.empty(self.count, np.int32)
        if parts > 1:
            for piece, words in brought.pieces():
                which[piece] = (pl.Series(words, dtype=pl.String).hash(seed=0).to_numpy() % np.uint64(parts)).astype(np.int32)
        for part in range(parts):
            place = np.concatenate([np.flatnonzero(which[rows] == part) + rows.start for rows in blocks(self.count)])
            if not len(place):
                continue
            mine = pl.concat([pl.Series(words, dtype=pl.String) for words in brought.chosen(np.asarray(which == part))])
            if mine.n_unique() == len(mine):
                first[place] = place
                continue
            codes = codes_of(mine, mine.unique(maintain_order=True))
            least = np.empty(int(codes.max()) + 1, np.int32)
            least[codes[::-1]] = place[::-1]  # the first comes last, and stays
            first[place] = least[codes]
        return first


def digest_of_words(words: Sequence[str], used: NDArray[np.int64], room: Room) -> tuple[Any, NDArray[np.int32]]:
    """SHA-256, begun, over the words in use as sorted JSON; and (words,) each word's rank among them, -1 for one that is not used.

    The same bytes as `canonical(sorted(words))`, whether or not they fit into memory at once.
    """
    rank = room.empty(len(words) + 1, np.int32)  # the last entry is read by code -1
    rank[:] = -1
    if not isinstance(words, LongWords):
        chosen = [words[code] for code in used.tolist()]
        order = sorted(range(len(chosen)), key=chosen.__getitem__)
        rank[used[order]] = np.arange(len(used), dtype=np.int32)
        return hashlib.sha256(canonical([chosen[place] for place in order])), rank
    import polars as pl

    digest, done = hashlib.sha256(b"["), 0
    needed = np.zeros(len(words), np.bool_)
    needed[used] = True
    for low, high in _ranges(words, used, room.parts(len(used) * WORD)):
        found, codes = [], []
        for part, piece in words.pieces():
            series = pl.Series(piece, dtype=pl.String)
            mine = needed[part]
            if low is not None:
                mine = mine & (series >= low).to_numpy()
            if high is not None:
                mine = mine & (series < high).to_numpy()
            found.append(series.filter(pl.Series(mine)))
            codes.append(np.flatnonzero(mine) + part.start)
        whole, code = pl.concat(found), np.concatenate(codes)
        order = whole.arg_sort().to_numpy()  # by bytes of UTF-8, which is the order of the characters
        for part in blocks(len(order), PIECE):
            text = json.dumps(whole.gather(order[part]).to_list(), ensure_ascii=False, separators=(",", ":"))[1:-1]
            digest.update((b"," if done else b"") + text.encode())
            rank[code[order[part]]] = np.arange(done, done + part.stop - part.start, dtype=np.int32)
            done += part.stop - part.start
    digest.update(b"]")
    return digest, rank


def _ranges(words: LongWords, used: NDArray[np.int64], parts: int) -> Iterable[tuple[str | None, str | None]]:
    """Bounds [low, high) that part the words into ranges of about the same number."""
    if parts == 1 or not len(used):
        return [(None, None)] if len(used) else []
    some = sorted(words[at] for at in used[np.linspace(0, len(used) - 1, min(len(used), 200 * parts)).astype(np.int64)].tolist())
    cuts = sorted({some[len(some) * part // parts] for part in range(1, parts)})
    return list(zip([None, *cuts], [*cuts, None], strict=True))
