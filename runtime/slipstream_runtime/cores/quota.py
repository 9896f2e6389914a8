"""What each partition has in one store, so that none takes all of it. Pure; drops nothing, the store does.

An account is there as long as it has an entry, so there are at most as many as entries. They are spread over several tables for the
same reason as the store's: a single large one would stop the process while it grows."""

from __future__ import annotations

from typing import Final

from slipstream_runtime.cores.entry import Account, OwnedEntry

TABLES: Final = 64


class Quotas:
    """The accounts of one store; every operation is O(1)."""

    __slots__ = ("_tables",)

    def __init__(self) -> None:
        self._tables: list[dict[int, Account]] = [{} for _ in range(TABLES)]

    def __len__(self) -> int:
        return sum(len(table) for table in self._tables)

    def find(self, partition: int) -> Account | None:
        """The account of a partition that has an entry here."""
        return self._tables[partition % TABLES].get(partition)

    def insert(self, partition: int, entry: OwnedEntry, size: int) -> None:
        """The newest entry of `partition`."""
        table = self._tables[partition % TABLES]
        account = table.get(partition)
        if account is None:
            account = table[partition] = Account(partition)
        newest = account.newest
        entry.account_older = newest
        if newest is None:
            account.oldest = entry
        else:
            newest.account_newer = entry
        account.newest = entry
        account.bytes += size
        entry.account = account

    def remove(self, entry: OwnedEntry, size: int) -> None:
        """An entry leaves its account, and the account the store with its last one."""
        account = entry.account
        if account is None:
            return
        newer, older = entry.account_newer, entry.account_older
        entry.account = entry.account_newer = entry.account_older = None
        if newer is None:
            account.newest = older
        else:
            newer.account_older = older
        if older is None:
            account.oldest = newer
        else:
            older.account_newer = newer
        account.bytes -= size
        if newer is None and older is None:
            del self._tables[account.id % TABLES][account.id]
