"""The page as HTML: pure functions of what it shows."""

from html import escape

from portal.people import Person

SIGN_IN = """<form method="post" action="/auth/login">
<label>User <input name="user" autocomplete="username" required></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<input name="next" type="hidden" value="/">
<button>Sign in</button>
</form>"""
SIGN_OUT = """<form method="post" action="/auth/logout">
<input name="next" type="hidden" value="/">
<button>Sign out</button>
</form>"""
NOTICE = "<p>Signing in is not possible just now. Please try again in a few minutes.</p>"


def greeting(person: Person) -> str:
    return f"<p>Hello, {escape(person.user)} ({escape(', '.join(person.roles))})</p>\n{SIGN_OUT}"


def page(content: str, version: str) -> str:
    """The whole page around `content`, which is HTML."""
    return f"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Portal</title>
<h1>Portal</h1>
{content}
<footer><small>portal {escape(version)}</small></footer>
</html>
"""
