"""The part of RoomSpawner that keeps to budgets of GPU-hours: at a start, and while it runs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo

from room.gpus.requests import GPURequest
from room.models import Lease, Reject
from room.plans import spending
from room.plans.accounts import account
from room.plans.budget import Budget, window
from room.plans.model import EffectivePlan
from room.plans.spending import Account, Meter, Outlook
from room.store import Store
from spawner.notices import Notice
from spawner.planning import Planned
from spawner.refusal import Refusal
from spawner.sessions import LEAST, End


class Spending(Planned):
    """Looks up what its user has used, and ends the server when the budget is used up."""

    async def gpu_account(self, plan: EffectivePlan | None = None) -> Account | None:
        """Return the user's budget and what counts against it; None: there is no budget.

        ``plan``: the one that was read just now; else it is read anew.
        """
        plan, services = plan or await self.load_plan(), self.shared_services()
        return await services.store.run(
            _account, services.store, self.user.name, plan["gpu_hours"], services.plans.zone
        )

    def gpu_meter(self) -> Meter | None:
        """Return what a page shows of the budget; None: there is none.

        A template cannot wait: this reads at once, and a reader waits for no writer.
        """
        services = self.shared_services()
        groups = [group.name for group in self.user.groups]
        plan = services.plans.effective(self.user.name, groups)
        found = _account(services.store, self.user.name, plan["gpu_hours"], services.plans.zone)
        return None if found is None else spending.meter(found, datetime.now(timezone.utc))

    async def look_at_budget(self, *, begins: bool = False) -> Outlook | None:
        """Find out anew when the budget ends what the user runs; None: there is no budget.

        ``begins``: this server's lease has just been granted.
        """
        account = await self.gpu_account()
        if account is None:
            self.shared_services().outlooks.pop(self.user.name, None)
            return None
        return self._tell_outlook(account, begins=begins)

    def _tell_outlook(self, account: Account, *, begins: bool = False) -> Outlook:
        told = self.shared_services().outlooks
        running = sum(span.end is None for span in account.spans)
        # Notice of a lowered budget is for what runs already, and not for what begins alone.
        before = told.get(self.user.name) if running > begins else None
        outlook = spending.look_again(
            None if before is None else before[1], account, datetime.now(timezone.utc)
        )
        told[self.user.name] = account, outlook
        return outlook

    async def _may_spend(self, request: GPURequest) -> None:
        """Refuse in words what the budget has not minutes enough for, on the cheapest units."""
        # The start has read its plan a moment ago, to be let in.
        account = await self.gpu_account(self._effective)
        if account is None:
            return
        if any(span.end is None for span in account.spans):
            # What runs already is looked at too.
            self._tell_outlook(account)
        broker = self.shared_services().broker
        rates = [broker.rate(unit.uuid) for unit in broker.inventory.units if request.takes(unit)]
        rate = request.count * min(rates, default=1.0)
        verdict = spending.may_run(account, datetime.now(timezone.utc), rate)
        if isinstance(verdict, Reject):
            raise Refusal(verdict, 403)

    async def _spend(self, lease: Lease) -> str | None:
        """Count a new lease; return what is to be told of its end, or refuse: others spend too."""
        outlook = await self.look_at_budget(begins=True)
        if outlook is None or outlook.ends is None:
            return None
        account, now = (
            self.shared_services().outlooks[self.user.name][0],
            datetime.now(timezone.utc),
        )
        if outlook.ends - now < spending.LEAST:
            raise Refusal(spending.used_up(account, now), 403)
        if lease.ends_at is not None and lease.ends_at <= outlook.ends:
            return None
        return spending.ends_with(account, outlook.ends, now)

    def budget_end(self, lease: Lease | None) -> End | None:
        """Return when the budget ends this server, as was found out last."""
        told = self.shared_services().outlooks.get(self.user.name)
        if lease is None or lease.ready_at is None or told is None or told[1].ends is None:
            return None
        ends = told[1].ends
        return End(ends, "budget", (ends - lease.granted_at).total_seconds())

    def _budget_notice(self, end: End | None) -> tuple[Notice, ...]:
        """Return the warning that is due when the budget ends the server first."""
        told = self.shared_services().outlooks.get(self.user.name)
        if end is None or end.rule != "budget" or told is None:
            return ()
        account, now = told[0], datetime.now(timezone.utc)
        due = spending.warning_due((end.at - now).total_seconds())
        if due is None:
            return ()
        # Who hid the warning is warned again when it is due again: of new hours, or of more.
        day = window(account.budget, now, account.zone)[0].date()
        name = f"gpu-hours-{due / 60:.0f}-{account.budget.hours:g}-{day}"
        return (Notice(name, spending.ends_with(account, end.at, now)),)

    def _budget_left(self, lease: Lease) -> float | None:
        """Return the seconds from the lease's end to the budget's; None: there is none."""
        end = self.budget_end(lease)
        if end is None:
            return None
        return (end.at - (lease.ends_at or end.at)).total_seconds()

    def _why_no_more_hours(self, lease: Lease | None) -> Reject | None:
        """Say why the lease cannot go on after the budget's end; None: it ends before."""
        left = None if lease is None else self._budget_left(lease)
        if left is None or left >= LEAST:
            return None
        account = self.shared_services().outlooks[self.user.name][0]
        return spending.no_longer(account, datetime.now(timezone.utc))

    async def _used_up(self) -> Reject | None:
        """Look again whether the budget is used up, and say so; None: there is more by now."""
        outlook, now = await self.look_at_budget(), datetime.now(timezone.utc)
        if outlook is None or outlook.ends is None or outlook.ends > now + timedelta(seconds=1):
            return None
        return spending.over(self.shared_services().outlooks[self.user.name][0], now)


def _account(store: Store, user: str, budget: Budget, zone: tzinfo) -> Account | None:
    """Read what counts against a budget; on the store's thread."""
    with store.read() as connection:
        return account(connection, user, budget, datetime.now(timezone.utc), zone)
