"""A usage database with the entries of many days."""

import pathlib
import sqlite3
import time

SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "src/usage/sqlite/schema"
# "Moon", as the gateway marks its file.
APPLICATION = 0x4D6F6F6E
REQUESTS_A_DAY = 500
DAY = 86_400_000_000


def filled(home, days):
    """Writes it where the gateway looks for it."""
    file = home / ".local/state/moonrelay/ledger.sqlite"
    file.parent.mkdir(parents=True, mode=0o700)
    now = time.time_ns() // 1000
    with sqlite3.connect(file) as store:
        store.executescript((SCHEMA / "tables.sql").read_text())
        store.execute(f"PRAGMA application_id = {APPLICATION}")
        migrations = list(SCHEMA.glob("*-to-*.sql"))
        store.execute(f"PRAGMA user_version = {len(migrations) + 1}")
        store.execute("PRAGMA journal_mode = WAL")
        total = days * REQUESTS_A_DAY

        def came(number):
            """A request's id: the microsecond, and eleven bits."""
            return now - (total - number) * DAY // REQUESTS_A_DAY << 11

        store.executemany(
            "INSERT INTO requests VALUES (?, ?, 'default', 'chat', 'chat', ?, 1, NULL, 'ok', 900000, 8000000, NULL, NULL)",
            ((came(number), f"client-{number % 3}", model(number)) for number in range(1, total + 1)),
        )
        store.executemany(
            "INSERT INTO attempts VALUES (?, 0, ?, ?, 'ok', '', 1000, 7000000, 12000, 800, 30000, NULL, 200, NULL, NULL, 28000000000, 'USD', 'price')",
            ((came(number), *model(number).split("/")) for number in range(1, total + 1)),
        )
    store.close()
    return file


def model(number):
    return ("moonshot/kimi-k3", "moonshot/kimi-k2.6", "spare/kimi-k3")[number % 3]
