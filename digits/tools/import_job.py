"""`python -m digits.tools.import_job DIR`: jobs of the original DIGITS become jobs of this one.

All of it is `digits/importing/`: unlike the other programs here it knows what a job is.
"""

import sys

from digits.importing.command import main

if __name__ == "__main__":
    sys.exit(main())
