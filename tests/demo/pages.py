"""The release manager at the build server's pages, in Chromium, after the worked example."""

from __future__ import annotations

from pathlib import Path

from sluicegate.demo.world import World
from tests.browser import Person, person_at


def look(world: World, pictures: Path) -> None:
    """The matrix, a console, and a button pressed by hand; leaves matrix.png, console.png and button.png."""
    with person_at(world.server.url) as rita:
        rita.log_in("rita", world.server.password("rita"))
        production = matrix(rita)
        assert production["Component"] == "auth"
        newest = production["Newest"].split()[0]  # behind it, that it is vetoed
        staging = next(text for head, text in production.items() if head.startswith("staging on "))
        assert newest in staging and "vetoed" in staging
        rita.page.set_viewport_size({"width": 1100, "height": 400})
        rita.page.screenshot(path=pictures / "matrix.png")

        page = rita.go("/job/auth-build/")
        page.get_by_role("link", name=f"#{last_build(world)}").click()
        page.get_by_text("Finished: SUCCESS").wait_for()
        assert f"published auth={newest}" in page.locator("#console").inner_text()
        page.screenshot(path=pictures / "console.png", full_page=True)

        page = rita.go("/job/hold/build")
        page.get_by_label("COMPONENT").select_option("auth")
        page.get_by_label("IN", exact=True).select_option("staging")
        page.get_by_label("WHY").fill("OPS-12 first")
        page.screenshot(path=pictures / "button.png")
        page.get_by_role("button", name="Build").click()
        world.server.wait_for(lambda: "held" in str(matrix(rita)), "the matrix to show the hold")
        assert rita.complaints == []


def matrix(person: Person) -> dict[str, str]:
    """The first row of the matrix page: what stands below each head."""
    page = person.go("/delivery/")
    heads = page.locator("thead th").all_inner_texts()
    cells = page.locator("tbody tr").first.locator("th, td").all_inner_texts()
    return dict(zip(heads, cells, strict=True))


def last_build(world: World) -> int:
    return int(world.server.client("rita").get_job_info("auth-build")["lastBuild"]["number"])
