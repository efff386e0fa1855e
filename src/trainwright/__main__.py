"""`python -m trainwright` is the command line."""

import sys

from trainwright.cli import main

sys.exit(main())
