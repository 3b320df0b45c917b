"""Each route for each kind of user: what the table below says, however the path is spelled."""

from __future__ import annotations

import base64
import hashlib
import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
import requests

from sluicegate.runner.items import Item
from sluicegate.web.kind import Kind
from sluicegate.web.objects import KINDS, folder, job
from tests.runner.conftest import shell
from tests.web.conftest import Server, serving, until

FOLDER = "<com.cloudbees.hudson.plugins.folder.Folder/>"
VIEW = (
    "<hudson.model.ListView><name>{}</name><jobNames/><includeRegex>team|inner</includeRegex></hudson.model.ListView>"
)
TOKENS = "descriptorByName/jenkins.security.ApiTokenProperty"
RIGHTS = """\
- {who: admin, may: administer}
- {who: reader, may: read}
- {who: builder, may: build}
- {who: keeper, may: configure}
- {who: neighbour, may: configure, in: other}
- {who: guest, may: administer, in: other}
"""
PLACES = {
    "Runner": "",
    "View": "view/listed/",
    "Record": "job/team/job/inner/1/",
    "Artifact": "job/team/job/inner/1/artifact/kept.txt",
    "Report": "job/team/job/inner/1/testReport/",
    "Queue": "queue/",
    "Seen": "queue/item/{item}/",
    "Nodes": "computer/",
    "Node": "computer/(built-in)/",
    "Fingerprint": "fingerprint/{mark}/",
    "User": "user/reader/",
    "Shared": "manage/settings/",
    "Vault": "credentials/store/system/domain/_/",
    "Credential": "credentials/store/system/domain/_/credential/kept/",
    "Delivery": "delivery/",
    "Asset": "static/style.css",
    "Folder": "job/team/",
    "Job": "job/team/job/inner/",
}
# What each needs: "open" to strangers, "known" (whoever logged in), "login" (who has some right somewhere),
# "whole" (to read the whole server), "own" (one's own, or as administrator).
TABLE = f"""
Runner GET - known
Runner GET configure login
Runner GET checkJobName login
Runner GET git/notifyCommit open
Runner GET login open
Runner GET api/json login
Runner POST createItem configure
Runner POST createView configure
Runner POST login open
Runner POST logout known
Runner POST quietDown administer
Runner POST cancelQuietDown administer
Runner POST scriptText administer
Runner POST restart administer
Runner POST safeRestart administer
Runner POST exit administer
Runner POST safeExit administer
Runner POST reload administer
View GET - read
View GET configure read
View GET api/json read
View GET config.xml configure
View POST config.xml configure
View POST doDelete configure
View POST addJobToView configure
View POST removeJobFromView configure
Record GET - read
Record GET api/json read
Record GET console read
Record GET consoleFull read
Record GET artifact read
Record GET changes read
Record GET buildNumber read
Record GET consoleText read
Record GET logText/progressiveText read
Record GET logText/progressiveHtml read
Record POST stop build
Record POST term build
Record POST kill build
Record POST doDelete configure
Record POST submitDescription build
Record POST toggleLogKeep build
Artifact GET - read
Report GET - read
Report GET api/json read
Queue GET - login
Queue GET api/json login
Queue POST cancelItem build
Seen GET - read
Seen GET api/json read
Seen POST cancelQueue build
Nodes GET - login
Nodes GET api/json login
Node GET - login
Node GET api/json login
Node POST toggleOffline administer
Node POST changeOfflineCause administer
Fingerprint GET api/json read
User GET - login
User GET api/json login
User POST {TOKENS}/generateNewToken own
User POST {TOKENS}/revoke own
User POST {TOKENS}/revokeAll own
User POST password own
User POST doDelete administer
Shared GET - administer
Shared POST - administer
Vault GET api/json administer
Vault POST createCredentials administer
Credential GET api/json administer
Credential GET config.xml administer
Credential POST config.xml administer
Credential POST doDelete administer
Credential DELETE config.xml administer
Delivery GET - whole
Delivery GET api/json whole
Asset GET - open
Folder GET - read
Folder GET configure read
Folder GET checkJobName read
Folder GET api/json read
Folder GET config.xml configure
Folder POST config.xml configure
Folder POST doDelete configure
Folder POST doRename configure
Folder POST confirmRename configure
Folder POST createItem configure
Folder POST createView configure
Job GET - read
Job GET configure read
Job GET build read
Job GET scmPollLog read
Job GET scmPollLog/pollingLog read
Job GET api/json read
Job GET config.xml configure
Job POST config.xml configure
Job POST doDelete configure
Job POST doRename configure
Job POST confirmRename configure
Job POST build build
Job POST buildWithParameters build
Job POST enable configure
Job POST disable configure
Job POST doWipeOutWorkspace build
Job POST polling build
Job POST nextbuildnumber/submit configure
"""
ROUTES = [tuple(line.split()) for line in TABLE.strip().splitlines()]
NAMES = [" ".join(route) for route in ROUTES]
LEVELS = ("read", "build", "configure", "administer")
USERS = {"reader": "read", "builder": "build", "keeper": "configure", "admin": "administer"}
VALUES = {
    "createItem": "name=new",
    "createView": "name=new&mode=hudson.model.ListView",
    "doRename": "newName=renamed",
    "confirmRename": "newName=renamed",
    "addJobToView": "name=inner",
    "removeJobFromView": "name=inner",
    "cancelItem": "id={item}",
    "nextbuildnumber/submit": "nextBuildNumber=50",
    "git/notifyCommit": "url=x",
    "checkJobName": "value=x",
    "revoke": "tokenUuid=x",
}


