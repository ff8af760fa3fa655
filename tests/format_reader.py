#!/usr/bin/env python3
"""Reads the log of an order ledger and checks every byte of it, by docs/format.md alone.

Does not know the program that wrote it. Exit codes: 0 good, 1 unreadable, 2 usage, 5 a defect.
"""

import argparse
import json
import re
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

SEGMENT_HEADER = struct.Struct("<8sH6s16sQQ12sI")
BLOCK_HEADER = struct.Struct("<IHHQQII")
ENTRY_HEADER = struct.Struct("<IIBBHQQ32s")
LEAF = struct.Struct("<BBQqQ32s32s32s32s")
NAME = re.compile(r"[0-9]{20}\.seg")
VERSION_BYTES = re.compile(rb"\x01\0")
VERSION, KIND_EVENT, ALIGNMENT, SECTOR = 1, 1, 8, 512
NO_HASH = bytes(32)


class Defect(Exception):
    """A check that failed; on its way up it gets its place."""


class Unknown(Defect):
    """Bytes with the right CRC that a newer program wrote."""


class Entry(NamedTuple):
    offset: int
    position: int
    flags: int
    previous: bytes
    correlation_id: bytes
    body: bytes
    recorded_at: int
    revision: int


def expect(good: bool, what: str, otherwise: type[Defect] = Defect) -> None:
    if not good:
        raise otherwise(what)


def check_segment_header(data: bytes, ledger_id: str, name: str) -> None:
    expect(len(data) >= SEGMENT_HEADER.size, "the file ends inside of its header")
    magic, version, zeros, id_bytes, *numbers, more, crc = SEGMENT_HEADER.unpack_from(data)
    first_offset, capacity = numbers
    expect(magic == b"ORDLEDGR", "this is no segment: the magic is wrong")
    expect(crc == crc32(data[:60]), "segment header: the CRC does not match")
    expect(version == VERSION, f"segment header: version {version} is not known")
    expect(not any(zeros + more), "segment header: reserved bytes are not zero")
    expect(id_bytes.hex() == ledger_id, "the segment belongs to another ledger")
    expect(name == f"{first_offset:020}.seg", f"first offset {first_offset} under this name")
    expect(capacity == len(data), f"the file has {len(data)} bytes, its header says {capacity}")


def read_block_header(data: bytes, at: int) -> tuple[int, int, int, int, int]:
    """Length, zero pieces, first offset, recorded at, entry count."""
    expect(at + BLOCK_HEADER.size <= len(data), "block header: no room for it")
    length, version, *rest, crc = BLOCK_HEADER.unpack_from(data, at)
    expect(crc == crc32(data[at : at + 28]), "block header: the CRC does not match")
    expect(version == VERSION, f"block: version {version}", Unknown)
    expect(length > BLOCK_HEADER.size and length % ALIGNMENT == 0, f"block of {length} bytes")
    return length, *rest


def read_block(data: bytes, at: int) -> tuple[int, int, list[Entry]]:
    """Length, recorded at and entries of a block, verified whole."""
    length, _, first_offset, recorded_at, entry_count = read_block_header(data, at)
    end, position = at + length, at + BLOCK_HEADER.size
    expect(end <= len(data), "block header: the block leads out of its segment")
    expect(0 < entry_count < (1 << 64) - first_offset, f"block header: {entry_count} entries")
    entries: list[Entry] = []
    for offset in range(first_offset, first_offset + entry_count):
        entry, position = read_entry(data, position, end, offset)
        entries.append(entry)
    good_padding = 1 <= end - position <= ALIGNMENT and not data[position:end].strip(b"\x5a")
    expect(good_padding, f"the padding at position {position}")
    return length, recorded_at, entries


