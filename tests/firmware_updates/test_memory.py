import pytest

from firmware_updates.codec import decode_row, encode_row
from firmware_updates.memory import MemoryUpdateStore
from tests.contract import update_store as contract
from tests.firmware_updates.factories import release


class TestMemoryUpdateStore(contract.UpdateStoreContract):
    @pytest.fixture
    def store(self):
        return MemoryUpdateStore()


def test_the_audit_trail_may_be_shorter_than_asked():
    store = MemoryUpdateStore()
    assert list(store.audit("r1", 0)) == []


@pytest.mark.parametrize(
    "row", [contract.a_device(), contract.a_release(), contract.a_rollout(), contract.an_attempt(), release()]
)
def test_every_row_survives_being_written_as_json(row):
    assert decode_row(type(row), encode_row(row)) == row
