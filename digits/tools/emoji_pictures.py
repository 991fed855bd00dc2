"""The emoji of the font Noto Color Emoji as pictures in color, sorted into a few kinds of things.

In: the font, which is somebody's own: nothing is fetched.  Out: (label, 128 x 128 x 3) of each
emoji that the font has.  Each is a character of its own; sequences that others draw together, such
as flags and skin tones, are left out.
Elsewhere: where the font lies (`emoji_font.py`), the files (`download_data.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from digits.errors import ToolError

SIDE = 128
# The only size that the font has pictures for, and the canvas that holds any of them.
FONT_SIZE = 109
CANVAS = 160
# How much of a picture an emoji takes; the rest is white around it.
DRAWN = 112
# A character that no font has: what is drawn for it stands for all that are missing.
NOT_THERE = "\U0010ffff"
# The sub-groups of Unicode's emoji-test.txt, up to version 13, without what is hard to tell.
KINDS = {
    "animals": (
        "🐀🐁🐂🐃🐄🐅🐆🐇🐈🐉🐊🐋🐌🐍🐎🐏🐐🐑🐒🐓🐔🐕🐖🐗🐘🐙🐚🐛🐜🐝🐞🐟🐠🐡🐢🐣🐤🐥🐦🐧"
        "🐨🐩🐪🐫🐬🐭🐮🐯🐰🐱🐲🐳🐴🐵🐶🐷🐸🐹🐺🐻🐼🐽🐿🕊🕷🦁🦂🦃🦄🦅🦆🦇🦈🦉🦊🦋🦌🦍🦎🦏"
        "🦒🦓🦔🦕🦖🦗🦘🦙🦚🦛🦜🦝🦟🦡🦢🦣🦤🦥🦦🦧🦨🦩🦫🦬🦭🦮🪰🪱🪲"
    ),
    "buildings": "⛩⛪🏗🏘🏚🏛🏟🏠🏡🏢🏣🏤🏥🏦🏨🏩🏪🏫🏬🏭🏯🏰💒🕋🕌🕍🛕🛖",
    "clothes": "🎒🎓🎩👑👒👓👔👕👖👗👘👙👚👛👜👝👞👟👠👡👢🕶🛍🥻🥼🥽🥾🥿🦺🧢🧣🧤🧥🧦🩰🩱🩲🩳🩴🪖",
    "faces": (
        "☹☺😀😁😂😃😄😅😆😇😈😉😊😋😌😍😎😏😐😑😒😓😔😕😖😗😘😙😚😛😜😝😞😟😠😡😢😣😤😥"
        "😦😧😨😩😪😫😬😭😮😯😰😱😲😳😴😵😶😷🙁🙂🙃🙄🤐🤑🤒🤓🤔🤕🤗🤠🤡🤢🤣🤤🤥🤧🤨🤩🤪🤫"
        "🤬🤭🤮🤯🥰🥱🥲🥳🥴🥵🥶🥸🥺🧐"
    ),
    "food": (
        "☕🌭🌮🌯🍔🍕🍖🍗🍘🍙🍚🍛🍜🍝🍞🍟🍠🍡🍢🍣🍤🍥🍦🍧🍨🍩🍪🍫🍬🍭🍮🍯🍰🍱🍲🍳🍵🍶🍷🍸"
        "🍹🍺🍻🍾🍿🎂🥂🥃🥐🥓🥖🥗🥘🥙🥚🥛🥞🥟🥠🥡🥢🥣🥤🥧🥨🥩🥪🥫🥮🥯🧀🧁🧂🧃🧆🧇🧈🧉🧊🧋"
        "🫓🫔🫕🫖"
    ),
    "plants": (
        "🌰🌱🌲🌳🌴🌵🌶🌷🌸🌹🌺🌻🌼🌽🌾🌿🍀🍁🍂🍃🍄🍅🍆🍇🍈🍉🍊🍋🍌🍍🍎🍏🍐🍑🍒🍓🥀🥑🥒🥔"
        "🥕🥜🥝🥥🥦🥬🥭🧄🧅🪴🫐🫑🫒"
    ),
    "vehicles": (
        "⛴⛵✈🏍🏎🚁🚂🚃🚄🚅🚆🚇🚈🚉🚊🚋🚌🚍🚎🚐🚑🚒🚓🚔🚕🚖🚗🚘🚙🚚🚛🚜🚝🚞🚟🚠🚡🚢🚤🚨"
        "🚲🛥🛩🛫🛬🛳🛴🛵🛶🛺🛻"
    ),
}


def emoji_pictures(font_path: Path) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(number in KINDS, picture of SIDE x SIDE x 3) of each emoji; ToolError for another font."""
    try:
        font = ImageFont.truetype(font_path, FONT_SIZE, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise ToolError(f"{font_path} cannot be used as a font: {error}.") from error
    missing = drawn(font, NOT_THERE)
    for label, characters in enumerate(KINDS.values()):
        for character in characters:
            canvas = drawn(font, character)
            if canvas.getbbox() is not None and canvas.tobytes() != missing.tobytes():
                yield label, framed(canvas)


def drawn(font: ImageFont.FreeTypeFont, character: str) -> Image.Image:
    """A character on a transparent canvas."""
    canvas = Image.new("RGBA", (CANVAS, CANVAS))
    ImageDraw.Draw(canvas).text((0, 0), character, font=font, embedded_color=True)
    return canvas


def framed(canvas: Image.Image) -> NDArray[np.uint8]:
    """An emoji in the middle of a white square."""
    emoji = canvas.crop(canvas.getbbox())
    scale = DRAWN / max(emoji.size)
    size = (max(1, round(emoji.width * scale)), max(1, round(emoji.height * scale)))
    emoji = emoji.resize(size, Image.Resampling.LANCZOS)
    square = Image.new("RGB", (SIDE, SIDE), "white")
    square.paste(emoji, ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2), emoji)
    return np.asarray(square)