def read_entry(data: bytes, at: int, block_end: int, offset: int) -> tuple[Entry, int]:
    """The entry at a position, verified, and the position behind it."""
    name = f"entry {offset} at position {at}"
    expect(at + ENTRY_HEADER.size <= block_end, f"{name}: no room for it in its block")
    length, crc, kind, flags, id_length, *numbers, previous = ENTRY_HEADER.unpack_from(data, at)
    id_at, end = at + ENTRY_HEADER.size, at + length
    body_at = id_at + id_length
    expect(id_at <= end <= block_end, f"{name}: a length of {length} bytes")
    covered = crc32(data[at + 8 : end], crc32(struct.pack("<QI", offset, length)))
    expect(crc == covered, f"{name}: the CRC does not match")
    expect((kind, flags) == (KIND_EVENT, 0), f"{name}: kind {kind}, flags {flags}", Unknown)
    expect(id_at < body_at <= end, f"{name}: a correlation id of {id_length} bytes")
    id_bytes, body = data[id_at:body_at], data[body_at:end]
    return Entry(offset, at, flags, previous, id_bytes, body, *numbers), end


def is_torn(data: bytes, at: int) -> bool:
    """Whether the bad block at a position was never written whole."""
    end, by_nature = at + BLOCK_HEADER.size, 0
    with suppress(Defect):
        length, by_nature, *_ = read_block_header(data, at)
        end = min(at + length, len(data))
    cuts = [at, *range((at // SECTOR + 1) * SECTOR, end, SECTOR), end]
    return sum(not any(data[begin:cut]) for begin, cut in zip(cuts, cuts[1:])) > by_nature


def is_followed(data: bytes, at: int, offset: int) -> bool:
    """Whether a good block of a higher offset stands behind a position."""
    behind = at + ALIGNMENT
    with suppress(Defect):
        behind = at + read_block_header(data, at)[0]
    for match in VERSION_BYTES.finditer(data, behind + 4):
        begin = match.start() - 4
        with suppress(Defect):
            if begin % ALIGNMENT == 0 and read_block(data, begin)[2][0].offset > offset:
                return True
    return False


def fields(message: bytes, types: dict[int, int]) -> Iterator[tuple[int, Any]]:
    """The fields of a protobuf message: number and value; those in `types` have that wire type."""
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        number, wire = tag >> 3, tag & 7
        expect(0 < number < 1 << 29 and wire in (0, 1, 2, 5), f"the body: protobuf tag {tag}")
        expect(types.get(number, wire) == wire, f"the body: field {number} of wire type {wire}")
        value, at = varint(message, at) if wire in (0, 2) else ({1: 8, 5: 4}[wire], at)
        end = at if wire == 0 else at + value
        expect(end <= len(message), "the body: it ends inside of a field")
        yield number, value if wire == 0 else message[at:end]
        at = end


def varint(message: bytes, at: int) -> tuple[int, int]:
    """A number, and the position behind it."""
    value = 0
    for place, byte in enumerate(message[at : at + 10]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80 and value < 1 << 64:
            return value, at + place + 1
    raise Defect("the body: a number without an end, or beyond 64 bits")


def read_body(body: bytes) -> tuple[bytes, int]:
    """What an event says of its order and of when it occurred, as the leaf has it."""
    correlation_id, time = b"", {1: 0, 2: 0}
    for number, value in fields(body, {1: 2, 5: 2}):
        if number == 1:
            correlation_id = value
        elif number == 5:
            time |= dict(fields(value, {1: 0, 2: 0}))
    seconds, nanos = struct.unpack("<qi", struct.pack("<QI", time[1], time[2] & 0xFFFFFFFF))
    ns = seconds * 10**9 + nanos
    return correlation_id, ns if 0 <= nanos < 10**9 and -(1 << 63) <= ns < 1 << 63 else 0


def leaf_hash(entry: Entry, occurred_at: int) -> bytes:
    order = sha256(b"orderledger/order/1\0" + entry.correlation_id).digest()
    body = sha256(b"\x20" + entry.body).digest()
    numbers = 1, entry.flags, entry.recorded_at, occurred_at, entry.revision
    return sha256(b"\0" + LEAF.pack(*numbers, order, entry.previous, body, NO_HASH)).digest()


class Ledger:
    """A walk over the log of a ledger, and what it has seen so far."""

    def __init__(self, folder: Path, *, dump: bool) -> None:
        self.log, self.dump = folder / "log", dump
        self.head = self.blocks = self.recorded_at = self.position = 0
        self.torn: dict[str, object] = {}
        self.orders: dict[str, tuple[int, bytes]] = {}  # next revision, last leaf hash
        text, id_text = ((folder / name).read_bytes() for name in ("format", "ledger.id"))
        expect(text == b"order-ledger format 1\n", "format: this is no ledger of format 1")
        expect(bool(re.fullmatch(rb"[0-9a-f]{32}\n", id_text)), "ledger.id: this is no ledger id")
        self.ledger_id = id_text.decode().strip()

    def walk(self) -> dict[str, object]:
        """Checks everything; the summary. Offsets have no gaps, so `entries` and `head` are one."""
        names = sorted(file.name for file in self.log.iterdir() if NAME.fullmatch(file.name))
        for name in names:
            self.position, data = 0, (self.log / name).read_bytes()
            try:
                check_segment_header(data, self.ledger_id, name)
                expect(int(name[:20]) == self.head, f"offset {self.head} must stand here")
                self.position, used = SEGMENT_HEADER.size, len(data.rstrip(b"\0"))
                while self.position < used and not self.torn:
                    self.position = self.walk_block(data, self.position, name == names[-1])
            except (Defect, UnicodeDecodeError) as defect:
                raise Defect(f"segment {name}, position {self.position}: {defect}") from defect
        seen = {"ledger_id": self.ledger_id, "entries": self.head, "orders": len(self.orders)}
        seen |= {"blocks": self.blocks, "segments": len(names), "head": self.head}
        return seen | self.torn

    def walk_block(self, data: bytes, at: int, is_last: bool) -> int:
        """The position behind the block; of a torn one, its own."""
        expect(at + BLOCK_HEADER.size <= len(data), "bytes behind the last block")
        try:
            length, recorded_at, entries = read_block(data, at)
            expect(entries[0].offset == self.head, f"offset {entries[0].offset}, not {self.head}")
        except Defect as defect:
            expect(not is_followed(data, at, self.head), f"{defect}; a good block follows")
            if isinstance(defect, Unknown) or not is_last or not is_torn(data, at):
                raise
            self.torn = {"torn": True, "position": at}
            return at
        for entry in entries:
            self.check(entry, recorded_at)
        self.blocks += 1
        return at + length

    def check(self, entry: Entry, block_recorded_at: int) -> None:
        """Holds an entry against its block and those before it."""
        self.position, correlation_id = entry.position, entry.correlation_id.decode()
        revision, previous = self.orders.get(correlation_id, (0, NO_HASH))
        stated, occurred_at = read_body(entry.body)
        expect(stated == entry.correlation_id, "the body: it names another order")
        expect(entry.recorded_at == block_recorded_at, "an entry recorded apart from its block")
        expect(entry.recorded_at >= self.recorded_at, "an entry recorded before an earlier one")
        expect(entry.revision == revision, f"revision {entry.revision}, not {revision}")
        expect(entry.previous == previous, "`previous` is not the order's last leaf hash")
        leaf = leaf_hash(entry, occurred_at)
        self.orders[correlation_id] = revision + 1, leaf
        self.recorded_at, self.head = entry.recorded_at, entry.offset + 1
        if self.dump:
            line: dict[str, object] = {"offset": entry.offset, "revision": revision}
            line |= {"recorded_at": entry.recorded_at, "correlation_id": correlation_id}
            print(json.dumps(line | {"body_hex": entry.body.hex(), "leaf_hash": leaf.hex()}))


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks every byte of a ledger's log.")
    parser.add_argument("folder", type=Path, help="the ledger's folder")
    parser.add_argument("--dump", action="store_true", help="print every entry, then the summary")
    options = parser.parse_args()
    try:
        print(json.dumps(Ledger(options.folder, dump=options.dump).walk()))
    except (Defect, OSError) as error:
        print(error, file=sys.stderr)
        return 5 if isinstance(error, Defect) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
