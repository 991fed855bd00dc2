"""One HTML file that classifies pictures by itself: page, runtime and model in it.

It opens by double click: from `file://` a browser fetches nothing and runs no module of another
file, so onnxruntime-web stands in a classic script, and its WebAssembly, the script that loads that
and the model stand as base64 in blocks that are not run.  The page's own Content-Security-Policy
lets it ask nobody for anything.

In: an ONNX file that takes pictures.  Out: the file, written a piece at a time, so that a large
model is never in memory whole.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from digits.base.installed import folder_beside
from digits.caffe.formats.files import written_whole
from digits.errors import ToolError

RUNTIME_FILES = (
    "ort.wasm.min.js",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
    "LICENSE",
)
_SCRIPT, _GLUE, _WASM, _LICENCE = RUNTIME_FILES
_PLACE = re.compile(r"\{(?:title|style|facts|licence)\}")
_OWN = Path(__file__).parent / "offline"
# What runs ONNX in a browser, as set-up leaves it.  No server hands it out but in such a page.
RUNTIME = folder_beside("vendor") / "onnxruntime-web"
# Of 3 bytes each 4 characters are made; what a browser takes as one text is half a gigabyte.
_PIECE_BYTES = 3 * (8 << 20)
LARGEST_MODEL_BYTES = 400 << 20


def missing_runtime(folder: Path) -> str:
    """Why no page can be made with the runtime in this folder; empty where it can."""
    missing = [name for name in RUNTIME_FILES if not (folder / name).is_file()]
    if not missing:
        return ""
    return (
        f"onnxruntime-web, which runs a model in a browser, is not installed ({missing[0]} is "
        f"missing in {folder}). Run `make setup`, or export ONNX."
    )


def write_page(
    model: Path, target: Path, runtime: Path, title: str, facts: Mapping[str, Any]
) -> None:
    """Write the page.  Raises ToolError where it would be too large, OSError."""
    size = model.stat().st_size
    if size > LARGEST_MODEL_BYTES:
        raise ToolError(
            f"The model has {size >> 20} MB; a page holds one of {LARGEST_MODEL_BYTES >> 20} MB, "
            "since browsers cannot load more. Export it with int8, or as ONNX."
        )
    head = _filled((_OWN / "page.html").read_text(encoding="utf-8"), title, runtime, facts)
    with written_whole(target) as part, open(part, "w", encoding="utf-8") as file:
        file.write(head)
        for name, path in (("wasm", runtime / _WASM), ("glue", runtime / _GLUE), ("model", model)):
            for piece in _pieces(path):
                text = base64.b64encode(piece).decode()
                file.write(f'<script type="text/plain" data-part="{name}">{text}</script>\n')
        for script in (runtime / _SCRIPT, _OWN / "page.js"):
            file.write(f"<script>\n{_script(script)}\n</script>\n")
        file.write("</body>\n</html>\n")


def page_facts(
    labels: Sequence[str], about: Sequence[tuple[str, str]], *, is_probability: bool
) -> dict[str, Any]:
    """What the page is told: the categories, and what is said of the model below."""
    return {"labels": list(labels), "isProbability": is_probability, "about": [*about]}


def _filled(text: str, title: str, runtime: Path, facts: Mapping[str, Any]) -> str:
    licence = (runtime / _LICENCE).read_text(encoding="utf-8")
    values = {
        "{title}": html.escape(title),
        "{style}": (_OWN / "page.css").read_text(encoding="utf-8").strip(),
        # Nothing in it can end the block.
        "{facts}": json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c"),
        "{licence}": html.escape(licence.strip().replace("--", "- -")),
    }
    return _PLACE.sub(lambda found: values[found[0]], text)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _script(path: Path) -> str:
    """A script's text, in which nothing ends the element that it stands in."""
    text = path.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("//# sourceMappingURL=")]
    return "\n".join(lines).replace("</script", "<\\/script").replace("<!--", "<\\!--")
