"""The package `digits`: the code, and the pages that stand beside it in the repository.

templates/, static/ and docs/ are installed as digits/templates, digits/static and digits/docs, and
vendor/ as digits/vendor.  static/vendor/ and vendor/ are fetched at set-up (scripts/set-up);
`make release` makes archives that have them.
"""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
PAGES = ("templates", "static", "docs", *(["vendor"] if (ROOT / "vendor").is_dir() else []))


def version() -> str:
    for line in (ROOT / "digits" / "__init__.py").read_text().splitlines():
        if line.startswith("__version__ = "):
            return line.split('"')[1]
    raise SystemExit('digits/__init__.py: no line `__version__ = "..."`')


def requirements() -> list[str]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


setup(
    name="digits",
    version=version(),
    description="Train image classifiers in the browser: datasets, Caffe networks, live training",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    author="The DIGITS authors",
    license="BSD-3-Clause",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    install_requires=requirements(),
    packages=[
        *find_packages(include=["digits", "digits.*"]),
        *(f"digits.{name}" for name in PAGES),
    ],
    package_dir={"digits": "digits", **{f"digits.{name}": name for name in PAGES}},
    package_data={
        "digits": [
            "py.typed",
            "standard-networks/**/*",
            "**/*.proto",
            "caffe/startup/*.py",
            "inference/exporting/offline/*",
        ],
        "digits.templates": ["**/*.html"],
        "digits.static": ["**/*"],
        "digits.vendor": ["**/*"],
        "digits.docs": ["**/*.md", "**/*.png", "**/*.svg"],
    },
    entry_points={
        "console_scripts": [
            "digits-devserver = digits.server:main",
            "digits-server = digits.production:main",
            "digits-caffe = digits.caffe.__main__:main",
        ]
    },
)
