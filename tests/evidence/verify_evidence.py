#!/usr/bin/env python3
"""Verifies files of evidence, written from docs/evidence.md alone.

Does not know the program that made them, folds no orders and makes no pages: states, page and the
presence of linked histories are not looked at, and the verdict says so.
Exit codes: 0 verified, 1 inconclusive, 2 usage, 5 tampered, or unreadable.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, Optional

import proofs
from proofs import NO_HASH, DirectoryPath, Key, Node, Number, Verdict
from proofs import expect, from_base64, number, text

FIRST_LINES = b"<!DOCTYPE html>\n<!-- order-ledger evidence "
PAGE = '1 -->\n<html lang="en">'
SCRIPT = '<script type="application/json" id="order-ledger-evidence">'
LAST_LINES = "\n</script>\n</body>\n</html>\n"
DIGEST_LINE = 81
LARGEST_FILE, LARGEST_KEY_FILE = 256 << 20, 64 << 10
EXIT_CODES = {"inconclusive": 1, "tampered": 5, "unreadable": 5}


class Entry(NamedTuple):
    offset: int
    recorded_at: int
    body: Optional[bytes]
    occurred_at: int
    body_hash: bytes


class Order(NamedTuple):
    correlation_id: str
    role: str
    entries: list[Entry]
    path: DirectoryPath
    inclusion: list[bytes]


class Seal(NamedTuple):
    offset: int
    recorded_at: int
    leaf_hash: bytes
    inclusion: list[bytes]
    covered: int
    root: bytes
    orders: int


class Proven(NamedTuple):
    seal: Seal
    size: int
    orders: list[Order]
    keys: list[str]


def members(value: Any, where: str, names: str) -> dict[str, Any]:
    """An object with these names in their order; those with a `?` may be absent."""
    expect(isinstance(value, dict), f"{where}: no object")
    known = [(name.rstrip("?"), name.endswith("?")) for name in names.split()]
    wanted = [name for name, optional in known if not optional or name in value]
    expect(list(value) == wanted, f"{where}: members are missing, unknown or in another order")
    return value


def data_of(file: bytes) -> str:
    """The data of a file, whose digest and parts are checked."""
    expect(file.startswith(FIRST_LINES), "this is no file of evidence", "unreadable")
    version = re.compile(rb"[1-9][0-9]{0,18}(?![0-9])").match(file, len(FIRST_LINES))
    expect(version is not None, "the format has no version", "unreadable")
    before = file[:-DIGEST_LINE]
    last = f"<!-- sha256 {sha256(before).hexdigest()} -->\n".encode()
    changed = "it was changed or cut off after it was made"
    expect(file[-DIGEST_LINE:] == last, f"the digest does not fit: {changed}", "unreadable")
    newer = version is not None and version.group() != b"1"
    expect(not newer, "it has a newer format than 1", "inconclusive")
    whole = ""
    try:
        whole = before.decode()
    except UnicodeDecodeError:
        raise Verdict("tampered", "the file is not UTF-8") from None
    page, _, rest = whole.partition(f"\n{SCRIPT}\n")
    good = page.startswith(FIRST_LINES.decode() + PAGE) and whole.count(SCRIPT) == 1
    expect(good and rest.endswith(LAST_LINES), "the parts of the file are not in their places")
    data = rest[: -len(LAST_LINES)]
    expect("<" not in data, "the data: it holds a <")
    return data


def read_seal(value: Any) -> Seal:
    where = "the seal"
    value = members(value, where, "offset revision recorded_at previous body inclusion")
    offset, revision, at = (number(value[n], where) for n in ("offset", "revision", "recorded_at"))
    previous, body = from_base64(value["previous"], where, 32), from_base64(value["body"], where)
    inclusion, correlation_id = proofs.hashes(value["inclusion"], where), proofs.body_text(body, 1)
    good = correlation_id.startswith("$seals/") and proofs.body_text(body, 4) == "seal.made"
    expect(good, f"{where}: its body is no seal")
    message = only(only(body, {90: 2}, 90), {11: 2}, 11)
    types = {1: 0, 2: 2, 3: 0}
    covered, root = only(message, types, 1), only(message, types, 2)
    orders = [found for field, found in proofs.fields(message, types) if field == 3]
    expect(len(root) == 32, f"{where}: a root of {len(root)} bytes")
    expect(1 <= covered <= offset, f"{where}: it covers {covered} entries, at offset {offset}")
    expect(revision > 0 or previous == NO_HASH, f"{where}: an entry before its first one")
    times = at, proofs.occurred_at_of(body)
    leaf = proofs.leaf_hash_of(correlation_id, revision, previous, times, proofs.body_hash_of(body))
    return Seal(offset, at, leaf, inclusion, covered, root, (orders or [0])[-1])


def only(message: bytes, types: dict[int, int], wanted: int) -> Any:
    found = [value for field, value in proofs.fields(message, types) if field == wanted]
    expect(len(found) == 1, f"the seal: field {wanted} does not stand once in its message")
    return found[0]


def read_entry(value: Any, where: str) -> Entry:
    value = members(value, where, "offset recorded_at body? occurred_at? body_hash?")
    names = list(value)[2:]
    expect(names in (["body"], ["occurred_at", "body_hash"]), f"{where}: neither body nor its hash")
    offset, recorded_at = (number(value[name], where) for name in ("offset", "recorded_at"))
    if "body" in value:
        body = from_base64(value["body"], where)
        occurred_at, body_hash = proofs.occurred_at_of(body), proofs.body_hash_of(body)
        return Entry(offset, recorded_at, body, occurred_at, body_hash)
    occurred_at = number(value["occurred_at"], where, signed=True)
    return Entry(offset, recorded_at, None, occurred_at, from_base64(value["body_hash"], where, 32))


def read_path(value: Any, where: str) -> DirectoryPath:
    value = members(value, where, "order entry_count head steps")
    steps, read = value["steps"], []
    expect(isinstance(steps, list) and len(steps) <= 256, f"{where}: its path has no steps")
    for step in steps:
        expect(isinstance(step, list) and len(step) == 3, f"{where}: a step of its path")
        bit = number(step[0].text if isinstance(step[0], Number) else None, where)
        expect(bit < 256, f"{where}: a step at bit {bit}")
        read.append((bit, Node(number(step[1], where), from_base64(step[2], where, 32))))
    order, head = from_base64(value["order"], where, 32), from_base64(value["head"], where, 32)
    return DirectoryPath(order, number(value["entry_count"], where), head, read)


def read_order(value: Any, basis: int) -> Order:
    names = "correlation_id role entries path inclusion state?"
    value = members(value, "an order", names)
    where = f"order {text(value['correlation_id'], 'an order')!r}"
    expect(value["role"] in ("asked", "linked"), f"{where}: its role")
    expect(isinstance(value["entries"], list), f"{where}: its entries are no array")
    entries = [read_entry(entry, f"{where}, entry {n}") for n, entry in enumerate(value["entries"])]
    with_state = value["role"] == "asked" and any(entry.offset < basis for entry in entries)
    state = value.get("state", {} if with_state else None)
    expect(isinstance(state, dict) == ("state" in value) == with_state, f"{where}: its state")
    path, inclusion = read_path(value["path"], where), proofs.hashes(value["inclusion"], where)
    return Order(value["correlation_id"], value["role"], entries, path, inclusion)


def check_order(order: Order, seal: Seal, size: int, root: bytes) -> None:
    where, entries = f"order {order.correlation_id!r}", order.entries
    asked = proofs.order_hash_of(order.correlation_id)
    known = proofs.check_path(order.path, asked, seal.covered, seal.root, where)
    count = order.path.entry_count if known else 0
    expect(len(entries) == count, f"{where}: {len(entries)} entries, the seal counts {count}")
    head, offset, recorded_at = NO_HASH, -1, 0
    for revision, entry in enumerate(entries):
        times = entry.recorded_at, entry.occurred_at
        head = proofs.leaf_hash_of(order.correlation_id, revision, head, times, entry.body_hash)
        expect(offset < entry.offset < seal.covered, f"{where}: offset {entry.offset}")
        good = recorded_at <= entry.recorded_at <= seal.recorded_at
        expect(good, f"{where}: the time of recording of revision {revision}")
        offset, recorded_at = entry.offset, entry.recorded_at
    expect(not known or head == order.path.head, f"{where}: its entries are not those of the seal")
    proven = known and proofs.in_tree(head, offset, order.inclusion, size, root)
    proven = proven or not (known or order.inclusion)
    expect(proven, f"{where}: its last entry is not in the log at offset {offset}")


def check_shown(order: Order, basis: dict[str, int]) -> None:
    """Bodies stand where the basis says, and are of this order."""
    where = f"order {order.correlation_id!r}"
    asked = {name: basis[name] for name in ("as_of_offset", "as_of_recorded") if name in basis}
    for entry in order.entries:
        below = entry.offset < asked.get("as_of_offset", 1 << 64)
        below = below and entry.recorded_at <= asked.get("as_of_recorded", 1 << 64)
        shown = entry.offset < basis["offset"]
        expect((entry.body is not None) == shown, f"{where}: #{entry.offset} has a body, or none")
        expect(below if shown else not (asked and below), f"{where}: #{entry.offset} at its basis")
        if entry.body is not None:
            same = proofs.body_text(entry.body, 1) == order.correlation_id
            expect(same, f"{where}: #{entry.offset} is of another order")


def check_data(data: str, keys: list[Key]) -> Proven:
    names = "format format_version product_version ledger_id made_at"
    names += " basis policy checkpoint seal orders"
    value = members(proofs.read_json(data), "the data", names)
    good = value["format"] == "order-ledger evidence" and value["format_version"] == Number("1")
    expect(good, "the data: its format")
    text(value["product_version"], "product_version"), text(value["made_at"], "made_at")
    ledger_id = re.compile("[0-9a-f]{32}").fullmatch(text(value["ledger_id"], "ledger_id"))
    expect(ledger_id is not None, "the data: its ledger_id")
    expect(isinstance(value["policy"], dict), "the data: its policy")
    basis_names = "offset as_of_offset? as_of_recorded? as_of_occurred?"
    basis_texts = members(value["basis"], "the basis", basis_names)
    basis = {n: number(t, "the basis", n == "as_of_occurred") for n, t in basis_texts.items()}
    expect(isinstance(value["orders"], list), "the data: its orders are no array")
    orders = [read_order(order, basis["offset"]) for order in value["orders"]]
    linked = [order.role == "linked" for order in orders]
    expect(linked == sorted(linked), "the data: those that were asked for are not first")
    size, root, believed = proofs.read_checkpoint(text(value["checkpoint"], "the checkpoint"), keys)
    seal = read_seal(value["seal"])
    proven = proofs.in_tree(seal.leaf_hash, seal.offset, seal.inclusion, size, root)
    expect(proven, "the seal: it is not in the tree of the checkpoint")
    ids = [order.correlation_id for order in orders]
    expect(len(set(ids)) == len(ids), "the data: an order stands twice")
    offsets = [seal.offset, *(entry.offset for order in orders for entry in order.entries)]
    expect(len(set(offsets)) == len(offsets), "the data: an offset stands twice")
    for order in orders:
        check_order(order, seal, size, root)
    for order in orders:
        check_shown(order, basis)
    expect(basis["offset"] <= seal.covered, "the basis: it is behind what the seal covers")
    return Proven(seal, size, orders, believed)


def check_required(proven: Proven, covers: int, recorded_until: Optional[int]) -> None:
    seal = proven.seal
    why = f"it is too old: its seal covers {seal.covered} entries, not {covers}"
    expect(seal.covered >= covers, why, "inconclusive")
    times = [entry.recorded_at for order in proven.orders for entry in order.entries]
    times += [seal.recorded_at] if seal.offset == seal.covered else []
    good = recorded_until is None or max(times, default=-1) > recorded_until
    expect(good, "it does not show that its seal covers all of the time required", "inconclusive")


# The command.


def verify(file: bytes, keys: list[Key]) -> Proven:
    return check_data(data_of(file), keys)


def time_of(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    try:
        return f"{(datetime(1970, 1, 1) + timedelta(seconds=seconds)).isoformat()}.{rest:09}Z"
    except OverflowError:
        return f"{nanoseconds} ns"


def plain(value: str) -> str:
    """Text without what could lead a terminal astray."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)


