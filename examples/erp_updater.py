#!/usr/bin/env python3
"""An ERP updater: a member of a consumer that may crash anywhere, and applies every event once.

An SQLite file stands for the ERP. What was applied is kept in it, by order and offset, in the same
transaction as what it changes: an event that is delivered again changes nothing.

    pip install grpcio grpcio-tools
    python3 -m grpc_tools.protoc -I proto --python_out=examples --grpc_python_out=examples \\
        proto/orderledger/v1/*.proto
    order-ledger consumer create erp-updater --server http://127.0.0.1:7447
    python3 examples/erp_updater.py --server http://127.0.0.1:7447

Exit codes: 0 ended in order, 1 the stream broke or the server ended it, 70 the crash asked for.
"""

import argparse
import os
import queue
import sqlite3
import sys
from typing import Iterator

import grpc
from orderledger.v1 import delivery_service_pb2_grpc as services
from orderledger.v1.delivery_service_pb2 import (
    CONSUME_CLOSED_REASON_LEFT,
    ConsumeClosedReason,
    ConsumeRequest,
    ConsumeResponse,
    JoinConsumer,
    Nack,
)
from orderledger.v1.ledger_service_pb2 import RecordedEvent

CREDIT = 50

TABLES = """
CREATE TABLE IF NOT EXISTS applied (
    order_id TEXT, ledger_offset INTEGER, source TEXT, event_id TEXT,
    PRIMARY KEY (order_id, ledger_offset)
);
CREATE TABLE IF NOT EXISTS orders (
    order_id TEXT PRIMARY KEY, events INTEGER, last_offset INTEGER, last_type TEXT
);
"""

MARK = "INSERT OR IGNORE INTO applied VALUES (?, ?, ?, ?)"
CHANGE = """
INSERT INTO orders VALUES (?, 1, ?, ?) ON CONFLICT (order_id) DO UPDATE SET
    events = events + 1, last_offset = excluded.last_offset, last_type = excluded.last_type
WHERE excluded.last_offset > last_offset
"""


def apply(erp: sqlite3.Connection, recorded: RecordedEvent) -> bool:
    """Applies an event, once; whether it was new."""
    event, offset = recorded.event, recorded.offset
    with erp:  # one transaction: both changes or none
        mark = (event.correlation_id, offset, event.source, event.event_id)
        if erp.execute(MARK, mark).rowcount == 0:
            return False
        change = (event.correlation_id, offset, event.type)
        if erp.execute(CHANGE, change).rowcount == 0:
            raise RuntimeError(f"{event.correlation_id}: #{offset} came behind a later event")
        return True


class Updater:
    """A member of a consumer."""

    def __init__(self, erp: sqlite3.Connection, options: argparse.Namespace) -> None:
        self.erp = erp
        self.options = options
        self.outgoing: queue.SimpleQueue = queue.SimpleQueue()
        self.new = 0
        self.known = 0

    def say(self, **said) -> None:
        """Says something to the server."""
        self.outgoing.put(ConsumeRequest(**said))

    def work(self, service: services.DeliveryServiceStub) -> int:
        """Applies what is delivered until the server closes the stream; the exit code."""
        join = JoinConsumer(consumer=self.options.consumer, member=f"erp-updater {os.getpid()}")
        self.say(join=join, credit=CREDIT)
        requests: Iterator[ConsumeRequest] = iter(self.outgoing.get, None)
        try:
            for message in service.Consume(requests):
                kind = message.WhichOneof("message")
                if kind == "closed":
                    print("closed:", ConsumeClosedReason.Name(message.closed.reason))
                    return 0 if message.closed.reason == CONSUME_CLOSED_REASON_LEFT else 1
                self.take(kind, message)
        except grpc.RpcError as error:
            print("broken:", error.code().name, error.details(), file=sys.stderr)
        finally:
            self.outgoing.put(None)
        return 1

    def take(self, kind: str, message: ConsumeResponse) -> None:
        """Takes one message."""
        if kind == "deliveries":
            for delivery in message.deliveries.deliveries:
                self.deliver(delivery.event)
        elif kind == "refused":
            print("refused:", message.refused.message, file=sys.stderr)
        elif kind in ("joined", "progress"):
            progress = message.joined.progress if kind == "joined" else message.progress
            if self.options.until_caught_up and progress.acknowledged_to == progress.head:
                self.outgoing.put(None)  # no more to say: the server closes the stream

    def deliver(self, recorded: RecordedEvent) -> None:
        """Applies an event, then acknowledges it: a crash between the two brings it again."""
        try:
            new = apply(self.erp, recorded)
        except sqlite3.OperationalError as error:  # the file is locked, the disk full
            self.say(nacks=[Nack(offset=recorded.offset, reason=str(error))], credit=1)
            return
        self.new += new
        self.known += not new
        if new and self.new == self.options.crash_after:
            os._exit(70)
        self.say(acks=[recorded.offset], credit=1)


def main() -> int:
    """Works for a consumer until it is told to end."""
    parser = argparse.ArgumentParser(description="Applies order events to an SQLite file.")
    parser.add_argument("--server", default="http://127.0.0.1:7447", metavar="URL")
    parser.add_argument("--consumer", default="erp-updater", metavar="NAME")
    parser.add_argument("--database", default="erp.sqlite", metavar="FILE")
    parser.add_argument("--until-caught-up", action="store_true", help="end at the head")
    parser.add_argument(
        "--crash-after", type=int, metavar="N",
        help="crash between applying the Nth new event and acknowledging it",
    )
    options = parser.parse_args()
    erp = sqlite3.connect(options.database)
    erp.executescript(TABLES)
    updater = Updater(erp, options)
    # A connection that is dead in silence is noticed within 30 s.
    keepalive = [("grpc.keepalive_time_ms", 10_000), ("grpc.keepalive_timeout_ms", 20_000)]
    with grpc.insecure_channel(options.server.removeprefix("http://"), keepalive) as channel:
        code = updater.work(services.DeliveryServiceStub(channel))
    print(f"applied {updater.new}, known before {updater.known}")
    return code


if __name__ == "__main__":
    sys.exit(main())
