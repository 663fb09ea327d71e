"""Every link and anchor of the repository's Markdown as it is shown on the web, and of the built book: check.py BOOK
Links to the repository's own address must name a file of it. Other addresses are not asked for. Ends with 1 if a link is dead."""

import posixpath
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parent.parent.parent
BOOK = Path(sys.argv[1]).resolve()
REPOSITORY = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["repository"]
API = (BOOK / "api").is_dir()

dead = []
links = 0


def without_code(text):
    text = re.sub(r"^( *)(```+|~~~+).*?^\1\2 *$", "", text, flags=re.M | re.S)
    text = re.sub(r"(?:^|(?<=\n\n))(?: {4}|\t).*(?:\n(?: {4}.*|\t.*|[ \t]*)$)*", "", text, flags=re.M)
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", lambda code: "x" * len(code[0]), text)


def slug(heading):
    heading = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")


def slugs(text):
    """Anchors as GitHub makes them; a heading that comes again gets a number."""
    text = re.sub(r"^( *)(```+|~~~+).*?^\1\2 *$", "", text, flags=re.M | re.S)
    seen = {}
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", text, flags=re.M):
        name = slug(heading)
        yield name if name not in seen else f"{name}-{seen[name]}"
        seen[name] = seen.get(name, 0) + 1


def check_repository(where, address):
    """An address of the repository's own pages: blob/main/FILE, tree/main/FOLDER, edit/main/FILE."""
    match = re.fullmatch(re.escape(REPOSITORY) + r"/(?:blob|tree|edit)/main/([^#?]*).*", address)
    if match and not (ROOT / unquote(match[1])).exists():
        dead.append(f"{where}: {address}: no such file in the repository")


def check_markdown(tracked):
    global links
    texts = {file: (ROOT / file).read_text() for file in tracked if file.endswith(".md")}
    anchors = {file: set(slugs(text)) for file, text in texts.items()}
    for file, text in texts.items():
        prose = without_code(text)
        found = re.findall(r"\]\(<?([^()\s<>]+)>?(?: +\"[^\"]*\")?\)", prose)
        found += re.findall(r"^\[[^]]+\]: +(\S+)", prose, flags=re.M)
        found += re.findall(r"<(?:a|img)[^>]* (?:href|src)=\"([^\"]+)\"", prose)
        for link in found:
            links += 1
            if urlsplit(link).scheme:
                check_repository(file, link)
                continue
            path, _, anchor = link.partition("#")
            target = posixpath.normpath(posixpath.join(posixpath.dirname(file), unquote(path))) if path else file
            if not (ROOT / target).exists():
                dead.append(f"{file}: {link}: no such file")
            elif anchor and target in anchors and anchor not in anchors[target]:
                dead.append(f"{file}: {link}: no such heading in {target}")


def check_summary(tracked):
    listed = set(re.findall(r"\]\(([^)]+\.md)\)", (ROOT / "docs/SUMMARY.md").read_text()))
    for file in tracked:
        page = file.removeprefix("docs/")
        if file != page and page.endswith(".md") and page not in listed | {"SUMMARY.md"}:
            dead.append(f"{file}: not in docs/SUMMARY.md, so no page of the book")


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name == "id" or (name == "name" and tag == "a"):
                self.anchors.add(value)


def check_book():
    global links
    files = [file for file in BOOK.rglob("*.html") if not file.is_relative_to(BOOK / "api")]
    pages = {file: Page(file.read_text()) for file in files}
    # The sidebar's links are made by a script; without scripts they are toc.html's.
    for file, page in pages.items():
        where = f"book/{file.relative_to(BOOK)}"
        for link in page.links:
            links += 1
            address = urlsplit(link)
            if address.scheme or address.netloc:
                check_repository(where, link)
                continue
            path = unquote(address.path)
            base = BOOK if path.startswith("/") else file.parent
            target = Path(posixpath.normpath(base / path.lstrip("/"))) if path else file
            if target.is_dir():
                target /= "index.html"
            if not target.is_relative_to(BOOK):
                dead.append(f"{where}: {link}: leaves the book")
            elif target.is_relative_to(BOOK / "api") and not API:
                continue
            elif not target.exists():
                dead.append(f"{where}: {link}: no such page")
            elif address.fragment and target in pages and unquote(address.fragment) not in pages[target].anchors:
                dead.append(f"{where}: {link}: no such anchor")
    return len(pages)


def check_addresses():
    book = tomllib.loads((ROOT / "site/book.toml").read_text())["output"]["html"]
    for name in ("git-repository-url", "edit-url-template"):
        if not book[name].startswith(REPOSITORY):
            dead.append(f"site/book.toml: {name} is not under {REPOSITORY}, the repository that Cargo.toml names")


tracked = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.splitlines()
tracked = [file for file in tracked if (ROOT / file).is_file() and not (ROOT / file).is_symlink()]
check_addresses()
check_markdown(tracked)
check_summary(tracked)
pages = check_book()
if not API:
    print("skipped: the links to the API's pages; `cargo doc --workspace --no-deps` has not run")
for line in dead:
    print(f"dead link: {line}")
print(f"{links} links, {pages} pages of the book, {len(dead)} dead")
sys.exit(1 if dead else 0)
