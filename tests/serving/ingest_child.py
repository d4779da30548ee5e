"""A process that ingests a file of events until it is killed or done; run by test_crash.py.

Arguments: ledger URL, schema or "-", file of JSON events (one a line), batch size.
"""

import json
import sys
from pathlib import Path

from serving.events import Event, EventIngest
from serving.ledger import Ledger
from serving.token import TokenSigner

KEY = b"the key of the crash tests, 32 b"


def say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def main(url: str, schema: str, file: str, batch: str) -> None:
    ledger = Ledger(url, None if schema == "-" else schema)
    ingest = EventIngest(ledger, TokenSigner(KEY), clock=lambda: 1_780_000_001.0)
    events = [Event.model_validate(json.loads(line)) for line in Path(file).read_text().splitlines()]
    say("ready")
    for start in range(0, len(events), int(batch)):
        ingest.ingest(events[start : start + int(batch)])
        say(str(start))
    say("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