def kinds() -> dict[str, Kind[object]]:
    return {cls.__name__: kind for cls, kind in KINDS.items()} | {"Folder": folder.KIND, "Job": job.KIND}


def test_the_table_has_every_route() -> None:
    """A page or an action that is added has to be added here too."""
    assert Item not in KINDS
    there = {(kind, verb, name or "-") for kind, verb, name, _ in ROUTES}
    for kind, tables in kinds().items():
        for verb, names in (("GET", tables.reads), ("POST", tables.posts), ("DELETE", tables.deletes)):
            assert {(kind, verb, name or "-") for name in names} <= there
        if tables.fields and kind != "Asset":
            assert (kind, "GET", "api/json") in there, kind


class Answer(NamedTuple):
    status_code: int
    text: str


class World:
    """A server with an object of each kind, and a session by token for each user."""

    def __init__(self, server: Server) -> None:
        self.server, self.client = server, server.client()
        (server.home / "rights.yaml").write_text(RIGHTS)
        self.users = {name: server.session(name) for name in (*USERS, "neighbour", "guest", "stranger")}
        self.users["anonymous"] = requests.Session()
        self.address = urlsplit(server.url)
        self.connections: dict[str, http.client.HTTPConnection] = {}
        self.mark = ""

    def prepare(self) -> None:
        """Make what is not there (any more)."""
        admin, url = self.users["admin"], self.server.url
        if admin.get(f"{url}computer/(built-in)/api/json").json()["offline"]:
            admin.post(f"{url}computer/(built-in)/toggleOffline")
        for name in ("team", "other"):
            if not self.client.job_exists(name):
                self.client.create_job(name, FOLDER)
        archiving = (
            "<hudson.tasks.ArtifactArchiver><artifacts>kept.txt</artifacts></hudson.tasks.ArtifactArchiver>"
            "<hudson.tasks.Fingerprinter><targets>kept.txt</targets></hudson.tasks.Fingerprinter>"
            "<hudson.tasks.junit.JUnitResultArchiver><testResults>r.xml</testResults></hudson.tasks.junit.JUnitResultArchiver>"
        )
        report = '<testsuite name="s"><testcase classname="c" name="n"/></testsuite>'
        inner = shell(f"echo words > kept.txt; echo '{report}' > r.xml", publishers=archiving).decode()
        if not self.client.job_exists("team/inner"):
            self.client.create_job("team/inner", inner)
        self.client.enable_job("team/inner")
        if not admin.get(f"{url}job/team/job/inner/1/api/json").ok:
            self.client.delete_job("team/inner")
            self.client.create_job("team/inner", inner)
            admin.post(f"{url}cancelQuietDown")
            admin.post(f"{url}job/team/job/inner/build?delay=0sec")
            until(
                lambda: (
                    admin.get(f"{url}job/team/job/inner/1/api/json?tree=result").json().get("result")
                    if admin.get(f"{url}job/team/job/inner/1/api/json").ok
                    else None
                )
            )
        for place, name in (("", "listed"), ("job/team/", "within")):
            admin.post(
                f"{url}{place}createView?name={name}", data=VIEW.format(name), headers={"Content-Type": "text/xml"}
            )
        credential = (
            "<com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl><id>kept</id><username>u</username>"
            "<password>hidden-word</password></com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl>"
        )
        admin.post(
            f"{url}credentials/store/system/domain/_/createCredentials",
            data=credential,
            headers={"Content-Type": "application/xml"},
        )
        admin.post(f"{url}quietDown")
        queued = admin.post(f"{url}job/team/job/inner/build", allow_redirects=False)
        self.item = queued.headers["Location"].rstrip("/").rpartition("/")[2]
        self.mark = hashlib.md5(b"words\n").hexdigest()

    def call(self, user: str, verb: str, path: str, name: str) -> Answer:
        """Ask for a path as it is spelled: `requests` would tidy it first, and takes ten times as long."""
        headers = {"Content-Type": "application/xml"} if name in ("config.xml", "createItem") and verb == "POST" else {}
        content = FOLDER if path.startswith("job/team/config") else shell("true").decode() if headers else ""
        if auth := self.users[user].auth:
            assert isinstance(auth, tuple)
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(auth).encode()).decode()
        connection = self.connections.get(user)
        if connection is None:
            assert self.address.hostname is not None
            connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=20)
            self.connections[user] = connection
        connection.request(verb, self.address.path + path, body=content, headers=headers | {"Accept": "text/html"})
        answer = connection.getresponse()
        return Answer(answer.status, answer.read().decode("utf-8", "replace"))

    def path(self, kind: str, name: str) -> str:
        short = name.rpartition("/")[2] if name.startswith("descriptor") else name
        query = VALUES.get(short, "")
        path = PLACES[kind] + ("" if name == "-" else name) + (f"?{query}" if query else "")
        return path.format(item=self.item, mark=self.mark)

    def state(self) -> dict[str, str]:
        """What a change would change: all files of the home but logs and what a login notes."""
        home = self.server.home
        quiet = ("logs", "workspace", "users", "pens", "build-home", "runner.json")
        files = {}
        for path in sorted(home.rglob("*")):
            relative = path.relative_to(home)
            if path.is_file() and relative.parts[0] not in quiet and path.suffix != ".journal":
                files[str(relative)] = hashlib.sha256(path.read_bytes()).hexdigest()
        root = self.users["admin"].get(f"{self.server.url}api/json?tree=quietingDown").json()
        queue = self.users["admin"].get(f"{self.server.url}queue/api/json?tree=items[id]").json()
        return files | {"": f"{root} {queue}"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    names = [
        word for name in ("reader", "builder", "keeper", "neighbour", "guest", "stranger") for word in ("--user", name)
    ]
    repo = tmp_path_factory.mktemp("delivery") / "delivery.git"
    with serving(tmp_path_factory.mktemp("routes") / "home", *names, "--delivery", str(repo)) as server:
        world = World(server)
        world.prepare()
        yield world


def allowed(needed: str) -> set[str]:
    """The users that may, of those whose rights count everywhere and of those that have some somewhere."""
    everybody = {*USERS, "neighbour", "guest"}
    if needed == "open":
        return {*everybody, "stranger", "anonymous"}
    if needed == "known":
        return {*everybody, "stranger"}
    if needed in ("login", "own"):
        return everybody if needed == "login" else {"reader", "admin"}
    needed = "read" if needed == "whole" else needed
    return {user for user, level in USERS.items() if LEVELS.index(level) >= LEVELS.index(needed)}


@pytest.mark.parametrize("route", ROUTES, ids=NAMES)
def test_who_may_not_is_refused_and_changes_nothing(world: World, route: tuple[str, str, str, str]) -> None:
    kind, verb, name, needed = route
    path = world.path(kind, name)
    before = world.state()
    for user in {*world.users} - allowed(needed):
        answer = world.call(user, verb, path, name)
        assert answer.status_code in (403, 404, 405), (user, path, answer.status_code)
        assert user in USERS or "kept.txt" not in answer.text, (user, path)
        for spelled in spellings(path) if user in ("anonymous", "neighbour", "builder") else ():
            answer = world.call(user, verb, spelled, name)
            assert answer.status_code >= 400 and answer.status_code < 500, (user, spelled, answer.status_code)
    assert world.state() == before


def spellings(path: str) -> list[str]:
    """Other ways to write a path, which must lead nowhere else."""
    path, _, query = path.partition("?")
    query = f"?{query}" if query else ""
    last = path.rstrip("/").rpartition("/")
    ways = [
        "/" + path.replace("/", "//") + query,
        path.rstrip("/") + "/" + query,
        path.rstrip("/") + "/api/json" + query,
        path.rstrip("/") + ";x=login" + query,
        path.replace("/", "%2F") + query,
        "login/../" + path + query,
        "login/%2e%2e/" + path + query,
        "static/style.css/" + path + query,
        "view/all/" + path + query,
        "view/listed/" + path + query,
        path.upper() + query,
        f"{last[0]}/%{ord(last[2][:1] or 'x'):02x}{last[2][1:]}{query}",
        path.replace("job/team/job/", "job/other/../team/job/") + query,
        path.replace("job/team/job/inner", "job/team/view/within/job/inner") + query,
        path.replace("job/team/job/inner", "job/team/view/All/job/inner") + query,
        path.replace("job/team/job/inner", "job/team%2Finner") + query,
        path + (query + "&" if query else "?") + "token=x",
    ]
    return ways if path else []


@pytest.mark.parametrize("route", [r for r in ROUTES if r[3] not in ("open",)], ids=lambda route: " ".join(route[:3]))
def test_who_may_is_let_in(world: World, route: tuple[str, str, str, str]) -> None:
    kind, verb, name, needed = route
    world.prepare()
    path = world.path(kind, name)
    if kind == "User":  # what is done to a user would end the reader's own session
        path = path.replace("user/reader", f"user/{'stranger' if needed == 'administer' else 'keeper'}")
    user = {"login": "neighbour", "known": "stranger", "own": "keeper", "whole": "reader"}.get(
        needed, next((user for user, level in USERS.items() if level == needed), "")
    )
    answer = world.call(user, verb, path, name)
    if name in ("restart", "safeRestart", "exit", "safeExit", "reload"):
        assert "left to who operates the server" in answer.text
    elif name == "scriptText":
        assert "runs no Groovy" in answer.text
    elif name == "password":
        assert "The current password is another one" in answer.text or "current password" in answer.text
    elif kind == "Delivery":
        assert answer.status_code in (200, 503) and "missing" not in answer.text
    else:
        assert answer.status_code not in (401, 403, 404) and answer.status_code < 500, (answer.status_code, answer.text)
    if name == f"{TOKENS}/revokeAll":
        world.users["keeper"] = world.server.session("keeper")


SECRET = "hush"
DEEP = "*,*[*,*[*,*[*,*[*]]]]"


@pytest.fixture
def secretive(tmp_path: Path) -> Iterator[Server]:
    """A folder that one may read, tied to one that he may not in every way there is; both may do what they like."""
    with serving(tmp_path / "home", "--user", "guest", "--executors", "1") as server:
        client, admin = server.client(), server.session()
        for name in ("hush", "other"):
            client.create_job(name, FOLDER)
        making = (
            "<hudson.tasks.ArtifactArchiver><artifacts>*.txt</artifacts></hudson.tasks.ArtifactArchiver>"
            "<hudson.tasks.Fingerprinter><targets>*.txt</targets></hudson.tasks.Fingerprinter>"
            "<hudson.tasks.BuildTrigger><childProjects>{}</childProjects></hudson.tasks.BuildTrigger>"
        )
        hidden = shell("echo hush > hush-file.txt; sleep 60", publishers=making.format("/other/seen")).decode()
        client.create_job("hush/hush-job", hidden.replace("<project>", "<project><description>hush</description>"))
        client.create_job("hush/hush-made", shell("echo hush > hush-file.txt", publishers=making.format("")).decode())
        blocked = (
            "<properties><hudson.plugins.buildblocker.BuildBlockerProperty><useBuildBlocker>true</useBuildBlocker>"
            "<blockingJobs>.*hush-job</blockingJobs></hudson.plugins.buildblocker.BuildBlockerProperty></properties>"
            "<blockBuildWhenUpstreamBuilding>true</blockBuildWhenUpstreamBuilding>"
        )
        client.create_job(
            "other/seen", shell("true", more=blocked, publishers=making.format("/hush/hush-job")).decode()
        )
        for name in ("hush-view", "mine"):
            view = VIEW.format(name).replace("team|inner", "hush.*" if name == "hush-view" else ".*")
            admin.post(f"{server.url}createView?name={name}", data=view, headers={"Content-Type": "text/xml"})
        admin.post(f"{server.url}job/hush/job/hush-made/build?delay=0sec")
        until(lambda: admin.get(f"{server.url}job/hush/job/hush-made/lastSuccessfulBuild/api/json").ok)
        (server.home / "rights.yaml").write_text(
            "- {who: admin, may: administer}\n- {who: guest, may: administer, in: other}\n"
        )
        admin.post(f"{server.url}job/hush/job/hush-job/build?delay=0sec")
        until(lambda: admin.get(f"{server.url}job/hush/job/hush-job/1/api/json").ok)
        for job in ("other/job/seen", "hush/job/hush-made"):
            admin.post(f"{server.url}job/{job}/build?delay=0sec")
        yield server


def test_who_may_see_one_folder_learns_no_name_of_another(secretive: Server) -> None:
    guest, url = secretive.session("guest"), secretive.url
    mark = hashlib.md5(b"hush\n").hexdigest()
    assert secretive.session().get(f"{url}fingerprint/{mark}/api/json").json()["fileName"] == "hush-file.txt"
    assert "Block" in secretive.session().get(f"{url}queue/api/json").text, (
        "the job that is seen waits for one that is not"
    )
    objects = (
        "",
        "queue/",
        "computer/",
        "computer/(built-in)/",
        "view/all/",
        "view/mine/",
        "view/hush-view/",
        "job/other/",
        "job/other/job/seen/",
        "job/hush/",
        "job/hush/job/hush-job/",
        "user/admin/",
        "me/",
        "label/x/",
        f"fingerprint/{mark}/",
        "pluginManager/",
        "job/other/view/All/",
        "queue/item/1/",
        "queue/item/3/",
        "delivery/",
    )
    for place in objects:
        for form in (
            "",
            "api/json",
            "api/python",
            "api/xml",
            f"api/json?tree={DEEP}",
            f"api/xml?tree={DEEP}",
            "api/json?depth=9",
        ):
            answer = guest.get(url + place + form, headers={} if form else {"Accept": "text/html"})
            told = (
                (answer.text + str(answer.headers)).replace("hush-view", "hush", 1) if "hush" in place else answer.text
            )
            assert SECRET not in (told.replace("hush", "", told.count("hush")) if "hush" in place else told), (
                place + form
            )
            assert answer.status_code == 404 or "hush" not in place, place
    one = guest.post(f"{url}job/other/createItem?name=x&mode=copy&from=/hush/hush-job")
    none = guest.post(f"{url}job/other/createItem?name=x&mode=copy&from=/hush/hush-nob")
    assert (one.status_code, one.text.replace("-job", "")) == (none.status_code, none.text.replace("-nob", ""))
    waiting = secretive.session().get(f"{url}queue/api/json").json()["items"]
    unseen = next(item["id"] for item in waiting if item["task"]["name"] == "hush-made")
    for number in (unseen, 99999):
        assert guest.post(f"{url}queue/cancelItem?id={number}").status_code == 404


def test_a_new_name_does_not_take_a_job_out_of_the_hands_that_it_is_in(secretive: Server) -> None:
    guest, url = secretive.session("guest"), secretive.url
    assert guest.post(f"{url}job/other/doRename?newName=approvers", allow_redirects=False).status_code == 403
    assert guest.post(f"{url}job/other/job/seen/doRename?newName=other-name", allow_redirects=False).status_code in (
        302,
        400,
    )


def test_who_is_nobody_gets_no_tokens(tmp_path: Path) -> None:
    with serving(tmp_path / "home") as server:
        (server.home / "rights.yaml").write_text("- {who: admin, may: administer}\n- {who: anonymous, may: read}\n")
        for place in ("me", "user/anonymous"):
            answer = requests.post(f"{server.url}{place}/{TOKENS}/generateNewToken", allow_redirects=False)
            assert answer.status_code in (403, 404), answer.text
        assert not (server.home / "users" / "anonymous").exists()


def test_a_page_that_a_token_opened_leaves_no_session_behind(tmp_path: Path) -> None:
    """Else whoever had a token for a moment would have a session for twelve hours after it was revoked."""
    with serving(tmp_path / "home") as server:
        page = server.session("anna").get(server.url, headers={"Accept": "text/html"})
        cookies = page.cookies.get_dict()
        assert page.ok and cookies
        assert requests.get(f"{server.url}me/api/json", cookies=cookies).status_code == 403
