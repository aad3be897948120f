"""Budgets and what counts against them, read from the ledger."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, tzinfo

from sqlalchemy import Connection

from room.plans.budget import Budget, window
from room.plans.spending import Account
from room.usage import Span, gpu_spans


def account(
    connection: Connection, user: str, budget: Budget, now: datetime, zone: tzinfo
) -> Account | None:
    """Return a user's budget with what counts against it; None: there is no budget."""
    if math.isinf(budget.hours):
        return None
    begin = window(budget, now, zone)[0]
    return Account(budget, gpu_spans(connection, begin, user, charged=True), zone)


def accounts(
    connection: Connection, budgets: Mapping[str, Budget], now: datetime, zone: tzinfo
) -> dict[str, Account]:
    """Return the same of many users, with one look at the ledger; who has no budget is left out."""
    real = {user: budget for user, budget in budgets.items() if not math.isinf(budget.hours)}
    if not real:
        return {}
    begin = min(window(budget, now, zone)[0] for budget in real.values())
    spans: dict[str, list[Span]] = {user: [] for user in real}
    for span in gpu_spans(connection, begin, charged=True):
        if span.user in spans:
            spans[span.user].append(span)
    return {user: Account(budget, tuple(spans[user]), zone) for user, budget in real.items()}
