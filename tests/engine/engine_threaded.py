"""A module whose import starts a thread: a forking server may not load it."""

import threading

threading.Thread(target=threading.Event().wait, daemon=True).start()
