"""Links of the pages that leave the book, for mdBook: what lies elsewhere in the repository is linked on its web page, the API's
pages are those under api/ of the site. In docs/ the links stay relative, so that they hold in a checkout, on every branch and tag."""

import json
import posixpath
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
# What the book itself holds.
HELD = {".md", ".html", ".svg", ".png"}


def rewritten(link, page, repository):
    if crate := re.fullmatch(r"https://docs\.rs/(outthink[a-z-]*)", link):
        return "../" * page.count("/") + f"api/{crate[1].replace('-', '_')}/index.html"
    path, mark, anchor = link.partition("#")
    target = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), path))
    inside = target.startswith("docs/") and posixpath.splitext(target)[1] in HELD
    if not path or "://" in path or inside or not (ROOT / target).exists():
        return link
    return f"{repository}/{'tree' if (ROOT / target).is_dir() else 'blob'}/main/{target}{mark}{anchor}"


def visit(items, repository):
    for chapter in (item["Chapter"] for item in items if isinstance(item, dict) and "Chapter" in item):
        page = chapter["path"] or ""
        change = lambda match: f"]({rewritten(match[1], page, repository)})"
        chapter["content"] = re.sub(r"\]\(([^()\s]+)\)", change, chapter["content"])
        visit(chapter["sub_items"], repository)


if sys.argv[1:2] != ["supports"]:
    context, book = json.load(sys.stdin)
    visit(book["items"], context["config"]["output"]["html"]["git-repository-url"])
    json.dump(book, sys.stdout)
