"""Texts, bodies, the tree, checkpoints and the directory, written from docs/evidence.md alone."""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, NamedTuple, NoReturn, Optional

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LEAF = struct.Struct("<BBQqQ32s32s32s32s")
NO_HASH = bytes(32)
LEVELS, BROKEN_LEVELS = 64, 4
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,19})", re.ASCII)


class Verdict(Exception):
    """What was found instead of a file that is verified."""

    def __init__(self, word: str, why: str):
        super().__init__(f"{word}: {why}")
        self.word, self.why = word, why


def expect(good: bool, why: str, otherwise: str = "tampered") -> None:
    if not good:
        raise Verdict(otherwise, why)


class Number(NamedTuple):
    """A number of JSON, as it is written."""

    text: str


class Key(NamedTuple):
    name: str
    id: bytes
    public: bytes


class Node(NamedTuple):
    """A node of the directory."""

    entries: int
    hash: bytes


class DirectoryPath(NamedTuple):
    order: bytes
    entry_count: int
    head: bytes
    steps: list[tuple[int, Node]]


def hash_of(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


def from_base64(value: Any, where: str, length: Optional[int] = None) -> bytes:
    raw = b""
    try:
        raw = base64.b64decode(text(value, where), validate=True)
    except ValueError:
        raise Verdict("tampered", f"{where}: no base64") from None
    expect(base64.b64encode(raw).decode() == value, f"{where}: not the only base64 of its bytes")
    expect(length is None or len(raw) == length, f"{where}: {len(raw)} bytes, not {length}")
    return raw


def hashes(value: Any, where: str) -> list[bytes]:
    expect(isinstance(value, list), f"{where}: no array")
    return [from_base64(sibling, where, 32) for sibling in value]


def text(value: Any, where: str) -> str:
    expect(isinstance(value, str), f"{where}: no text")
    return value


def number(value: Any, where: str, signed: bool = False) -> int:
    good = NUMBER.fullmatch(text(value, where)) is not None and value != "-0"
    found = int(value) if good else -1 << 64
    low, high = (-1 << 63, 1 << 63) if signed else (0, 1 << 64)
    expect(low <= found < high, f"{where}: not a number of 64 bits")
    return found


def read_json(data: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        expect(len(dict(pairs)) == len(pairs), "the data: a name stands twice in an object")
        return dict(pairs)

    def whole(literal: str) -> Number:
        expect(NUMBER.fullmatch(literal) is not None and literal != "-0", "the data: a number")
        return Number(literal)

    def refuse(_: str) -> NoReturn:
        raise ValueError

    try:
        value = json.loads(
            data, object_pairs_hook=once, parse_int=whole, parse_float=refuse, parse_constant=refuse
        )
        same = write_json(value) == data
    except (ValueError, RecursionError):
        raise Verdict("tampered", "the data: no JSON") from None
    expect(same, "the data: not the only text of what it says")
    return value


def write_json(value: Any, level: int = 1) -> str:
    expect(level <= LEVELS, "the data: nested too deeply")
    if isinstance(value, Number):
        return value.text
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
    if not isinstance(value, (dict, list)):
        expect(value is not None, "the data: null")
        return json.dumps(value)
    items = [write_json(item, level + 1) for item in (value if isinstance(value, list) else ())]
    if isinstance(value, dict):
        pairs = value.items()
        items = [f"{write_json(name)}:{write_json(item, level + 1)}" for name, item in pairs]
    begin = "\n" if level <= BROKEN_LEVELS else ""
    inside = ",".join(begin + item for item in items)
    return f"[{inside}]" if isinstance(value, list) else f"{{{inside}}}"


# Bodies.


def fields(message: bytes, types: dict[int, int]) -> Iterator[tuple[int, Any]]:
    """The fields of a protobuf message: number and value; those in `types` have that wire type."""
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        field, wire = tag >> 3, tag & 7
        expect(0 < field < 1 << 29 and wire in (0, 1, 2, 5), f"a body: protobuf tag {tag}")
        expect(types.get(field, wire) == wire, f"a body: field {field} of wire type {wire}")
        value, at = varint(message, at) if wire in (0, 2) else ({1: 8, 5: 4}[wire], at)
        end = at if wire == 0 else at + value
        expect(end <= len(message), "a body: it ends inside of a field")
        yield field, value if wire == 0 else message[at:end]
        at = end


def varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(message[at : at + 10]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80 and value < 1 << 64:
            return value, at + place + 1
    raise Verdict("tampered", "a body: a varint that does not end")


def occurred_at_of(body: bytes) -> int:
    seconds = nanos = 0
    for part in (part for field, part in fields(body, {5: 2}) if field == 5):
        for field, value in fields(part, {1: 0, 2: 0}):
            if field == 1:
                seconds = value - (1 << 64 if value >> 63 else 0)
            elif field == 2:
                nanos = value & 0xFFFFFFFF
    occurred_at = seconds * 1_000_000_000 + nanos
    good = nanos < 1_000_000_000 and -1 << 63 <= occurred_at < 1 << 63
    return occurred_at if good else 0


def body_text(body: bytes, field: int) -> str:
    """The last field of this number: 1 is the correlation id, 4 the type."""
    found = [value for number_, value in fields(body, {field: 2}) if number_ == field]
    try:
        return found[-1].decode() if found else ""
    except UnicodeDecodeError:
        raise Verdict("tampered", f"a body: field {field} is not text") from None


def body_hash_of(body: bytes) -> bytes:
    return hash_of(b"\x20", body)


def order_hash_of(correlation_id: str) -> bytes:
    return hash_of(b"orderledger/order/1\0", correlation_id.encode())


def leaf_hash_of(
    correlation_id: str, revision: int, previous: bytes, times: tuple[int, int], body_hash: bytes
) -> bytes:
    flags, order = int(correlation_id.startswith("$")), order_hash_of(correlation_id)
    leaf = LEAF.pack(1, flags, *times, revision, order, previous, body_hash, NO_HASH)
    return hash_of(b"\0", leaf)


# The tree, the checkpoint and the directory.


def in_tree(leaf: bytes, index: int, siblings: list[bytes], size: int, root: bytes) -> bool:
    if index >= size:
        return False
    at, last, found = index, size - 1, leaf
    for sibling in siblings:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = hash_of(b"\x01", sibling, found)
            while not at & 1 and at != 0:
                at, last = at >> 1, last >> 1
        else:
            found = hash_of(b"\x01", found, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def read_key(line: str) -> Key:
    where = "the key"
    name, id_text, raw_text = (line.split("+", 2) + ["", ""])[:3]
    raw = from_base64(raw_text, where, 33)
    key_id = hash_of(name.encode(), b"\n", raw)[:4]
    good = is_name(name) and raw[:1] == b"\x01" and id_text == key_id.hex()
    expect(good, f"{where}: not the text of a verifier key")
    return Key(name, key_id, raw[1:])


def is_name(name: str) -> bool:
    return name != "" and "+" not in name and not any(character.isspace() for character in name)


def fits(key: Key, signature: bytes, signed: str) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, signed.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def read_checkpoint(note: str, keys: list[Key]) -> tuple[int, bytes, list[str]]:
    """Size and root of a checkpoint that is believed, and the keys for whose sake it is."""
    where, cut = "the checkpoint", note.rfind("\n\n")
    good = cut >= 0 and note.endswith("\n") and all(" " <= c or c == "\n" for c in note)
    lines, signed = note[cut + 2 :].split("\n")[:-1], note[: cut + 1]
    expect(good and 1 <= len(lines) <= 64, f"{where}: no signed note")
    named, believed = [], []
    origin, size, root = (signed.split("\n") + ["", ""])[:3]
    for line in lines:
        dash, name, raw_text = (line.split(" ") + ["", ""])[:3]
        raw = from_base64(raw_text, f"{where}, a signature", 68)
        expect(line == f"\u2014 {name} {raw_text}" and is_name(name), f"{where}: a signature line")
        named.append(f"{name}+{raw[:4].hex()}")
        for key in keys:
            if (name, raw[:4]) == (key.name, key.id):
                expect(fits(key, raw[4:], signed), f"{where}: the signature of {name} does not fit")
                believed += [named[-1]] if name == origin else []
    parts = number(size, f"{where}, its size"), from_base64(root, f"{where}, its root", 32)
    expect(origin != "", f"{where}: no origin")
    why = f"no given key that is named {origin!r} signed the checkpoint; signed by: {named}"
    expect(bool(believed), why, "inconclusive")
    return (*parts, sorted(set(believed)))


def order_node(order: bytes, entry_count: int, head: bytes) -> Node:
    return Node(entry_count, hash_of(b"\x30", order, entry_count.to_bytes(8, "little"), head))


def branch(bit: int, left: Node, right: Node) -> Node:
    sides = [side.entries.to_bytes(8, "little") + side.hash for side in (left, right)]
    return Node(left.entries + right.entries, hash_of(b"\x31", bytes([bit]), *sides))


def bit_of(order: bytes, bit: int) -> int:
    return order[bit // 8] >> (7 - bit % 8) & 1


def check_path(path: DirectoryPath, asked: bytes, covered: int, root: bytes, where: str) -> bool:
    """Whether the directory has the order that was asked for."""
    bits = [bit for bit, _ in path.steps]
    good = all(low < high for low, high in zip(bits, bits[1:])) and all(0 <= b < 256 for b in bits)
    expect(good, f"{where}: the bits of its path do not rise")
    same = all(bit_of(asked, bit) == bit_of(path.order, bit) for bit in bits)
    expect(same, f"{where}: its path leads elsewhere")
    counts = [path.entry_count, *(side.entries for _, side in path.steps)]
    expect(min(counts) >= 1, f"{where}: its path has a node without entries")
    node = order_node(path.order, path.entry_count, path.head)
    for bit, side in reversed(path.steps):
        node = branch(bit, *((side, node) if bit_of(path.order, bit) else (node, side)))
        expect(node.entries < 1 << 64, f"{where}: the entries of its path are too many")
    expect(node == Node(covered, root), f"{where}: its path does not end in the seal's directory")
    return path.order == asked


