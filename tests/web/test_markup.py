"""Markup in each text that a user, a build or a commit may set: no page has it as markup."""

from __future__ import annotations

import html
import re
import subprocess
from pathlib import Path
from xml.sax.saxutils import escape

from tests.web.conftest import Server, ended

MARKUP = "<svg onload=alert(1)>\"'`<b>"
RAW = re.compile(r"""<svg|<b>|=["']?javascript:""")
PARAMETER = (
    "<hudson.model.{0}ParameterDefinition><name>{0}</name><description>{1}</description>{2}"
    "</hudson.model.{0}ParameterDefinition>"
)
SCRIPT = """\
mkdir -p 'out/<svg onload=alert(1)>'
echo kept > 'out/<svg onload=alert(1)>/"<b>.txt'
cat > report.xml <<'E'
<testsuite name="@"><testcase classname="@.@" name="@"><failure message="@">@</failure></testcase></testsuite>
E
printf '%s \\033[31m%s\\033[0m https://x.example/%s javascript:alert(1)\\n' '<svg onload=alert(1)>"' '<b>"' '"<b>'
"""


def test_markup_in_names_and_texts_is_text_on_every_page(fresh: Server, name: str, tmp_path: Path) -> None:
    server, told = fresh, escape(MARKUP, {'"': "&quot;"})
    client, session = server.client(), server.session()
    repository = committed(tmp_path / "repository")
    client.create_job(name, config(told, repository))
    for number in (1, 2):
        client.build_job(name, {"String": MARKUP})
        assert ended(client, name, number)["result"] == "UNSTABLE"
        committed(repository)
    jobs = f"<jobNames><string>{name}</string></jobNames>"
    view = f"<hudson.model.ListView><description>{told}</description>{jobs}</hudson.model.ListView>"
    session.post(f"{server.url}createView?name=of-{name}", data=view, headers={"Content-Type": "text/xml"})
    session.post(f"{server.url}job/{name}/2/submitDescription", data={"description": MARKUP})
    session.post(f"{server.url}computer/(built-in)/toggleOffline", data={"offlineMessage": MARKUP})
    build = f"/job/{name}/2/"
    around = ["/", "/computer/", "/queue/", "/user/admin/", f"/view/of-{name}/", f"{build}artifact/"]
    seen = pages(server, around, f"/job/{name}/")
    assert {*around, build, f"/job/{name}/build"} <= seen.keys()
    shown = html.unescape(seen[build])
    for text in (MARKUP, f"{MARKUP} in a commit", f"{MARKUP} #1"):
        assert text in shown
    for path, page in seen.items():
        assert not RAW.search(page), f"{path}: {RAW.search(page)}"


def committed(repository: Path) -> Path:
    """A commit whose author, message and file have markup."""
    if not repository.exists():
        subprocess.run(["git", "init", "-q", "-b", "main", repository], check=True)
    with (repository / "<svg onload=1>").open("a") as file:
        file.write("more\n")
    subprocess.run(["git", "add", "."], cwd=repository, check=True)
    who = ["-c", "user.name=&lt;svg&gt;\"'", "-c", "user.email=&lt;b&gt;"]
    subprocess.run(["git", *who, "commit", "-qm", f"{MARKUP} in a commit\n\n{MARKUP}"], cwd=repository, check=True)
    return repository


def config(told: str, repository: Path) -> str:
    choices = (
        f"<choices class='java.util.Arrays$ArrayList'><a class='string-array'><string>{told}</string></a></choices>"
    )
    text = f"<defaultValue>{told}</defaultValue>"
    script = escape(SCRIPT.replace("@", told))
    git = "hudson.plugins.git."
    return f"""<project><quietPeriod>0</quietPeriod><description>{told}</description><displayName>{told}</displayName>
<properties><hudson.model.ParametersDefinitionProperty><parameterDefinitions>
{PARAMETER.format("String", told, text)}{PARAMETER.format("Choice", told, choices)}
</parameterDefinitions></hudson.model.ParametersDefinitionProperty></properties>
<scm class="{git}GitSCM"><userRemoteConfigs><{git}UserRemoteConfig><url>{repository}</url></{git}UserRemoteConfig>
</userRemoteConfigs><branches><{git}BranchSpec><name>main</name></{git}BranchSpec></branches></scm>
<builders><hudson.tasks.Shell><command>{script}</command></hudson.tasks.Shell></builders>
<publishers><hudson.tasks.ArtifactArchiver><artifacts>out/**</artifacts></hudson.tasks.ArtifactArchiver>
<hudson.tasks.junit.JUnitResultArchiver><testResults>report.xml</testResults></hudson.tasks.junit.JUnitResultArchiver></publishers>
<buildWrappers><org.jenkinsci.plugins.buildnamesetter.BuildNameSetter><template>{told} #1</template>
</org.jenkinsci.plugins.buildnamesetter.BuildNameSetter></buildWrappers></project>"""


def pages(server: Server, around: list[str], job: str) -> dict[str, str]:
    """The HTML of these pages, of a job's, and of those below it that they lead to, by their paths; not artifacts."""
    session, seen = server.session(), dict[str, str]()
    waiting = [*around, job]
    while waiting:
        path = waiting.pop()
        if path in seen or not (path in around or path.startswith(job)) or re.search(r"/artifact/.", path):
            continue
        answer = session.get(server.url.rstrip("/") + path, headers={"Accept": "text/html"}, allow_redirects=False)
        assert answer.status_code < 500, path
        if "html" not in answer.headers.get("Content-Type", ""):
            continue
        seen[path] = answer.text
        links = (html.unescape(link) for link in re.findall(r'(?:href|action)="([^"#?]+)', answer.text))
        waiting += [link.removeprefix(server.url.rstrip("/")) for link in links if link.startswith(("/", server.url))]
    return seen
