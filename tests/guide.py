"""The drivers that docs/adding-a-driver.md shows, taken out of the page."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

PAGE = Path(__file__).parent.parent / "docs" / "adding-a-driver.md"


def example(name: str = "SqliteRepository") -> Any:
    """The class of an example, as if it stood in a package of its own."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    (code,) = (block for block in blocks if f"\nclass {name}:" in block)
    module = ModuleType(f"guide_{name.lower()}")
    sys.modules[module.__name__] = module
    exec(compile(code, str(PAGE), "exec"), module.__dict__)
    return module.__dict__[name]
