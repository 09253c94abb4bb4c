"""What every store promises, as tests that each store's own module runs."""

from tests.contract.answering import Answering
from tests.contract.asking import Asking
from tests.contract.delivering import Delivering
from tests.contract.keeping_deadlines import KeepingDeadlines
from tests.contract.looking import Looking


class StoreContract(Asking, Answering, Delivering, KeepingDeadlines, Looking):
    """Every test here runs on every store; `store` and `clock` come from the store's module."""
