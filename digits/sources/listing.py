"""Find the pictures below a web listing that has one sub-folder a category.

A listing is the page that nginx (`autoindex on`) or Apache (`mod_autoindex`) makes of a folder: its
links that lead exactly one level down are the entries, those that end in a slash are folders.
"""

from __future__ import annotations

import os
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from digits.errors import ToolError
from digits.sources.downloads import CONNECTIONS, Downloader, DownloadError
from digits.sources.folders import PICTURE_EXTENSIONS, Category, Search, checked, label_of
from digits.sources.picture_list import SAFE_IN_URL_PATH, cannot_be_listed

# A server may follow a link that leads back up; its folders then nest for ever.
_MAX_DEPTH = 16
_MAX_PAGE_BYTES = 1 << 26


@dataclass(frozen=True)
class Listing:
    """What a page links to, as absolute URLs."""

    folders: list[str]
    files: list[str]


def find_categories_at(url: str, search: Search, downloader: Downloader) -> list[Category]:
    """The categories below the listing at `url`, sorted by label.

    Raises ToolError when the listing cannot be read or two folders would get the same label.
    """
    try:
        top = read_listing(url, downloader)
    except DownloadError as error:
        raise ToolError(f"{url} cannot be read: {error}.") from error
    categories = {folder: Category(label_of(_name(folder)), folder) for folder in top.folders}
    for folder in categories:
        if problem := cannot_be_listed(_name(folder)):
            raise ToolError(f"Category folder {folder}: {problem}.")
    pool = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="listing")
    try:
        _read_all(pool, categories, search, downloader)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    for category in categories.values():
        category.pictures.sort()
    return checked(list(categories.values()))


def read_listing(url: str, downloader: Downloader) -> Listing:
    """Fetch one page; raises DownloadError."""
    page, final_url = downloader.fetch(url, _MAX_PAGE_BYTES)
    base = urlunsplit(urlsplit(final_url)._replace(query="", fragment=""))
    return parse_listing(
        page.decode("utf-8", "replace"), base if base.endswith("/") else f"{base}/"
    )


def parse_listing(page: str, base: str) -> Listing:
    """The entries of the page of the folder `base` (a URL that ends in a slash)."""
    parser = _LinkParser()
    parser.feed(page)
    folders: set[str] = set()
    files: set[str] = set()
    for link in parser.links:
        url = _entry_url(link, base)
        if url is not None:
            (folders if url.endswith("/") else files).add(url)
    return Listing(sorted(folders), sorted(files))


def _entry_url(link: str, base: str) -> str | None:
    """The URL of an entry of the folder `base`, or None for links that lead elsewhere."""
    try:
        parts = urlsplit(urljoin(base, link.strip()))
    except ValueError:
        return None
    if parts.query or parts.fragment:  # Apache's links that sort the columns
        return None
    url = urlunsplit(parts._replace(path=quote(parts.path, safe=SAFE_IN_URL_PATH)))
    base = urlunsplit(
        urlsplit(base)._replace(path=quote(urlsplit(base).path, safe=SAFE_IN_URL_PATH))
    )
    below = url.removeprefix(base)
    if below == url or not below.strip("/") or "/" in below[:-1]:
        return None
    hidden = unquote(below).startswith(".")
    return None if hidden else url


def _read_all(
    pool: ThreadPoolExecutor,
    categories: dict[str, Category],
    search: Search,
    downloader: Downloader,
) -> None:
    """Read every category's listings, several at once, and put the pictures into them."""
    seen = set(categories)
    running: dict[Future[Listing], tuple[str, Category, int]] = {
        pool.submit(read_listing, url, downloader): (url, category, 1)
        for url, category in categories.items()
    }
    while running:
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            url, category, depth = running.pop(future)
            try:
                listing = future.result()
            except DownloadError as error:
                search.skip(url, f"the listing cannot be read: {error}")
                continue
            _take_pictures(listing, category, search)
            for folder in set(listing.folders) - seen:
                seen.add(folder)
                if depth >= _MAX_DEPTH:
                    search.skip(folder, f"it lies more than {_MAX_DEPTH} folders deep")
                else:
                    future = pool.submit(read_listing, folder, downloader)
                    running[future] = (folder, category, depth + 1)


def _take_pictures(listing: Listing, category: Category, search: Search) -> None:
    for url in listing.files:
        # Without fetching a file only its name can tell; a name without extension may be a picture.
        extension = os.path.splitext(_name(url))[1].lower()
        if not extension or extension in PICTURE_EXTENSIONS:
            category.pictures.append(url)
            search.meter.add()
        else:
            search.other_files += 1


def _name(url: str) -> str:
    """The decoded last part of a URL's path."""
    return unquote(urlsplit(url).path.rstrip("/").rsplit("/", 1)[-1])


class _LinkParser(HTMLParser):
    """Gathers what the `a` tags of a page lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links.extend(value for name, value in attrs if name == "href" and value)
