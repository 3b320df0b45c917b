"""The objects of the remote API: what a real Jenkins exports of jobs, the queue, computers and users."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from sluicegate.runner import scm
from sluicegate.runner.history import PERMALINKS
from sluicegate.runner.items import Item
from sluicegate.runner.jobxml import FOLDER
from sluicegate.runner.parameters import Definition
from sluicegate.runner.queue import QueueItem
from sluicegate.runner.records import Record
from sluicegate.runner.results import Result
from sluicegate.runner.service import Runner
from sluicegate.web.builds import Builds
from sluicegate.web.things import cause_action, constant, parameter, plain
from sluicegate.web.tree import Thing
from sluicegate.web.views import View, Views

NODE = "Built-In Node"
MANY = 100


class Api(Builds):
    """Makes things for one request; `base` is the client's spelling of the root URL, with a slash at the end."""

    def __init__(self, runner: Runner, views: Views, base: str) -> None:
        super().__init__(runner, base)
        self.views = views

    # -- root, folders, views --
    def _all_view(self, folder: Item | None) -> Thing:
        url = self.base + (folder.path if folder else "")
        name = "All" if folder else "all"
        brief = ("name", "url")
        fields: dict[str, Callable[[], object]] = {
            "description": constant(None),
            "jobs": lambda: map(self.item, self.runner.items.children(folder.full_name if folder else "")),
            "name": constant(name),
            "property": constant([]),
            "url": constant(url),
        }
        return Thing(cls="hudson.model.AllView", fields=fields, brief=brief)

    def view(self, view: View) -> Thing:
        folder = self.runner.items.get(view.folder)
        url = f"{self.base}{folder.path if folder else ''}view/{quote(view.name, safe='')}/"
        items = self.runner.items.children(view.folder)
        fields: dict[str, Callable[[], object]] = {
            "description": constant(view.description),
            "jobs": lambda: [self.item(one) for one in items if view.shows(one.name)],
            "name": constant(view.name),
            "property": constant([]),
            "url": constant(url),
        }
        return Thing(cls=view.cls, fields=fields, brief=("name", "url"))

    def all_view(self, folder: Item | None) -> Thing:
        return self._all_view(folder)

    def _views(self, folder: Item | None) -> list[Thing]:
        own = self.views.of(folder.full_name if folder else "")
        return [self._all_view(folder), *(self.view(one) for one in own)]

    def root(self) -> Thing:
        runner = self.runner
        return Thing(
            cls="hudson.model.Hudson",
            fields={
                "assignedLabels": constant([{"name": "built-in"}]),
                "mode": constant("NORMAL"),
                "nodeDescription": constant("the Jenkins controller's built-in node"),
                "nodeName": constant(""),
                "numExecutors": lambda: len(runner.executors),
                "description": constant(None),
                "jobs": lambda: map(self.item, runner.items.children("")),
                "overallLoad": constant({}),
                "primaryView": lambda: self._all_view(None),
                "quietDownReason": constant(None),
                "quietingDown": lambda: runner.queue.paused,
                "slaveAgentPort": constant(-1),
                "unlabeledLoad": constant({"_class": "jenkins.model.UnlabeledLoadStatistics"}),
                "url": constant(self.base),
                "useCrumbs": constant(True),
                "useSecurity": constant(True),
                "views": lambda: self._views(None),
            },
        )

    # -- jobs --
    def item(self, item: Item) -> Thing:
        return self._folder(item) if item.is_folder else self._job(item)

    def _names(self, item: Item) -> dict[str, Callable[[], object]]:
        return {
            "actions": constant([{}]),
            "description": lambda: item.config.description,
            "displayName": lambda: item.display_name,
            "displayNameOrNull": lambda: item.config.display_name or None,
            "fullDisplayName": lambda: self.full_display_name(item),
            "fullName": constant(item.full_name),
            "name": constant(item.name),
            "url": constant(self.base + item.path),
        }

    def _folder(self, item: Item) -> Thing:
        fields = self._names(item) | {
            "healthReport": constant([]),
            "jobs": lambda: map(self.item, self.runner.items.children(item.full_name)),
            "primaryView": lambda: self._all_view(item),
            "views": lambda: self._views(item),
        }
        return Thing(cls=FOLDER, fields=fields, brief=("name", "url"))

    def _job(self, item: Item) -> Thing:
        history = item.history

        def link(name: str) -> Callable[[], object]:
            def find() -> object:
                record = history.resolve(name)
                return None if record is None else self.build(item, record)

            return find

        fields = self._names(item) | {
            "allBuilds": lambda: [self.build(item, one) for one in history.newest()],
            "buildable": lambda: item.buildable,
            "builds": lambda: [self.build(item, one) for one in history.newest(MANY)],
            "color": lambda: item.color,
            "firstBuild": lambda: self._first(item),
            "healthReport": lambda: self._health(item),
            "inQueue": lambda: bool(self.runner.queue.of_job(item.full_name)),
            "keepDependencies": constant(False),
            "lastBuild": link("lastBuild"),
            **{name: link(name) for name in PERMALINKS},
            "nextBuildNumber": lambda: history.next_number,
            "property": lambda: self._properties(item),
            "queueItem": lambda: self._queue_item_of(item),
            "concurrentBuild": lambda: item.config.concurrent,
            "disabled": lambda: item.config.disabled,
            "downstreamProjects": lambda: self._items([c.name for c in self.runner.items.downstream(item)]),
            "labelExpression": constant(None),
            "scm": lambda: {"_class": self._scm_class(item)},
            "upstreamProjects": lambda: self._items(self.runner.items.upstream(item)),
        }
        return Thing(cls=item.config.job_class, fields=fields, brief=("name", "url", "color"), hidden=("allBuilds",))

    def _items(self, names: list[str]) -> list[Thing]:
        return [self.item(one) for name in names if (one := self.runner.items.get(name)) is not None]

    def _scm_class(self, item: Item) -> str:
        element = item.config.scm
        return element.get("class", scm.NONE) if element is not None else scm.NONE

    def _first(self, item: Item) -> object:
        numbers = item.history.numbers()
        record = item.history.get(numbers[0]) if numbers else None
        return None if record is None else self.build(item, record)

    def _health(self, item: Item) -> list[object]:
        ended = [one for one in item.history.newest(5) if one.result is not None]
        if not ended:
            return []
        failed = sum(one.result is Result.FAILURE for one in ended)
        score = 100 - 100 * failed // len(ended)
        text = f"{failed} out of the last {len(ended)} builds failed." if failed else "No recent builds failed."
        band = 80 if score > 80 else 60 if score > 60 else 40 if score > 40 else 20 if score > 20 else 0
        icon = f"health-{band:02d}{'plus' if band >= 80 else 'to' + str(band + 19)}"
        more = {"iconClassName": f"icon-{icon}", "iconUrl": f"{icon}.png", "score": score}
        return [plain("hudson.model.HealthReport", description=f"Build stability: {text}", **more)]

    def _properties(self, item: Item) -> list[Thing]:
        if not item.config.parameters:
            return []
        definitions = [self._definition(one) for one in item.config.parameters]
        name = "hudson.model.ParametersDefinitionProperty"
        return [Thing(cls=name, fields={"parameterDefinitions": constant(definitions)}, inline=True)]

    def _definition(self, one: Definition) -> Thing:
        default: object = None
        if one.kind != "File":
            shown = {} if one.kind == "Password" else {"value": one.default}
            default = plain(one.value_class, name=one.name, **shown)
        fields: dict[str, Callable[[], object]] = {
            "defaultParameterValue": constant(default),
            "description": constant(one.description),
            "name": constant(one.name),
            "type": constant(f"{one.kind}ParameterDefinition"),
        }
        if one.kind == "Choice":
            fields["choices"] = constant(list(one.choices))
        return Thing(cls=f"hudson.model.{one.kind}ParameterDefinition", fields=fields, inline=True)

    # -- queue --
    def queue(self) -> Thing:
        items = [self.queue_item(one) for one in reversed(self.runner.queue.items())]
        return Thing(cls="hudson.model.Queue", fields={"discoverableItems": constant([]), "items": constant(items)})

    def _queue_item_of(self, item: Item) -> object:
        waiting = self.runner.queue.of_job(item.full_name)
        return self.queue_item(waiting[0]) if waiting else None

    def queue_item(self, one: QueueItem) -> Thing:
        left = one.cancelled or one.number is not None
        state, why = ("Left", None) if left else self.runner.why(one)
        fields: dict[str, Callable[[], object]] = {
            "actions": lambda: self._queue_actions(one),
            "blocked": constant(state == "Blocked"),
            "buildable": constant(state == "Buildable"),
            "id": constant(one.id),
            "inQueueSince": constant(one.since),
            "params": constant("".join(f"\n{p.name}={p.text}" for p in one.parameters if not p.secret)),
            "stuck": constant(False),
            "task": lambda: self._task(one.job),
            "url": constant(f"queue/item/{one.id}/"),
            "why": constant(why),
        }
        if state == "Waiting":
            fields["timestamp"] = constant(one.ready_at)
        elif left:
            fields |= {"cancelled": constant(one.cancelled), "executable": lambda: self._executable(one)}
        else:
            fields["buildableStartMilliseconds"] = constant(one.buildable_since or one.ready_at)
            if state == "Buildable":
                fields["pending"] = constant(False)
        return Thing(cls=f"hudson.model.Queue${state}Item", fields=fields, inline=True)

    def _queue_actions(self, one: QueueItem) -> list[object]:
        found: list[object] = []
        if one.parameters:
            fields = {"parameters": constant([parameter(p) for p in one.parameters])}
            found.append(Thing(cls="hudson.model.ParametersAction", fields=fields, inline=True))
        return [*found, cause_action(one.causes)]

    def _task(self, job: str) -> object:
        item = self.runner.items.get(job)
        if item is None:
            return {"_class": "hudson.model.FreeStyleProject", "name": job}
        color = item.color
        return plain(item.config.job_class, name=item.name, url=self.base + item.path, color=color)

    def _executable(self, one: QueueItem) -> object:
        item = self.runner.items.get(one.job)
        if one.number is None or item is None:
            return None
        return plain(item.config.build_class, number=one.number, url=f"{self.base}{item.path}{one.number}/")

    # -- computers, plugins, users --
    def computers(self) -> Thing:
        busy = sum(one is not None for one in self.runner.executors)
        return Thing(
            cls="hudson.model.ComputerSet",
            fields={
                "busyExecutors": constant(busy),
                "computer": lambda: [self.computer()],
                "displayName": constant("Nodes"),
                "totalExecutors": constant(len(self.runner.executors)),
            },
        )

    def computer(self) -> Thing:
        runner = self.runner
        busy = any(one is not None for one in runner.executors)
        return Thing(
            cls="hudson.model.Hudson$MasterComputer",
            inline=True,
            fields={
                "actions": constant([]),
                "assignedLabels": constant([{"name": "built-in"}]),
                "description": constant("the Jenkins controller's built-in node"),
                "displayName": constant(NODE),
                "executors": lambda: [self._executor(n, one) for n, one in enumerate(runner.executors)],
                "icon": constant("symbol-computer"),
                "iconClassName": constant("symbol-computer"),
                "idle": constant(not busy),
                "jnlpAgent": constant(False),
                "launchSupported": constant(True),
                "manualLaunchAllowed": constant(True),
                "monitorData": constant({}),
                "numExecutors": constant(len(runner.executors)),
                "offline": constant(bool(runner.offline)),
                "offlineCause": constant({} if runner.offline else None),
                "offlineCauseReason": constant(runner.offline.strip()),
                "oneOffExecutors": constant([]),
                "temporarilyOffline": constant(bool(runner.offline)),
            },
        )

    def _executor(self, number: int, record: Record | None) -> Thing:
        item = self.runner.items.get(record.job) if record is not None else None
        current: object = None
        if record is not None and item is not None:
            url = f"{self.base}{item.path}{record.number}/"
            current = plain(item.config.build_class, number=record.number, url=url, queueId=record.queue_id)
        return plain("", currentExecutable=current, idle=record is None, likelyStuck=False, number=number, progress=-1)

    def user(self, name: str) -> Thing:
        url = f"{self.base}user/{quote(name, safe='')}"
        return plain("hudson.model.User", absoluteUrl=url, description=None, fullName=name, id=name, property=[])
