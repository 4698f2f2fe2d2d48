"""Makes a month of viewing, the same for the same seed: `python make_usage.py usage.csv`."""

import argparse
import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

#: Subscriber, account, and of a hundred views how many are theirs.
SUBSCRIBERS = (
    ("s-1001", "a-21", 24),
    ("s-1002", "a-21", 7),
    ("s-1003", "a-22", 15),
    ("s-2001", "a-23", 38),
    ("s-2002", "a-24", 16),
)
#: Content, title, minutes. The last one is not in the look-up tables.
TITLES = (
    ("c-01", "Harbour Lights", 52),
    ("c-02", "The Long Ferry", 118),
    ("c-03", "Goals of the Week", 24),
    ("c-04", "Deep Water", 47),
    ("c-05", "Final at Home", 105),
    ("c-06", "Owls of the North", 58),
    ("c-07", "Paper Moon Bay", 131),
    ("c-99", "Trailer Reel", 9),
)
CHANNELS = ("Cinema", "Series", "Arena")
COLUMNS = (
    "type",
    "subscriberId",
    "account",
    "startDateTime",
    "watchedTime",
    "contentId",
    "title",
    "channel",
    "endDateTime",
)
FIRST_DAY = datetime(2026, 3, 1, 6, tzinfo=UTC)
VIEWS = 240


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=2026)
    asked = parser.parse_args()
    chance = Random(asked.seed)
    asked.file.parent.mkdir(parents=True, exist_ok=True)
    with asked.file.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(COLUMNS)
        rows.writerows(view(chance, number) for number in range(VIEWS))
    print(f"{VIEWS} views in {asked.file}")


def view(chance: Random, number: int) -> list[object]:
    """One view; they are spread over thirty days in order of their start."""
    subscriber, account = watching(chance)
    content, title, minutes = TITLES[int(len(TITLES) * chance.random())]
    start = FIRST_DAY + timedelta(minutes=180 * number + int(180 * chance.random()))
    # Every fifth view is broken off early, some of them before it counts.
    share = 0.05 * chance.random() if chance.random() < 0.2 else 0.6 + 0.4 * chance.random()
    seconds = int(60 * minutes * share)
    end = start + timedelta(seconds=seconds)
    channel = CHANNELS[int(len(CHANNELS) * chance.random())]
    kind = "LIVE" if channel == "Arena" else "VOD"
    return [kind, subscriber, account, text(start), seconds, content, title, channel, text(end)]


def watching(chance: Random) -> tuple[str, str]:
    """Who watches: subscriber and account."""
    left = 100 * chance.random()
    for subscriber, account, share in SUBSCRIBERS:
        left -= share
        if left < 0:
            return subscriber, account
    raise AssertionError("shares are a hundred together")


def text(instant: datetime) -> str:
    """An instant as ISO 8601."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


if __name__ == "__main__":
    main()
