"""Lines that classify a picture by a model, ready to be copied into a shell or a program."""

from __future__ import annotations

TOKEN = "YOUR_TOKEN"  # noqa: S105 - what the reader puts a token in the place of
CURL = """\
curl -H "Authorization: Bearer {token}" \\
  -F image_file=@picture.png \\
  "{address}"
"""
PYTHON = """\
import requests

with open("picture.png", "rb") as picture:
    answer = requests.post(
        "{address}",
        headers={{"Authorization": "Bearer {token}"}},
        files={{"image_file": picture}},
    )
answer.raise_for_status()
for category, score in answer.json()["predictions"]:
    print(score, category)
"""


def classify_lines(address: str) -> list[tuple[str, str]]:
    """(title, lines) for curl and Python; `address` is that of `classify_one.json`."""
    return [
        (title, lines.format(address=address, token=TOKEN).rstrip())
        for title, lines in (("curl", CURL), ("Python", PYTHON))
    ]
