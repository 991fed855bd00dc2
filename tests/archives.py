"""Unpack an archive that the product has made, whatever it holds, with any Python 3.11."""

import io
import tarfile
from pathlib import Path


def unpack(archive: bytes, folder: Path) -> None:
    """Write the files of a tar below `folder`; AssertionError for anything but plain files there.

    Not by tarfile's own filters, which are younger than 3.11.0.
    """
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            path = folder / member.name
            inside = path.resolve().is_relative_to(folder.resolve())
            assert inside, f"{member.name} leads out of the archive's folder"
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            content = tar.extractfile(member) if member.isfile() else None
            assert content is not None, f"{member.name} is no plain file"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())
            path.chmod(member.mode & 0o755)