def report(proven: Proven) -> Iterator[str]:
    seal = proven.seal
    complete = f"{len(proven.orders)} orders, complete as of seal #{seal.offset}"
    yield f"verified: the events alone of {complete}; the page was not compared"
    made = time_of(seal.recorded_at)
    yield f"  covers {seal.covered} entries of {seal.orders} orders, made {made}"
    yield f"  checkpoint of {proven.size} entries, signed by {', '.join(proven.keys)}"
    for order in proven.orders:
        count, shown = len(order.entries), sum(e.body is not None for e in order.entries)
        what = f"{count} entries, {shown} shown" if count else "absent: it had no entry"
        yield f"order {order.correlation_id} ({order.role}): {what}"
        for entry in order.entries:
            kind = "not shown" if entry.body is None else proofs.body_text(entry.body, 4)
            yield f"  #{entry.offset} {time_of(entry.recorded_at)} {kind}"
    yield "not compared: page and states, do not believe them; not looked at: whether all linked histories are in it"
    yield "not proven: ledger_id, made_at, policy, roles, offsets before the last one of an order"


def read_keys(arguments: list[str]) -> list[Key]:
    """Keys by their texts, or from files that hold one in each line."""
    found = []
    for argument in arguments:
        lines = [argument]
        if argument.count("+") < 2 or Path(argument).is_file():
            with open(argument, "rb") as file:
                lines = file.read(LARGEST_KEY_FILE).decode().splitlines()
        found += [proofs.read_key(line) for line in lines if line]
    if not found:
        raise ValueError("there is no key")
    return found


