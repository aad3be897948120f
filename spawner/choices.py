"""What a person chooses: the start page's cards, and the options taken from page and REST alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tornado import web
from traitlets import default

from room.gpus.placement import refuse
from room.models import Reject, SpawnOptions
from spawner import options
from spawner.refusal import Refusal
from spawner.traits import RoomTraits


class Choices(RoomTraits):
    """The part of RoomSpawner that turns a request into traits, or refuses it by name."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._plain_traits: dict[str, Any] = {}
        #: What the chosen profile sets.
        self._overridden: dict[str, Any] = {}
        self._options = SpawnOptions()
        # JupyterHub saves options before it asks whether they are allowed; these are put back.
        self._accepted = dict(self.orm_spawner.user_options or {}) if self.orm_spawner else {}

    @default("apply_user_options")
    def _default_apply_user_options(self) -> Any:
        return Choices._apply_options

    @default("options_from_form")
    def _default_options_from_form(self) -> Any:
        return self._options_from_form

    def _options_from_form(self, form: dict[str, list[str]]) -> dict[str, Any]:
        return options.from_form(form, self.resolved_profiles())

    async def _apply_options(self, raw: Any) -> None:
        """Take the options, or refuse them and leave the saved ones as they were."""
        profiles = await self.load_profiles()
        parsed = options.parse(raw, profiles)
        refused = parsed if isinstance(parsed, Reject) else await self._refused(parsed, profiles)
        if refused is not None:
            self._restore_saved_options()
            raise Refusal(refused, 400)
        if parsed.image is not None:
            try:
                self.image = await self.check_allowed(parsed.image)
            except web.HTTPError:
                self._restore_saved_options()
                raise
        self._accept(raw, parsed)

    async def _refused(
        self, chosen: SpawnOptions, profiles: Sequence[options.Profile]
    ) -> Reject | None:
        """Say before a start whether what was chosen beside its profile is to be had."""
        environment = await self.refused_environment(chosen, profiles)
        return environment or await self.refused_datasets(chosen, profiles)

    def _accept(self, raw: Mapping[str, Any], chosen: SpawnOptions) -> None:
        self._options = chosen
        self._accepted = dict(raw)
        self._apply_overrides(options.overrides(chosen, self.resolved_profiles()))

    def _restore_saved_options(self) -> None:
        self.user_options = dict(self._accepted)
        self.orm_spawner.user_options = dict(self._accepted)
        self.db.commit()

    def _apply_overrides(self, overrides: dict[str, Any]) -> None:
        """Set the profile's traits, after taking back those of the profile before."""
        for name, value in self._plain_traits.items():
            setattr(self, name, value)
        self._plain_traits = {}
        self._overridden = dict(overrides)
        for name, value in overrides.items():
            plain = getattr(self, name)
            self._set_for_now(name, {**plain, **value} if isinstance(plain, dict) else value)

    def _set_for_now(self, name: str, value: Any) -> None:
        """Set a trait until the next start's options are applied."""
        self._plain_traits.setdefault(name, getattr(self, name))
        setattr(self, name, value)

    def _plain(self, name: str) -> Any:
        """Return a trait's value without what was set for now."""
        return self._plain_traits.get(name, getattr(self, name))

    def cards(self) -> list[options.Card]:
        """Return the start page's cards, with the last choice selected."""
        profiles = self.resolved_profiles()
        saved = {
            k: v for k, v in (self.orm_spawner.user_options or {}).items() if isinstance(v, str)
        }
        known = {options.slug_of(profile) for profile in profiles}
        selected = saved.get("profile", "")
        if selected not in known:
            selected = options.default_slug(profiles) if profiles else ""
        return [self._card(profile, selected, saved) for profile in profiles]

    def _card(self, profile: options.Profile, selected: str, saved: dict[str, str]) -> options.Card:
        slug = options.slug_of(profile)
        override = options.overrides(SpawnOptions(profile=slug), [profile])
        request = self.asked_gpus(override)
        gpus = request.count if request else 0
        inventory = self.services.broker.inventory
        # Free or taken is for the queue: what can never be had is said before.
        verdict = refuse(request, inventory, self.gpu_cap or None) if request else None
        models = sorted({unit.model for unit in inventory.units if request and request.takes(unit)})
        return options.Card(
            slug=slug,
            display_name=str(profile["display_name"]),
            description=str(profile.get("description", "")),
            cpu=override.get("cpu_limit", self.cpu_limit),
            memory=self.as_bytes("mem_limit", override),
            shm=self.as_bytes("shm_size", override),
            gpus=gpus,
            gpu_label=" / ".join(models) if gpus else "",
            image=str(override.get("image", self.image)),
            selected=slug == selected,
            available=not isinstance(verdict, Reject),
            unavailable_reason=verdict.message if isinstance(verdict, Reject) else "",
            options=options.card_options(profile, saved if slug == selected else {}),
        )
