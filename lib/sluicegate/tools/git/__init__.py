"""Git, as the store of delivery repos and as a reader of checkouts: everything that starts Git is here."""

from sluicegate.tools.git.commits import Edit, Signature
from sluicegate.tools.git.refusals import Beaten, LockInTheWay
from sluicegate.tools.git.store import Store, init_store, update_work_tree

__all__ = ["Beaten", "Edit", "LockInTheWay", "Signature", "Store", "init_store", "update_work_tree"]
