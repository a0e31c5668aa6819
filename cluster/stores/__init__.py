"""Object stores: one file a technology, all behind `cluster.ports.ObjectStore`."""

from __future__ import annotations

from cluster.documents import StoreSpec
from cluster.ports import ObjectStore
from cluster.stores.local import LocalStore

__all__ = ["open_store"]


def open_store(spec: StoreSpec) -> ObjectStore:
    """The store that a spec names. Specs travel to the nodes, open stores do not."""
    return LocalStore(spec.root, prefix=spec.prefix)
