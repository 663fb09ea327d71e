"""Links of the pages, for mdBook: what lies elsewhere in the repository is linked on its web page, the API's pages are those under
api/ of the site, and a page that is called by its file's name (`[servers.md](servers.md)`) by its title. In docs/ the links stay
relative, so that they hold in a checkout, on every branch and tag."""

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


def chapters(items):
    for chapter in (item["Chapter"] for item in items if isinstance(item, dict) and "Chapter" in item):
        yield chapter
        yield from chapters(chapter["sub_items"])


def visit(book, repository):
    titles = {chapter["path"]: chapter["name"] for chapter in chapters(book["items"])}
    for chapter in chapters(book["items"]):
        page = chapter["path"] or ""

        def change(match):
            text, link = match.groups()
            target = posixpath.normpath(posixpath.join(posixpath.dirname(page), link.partition("#")[0]))
            if text.endswith(".md") and target in titles:
                text = titles[target]
            return f"{text}]({rewritten(link, page, repository)})"

        chapter["content"] = re.sub(r"([^\[\]]*)\]\(([^()\s]+)\)", change, chapter["content"])


if sys.argv[1:2] != ["supports"]:
    context, book = json.load(sys.stdin)
    visit(book, context["config"]["output"]["html"]["git-repository-url"])
    json.dump(book, sys.stdout)
