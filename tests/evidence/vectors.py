"""Checks the test vectors of docs/evidence.md: each is computed here, and no more stand there."""

from __future__ import annotations

import base64
import re
from contextlib import suppress
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import proofs
import verify_evidence
from proofs import DirectoryPath, Node, Verdict, expect

NAME, SEED = "ledger.example/orders", b"\x05" * 32

Orders = dict[bytes, tuple[int, bytes]]


def blocks_of(document: str) -> dict[str, str]:
    _, _, section = document.partition("\n## Test vectors\n")
    blocks = dict(re.findall(r"^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL))
    known = {"directory", "values", "checkpoint", "json"}
    expect(set(blocks) == known, "the vectors: there are other blocks")
    [body] = re.findall(r"^`([A-Za-z0-9+/=]+)`\.$", section, re.MULTILINE)
    return {**blocks, "body": body}


def compare(block: str, computed: dict[str, Any]) -> None:
    said = dict(line.split(" = ", 1) for line in block.splitlines())
    for name in [*said, *computed]:
        mine = computed.get(name)
        mine = mine.hex() if isinstance(mine, bytes) else str(mine)
        expect(said.get(name) == mine, f"the vectors: {name} is {said.get(name)}, computed {mine}")


def trie(orders: Orders) -> Node:
    if len(orders) == 1:
        [(order, (count, head))] = orders.items()
        return proofs.order_node(order, count, head)
    bit = first_bit(orders)
    return proofs.branch(bit, *(trie(side(orders, bit, which)) for which in (0, 1)))


def first_bit(orders: Orders) -> int:
    return next(bit for bit in range(256) if len({proofs.bit_of(o, bit) for o in orders}) == 2)


def side(orders: Orders, bit: int, which: int) -> Orders:
    return {o: value for o, value in orders.items() if proofs.bit_of(o, bit) == which}


def path_to(orders: Orders, asked: bytes) -> DirectoryPath:
    steps = []
    while len(orders) > 1:
        bit = first_bit(orders)
        which = proofs.bit_of(asked, bit)
        steps.append((bit, trie(side(orders, bit, 1 - which))))
        orders = side(orders, bit, which)
    [(order, (count, head))] = orders.items()
    return DirectoryPath(order, count, head, steps)


def tree(leaves: list[bytes]) -> bytes:
    """The Merkle tree hash of RFC 6962 over leaf hashes."""
    if len(leaves) == 1:
        return leaves[0]
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    return proofs.hash_of(b"\x01", tree(leaves[:middle]), tree(leaves[middle:]))


def check_directory(block: str) -> None:
    a, b, c = (bytes([first]) + bytes(31) for first in (0x00, 0x80, 0xC0))
    orders: Orders = {o: (n, bytes([n]) * 32) for n, o in enumerate((a, b, c), 1)}
    computed: dict[str, Any] = {
        **{f"order.{name}": trie({o: orders[o]}) for name, o in zip("abc", orders)},
        "root.a": trie({a: orders[a]}),
        "root.ab": trie({a: orders[a], b: orders[b]}),
        "branch.bc": trie({b: orders[b], c: orders[c]}),
        "root.abc": trie(orders),
    }
    root, lines = trie(orders), {}
    for name, asked in [*zip("abc", orders), ("absent", b"\xa0" + bytes(31))]:
        path = path_to(orders, asked)
        known = proofs.check_path(path, asked, root.entries, root.hash, f"the vectors, {name}")
        expect(known == (name != "absent"), f"the vectors: whether {name} is there")
        lines[f"path.{name}"] = f"reached {path.order[:1].hex()}, {len(path.steps)} steps"
        for bit, node in path.steps:
            computed[f"path.{name}.bit{bit}"] = node
    nodes = {name: f"{node.entries} {node.hash.hex()}" for name, node in computed.items()}
    compare(block, {**nodes, **lines})


def entry_values(bodies: list[bytes], recorded_at: list[int]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for body, at in zip(bodies, recorded_at):
        correlation_id, occurred_at = proofs.body_text(body, 1), proofs.occurred_at_of(body)
        own = [before for before in found if before["correlation_id"] == correlation_id]
        previous, body_hash = own[-1]["leaf_hash"] if own else bytes(32), proofs.body_hash_of(body)
        times = at, occurred_at
        leaf = proofs.leaf_hash_of(correlation_id, len(own), previous, times, body_hash)
        order = proofs.order_hash_of(correlation_id)
        found.append({
            "correlation_id": correlation_id, "recorded_at": at, "occurred_at": occurred_at,
            "revision": len(own), "order": order, "previous": previous,
            "body_hash": body_hash, "leaf_hash": leaf,
        })
    return found


def check_log(blocks: dict[str, str], data: dict[str, Any]) -> str:
    """The log and its checkpoint; answers the verifier key."""
    secret = Ed25519PrivateKey.from_private_bytes(SEED)
    public = b"\x01" + secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    key_id = proofs.hash_of(NAME.encode(), b"\n", public)[:4]
    secret_text = base64.b64encode(b"\x01" + SEED).decode()
    verifier = f"{NAME}+{key_id.hex()}+{base64.b64encode(public).decode()}"
    said = dict(line.split(" = ", 1) for line in blocks["values"].splitlines())
    bodies = [entry["body"] for entry in [*data["orders"][0]["entries"], data["seal"]]]
    bodies.insert(2, blocks["body"])
    recorded_at = [int(said[f"entry{offset}.recorded_at"]) for offset in range(4)]
    entries = entry_values([base64.b64decode(body) for body in bodies], recorded_at)
    leaves = [entry["leaf_hash"] for entry in entries]
    sealed = {e["order"]: (e["revision"] + 1, e["leaf_hash"]) for e in entries[:3]}
    compare(blocks["values"], {
        "key.secret": f"PRIVATE+KEY+{NAME}+{key_id.hex()}+{secret_text}",
        "key.verifier": verifier,
        **{f"entry{n}.{name}": v for n, e in enumerate(entries) for name, v in e.items()},
        "directory.root": trie(sealed).hash,
        "tree.size": len(leaves),
        "tree.root": tree(leaves),
        "seal.inclusion0": leaves[2],
        "seal.inclusion1": tree(leaves[:2]),
    })
    signed = f"{NAME}\n{len(leaves)}\n{base64.b64encode(tree(leaves)).decode()}\n"
    signature = base64.b64encode(key_id + secret.sign(signed.encode())).decode()
    note = f"{signed}\n\u2014 {NAME} {signature}\n"
    expect(note == blocks["checkpoint"] == data["checkpoint"], "the vectors: the checkpoint")
    return verifier


def file_with(data: bytes) -> bytes:
    page, script = verify_evidence.PAGE.encode(), verify_evidence.SCRIPT.encode()
    before = b"%s%s\n</head>\n<body>\n%s\n%s" % (verify_evidence.FIRST_LINES, page, script, data)
    before += verify_evidence.LAST_LINES.encode()
    return b"%s<!-- sha256 %s -->\n" % (before, sha256(before).hexdigest().encode())


def check_file(data: str, verifier: str) -> None:
    """A file with the data is verified, and with another byte in it proves nothing else."""
    keys, raw = [proofs.read_key(verifier)], data.encode()
    proven = verify_evidence.verify(file_with(raw), keys)
    counts = [(order.correlation_id, len(order.entries)) for order in proven.orders]
    expect(counts == [("erp/1001", 2), ("erp/1003", 0)], "the vectors: the orders of the file")
    for at in range(len(raw)):
        other, found = raw[:at] + bytes([raw[at] ^ 1 << at % 8]) + raw[at + 1 :], proven
        with suppress(Verdict):
            found = verify_evidence.verify(file_with(other), keys)
        # One path shows of many orders that they are absent.
        absent = found.orders[1]._replace(correlation_id="erp/1003")
        found = found._replace(orders=[found.orders[0], absent])
        expect(found == proven, f"the vectors: with a change at {at} more is proven")


def check(document: str) -> None:
    blocks = blocks_of(document)
    check_directory(blocks["directory"])
    data = blocks["json"].rstrip("\n")
    verifier = check_log(blocks, proofs.read_json(data))
    check_file(data, verifier)
