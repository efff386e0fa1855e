"""Writing what ships: steps laid down as data, loaded back, compared with training, sketched and verified."""

from trainwright.bundle.audit import verify
from trainwright.bundle.parity import check, edge_rows
from trainwright.bundle.sketches import sketch
from trainwright.bundle.write import add_evidence, write_bundle, write_zip

__all__ = ["add_evidence", "check", "edge_rows", "sketch", "verify", "write_bundle", "write_zip"]