def judge(path: str, keys: list[Key], covers: int, until: Optional[int]) -> tuple[int, list[str]]:
    """The exit code for one file, and what to say of it."""
    try:
        with open(path, "rb") as opened:
            file = opened.read(LARGEST_FILE + 1)
        expect(len(file) <= LARGEST_FILE, "it is larger than this verifier reads", "inconclusive")
        proven = verify(file, keys)
        check_required(proven, covers, until)
        return 0, list(report(proven))
    except OSError as error:
        return 2, [str(error)]
    except Verdict as found:
        return EXIT_CODES[found.word], [f"{found.word}: {found.why}"]


def self_test(path: str) -> tuple[int, list[str]]:
    import vectors  # It imports this module.

    try:
        vectors.check(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, LookupError, Verdict) as error:
        return 5, [f"the vectors: {error}"]
    return 0, ["verified: the vectors of the document"]


def main() -> int:
    parser = argparse.ArgumentParser(description="Verifies files of evidence.")
    parser.add_argument("bundles", metavar="BUNDLE", nargs="*", help="a file of evidence")
    parser.add_argument("--key", action="append", default=[], help="a key, or a file of them")
    parser.add_argument("--covers", type=int, default=0, help="entries that the seal has to cover")
    parser.add_argument("--recorded-until", type=int, help="nanoseconds that it has to cover")
    parser.add_argument("--self-test", metavar="DOCUMENT", help="check its vectors, and no file")
    arguments = parser.parse_args()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    try:
        keys = [] if arguments.self_test else read_keys(arguments.key)
    except (OSError, ValueError, Verdict) as error:
        parser.error(plain(str(error)))
    if arguments.self_test:
        results = [self_test(arguments.self_test)]
    else:
        required = arguments.covers, arguments.recorded_until
        results = [judge(bundle, keys, *required) for bundle in arguments.bundles]
    for _, lines in results:
        print(*map(plain, lines), sep="\n")
    return max((code for code, _ in results), default=2)


if __name__ == "__main__":
    sys.exit(main())
