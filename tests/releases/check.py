"""Packages every crate and looks into what crates.io would get: check.py TARGET_FOLDER. Ends with 1 if something is amiss."""

import fnmatch
import json
import posixpath
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
LIMIT = 10 * 1024 * 1024
FIELDS = ("description", "license", "repository", "readme", "rust_version", "keywords", "categories")
# The registry's rules: https://doc.rust-lang.org/cargo/reference/manifest.html#the-keywords-field
KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,19}")

amiss = []
# What all packages hold, and what a macro includes by the names that it is given: (crate, source, file).
held, named = set(), []


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], cwd=ROOT, capture_output=True, text=True)


def package(names, folder):
    """Every crate as a .crate file. What is compiled already needs no network; else the registry's index is asked."""
    arguments = ["package", "--no-verify", "--allow-dirty", "--locked", "--target-dir", folder]
    arguments += [word for name in names for word in ("-p", name)]
    done = cargo(*arguments, "--offline")
    if done.returncode:
        done = cargo(*arguments)
    if done.returncode:
        sys.exit(done.stderr)


def check_manifest(crate):
    for field in FIELDS:
        if not crate[field]:
            amiss.append(f"{crate['name']}: Cargo.toml has no {field.replace('_', '-')}")
    keywords = crate["keywords"]
    if len(keywords) > 5 or not all(KEYWORD.fullmatch(word) for word in keywords):
        amiss.append(f"{crate['name']}: crates.io takes at most five keywords, of at most 20 letters, digits, - and _")


def included(text, folder):
    """The files that a source file in `folder` takes in, as patterns from the crate's root: what a macro fills in is a star."""
    for macro, argument in re.findall(r"\binclude(_str|_bytes)?!\s*\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)", text):
        own = "CARGO_MANIFEST_DIR" in argument
        argument = re.sub(r"\benv!\s*\([^)]*\)", "", argument)
        literals = [literal or "*" for literal, _ in re.findall(r"\"([^\"]*)\"|(\$\w+)", argument)]
        path = "".join(literals)
        yield path.lstrip("/") if own else posixpath.normpath(posixpath.join(folder, path))
    for path in re.findall(r"#\[path\s*=\s*\"([^\"]+)\"\]", text):
        yield posixpath.normpath(posixpath.join(folder, path))


def check_contents(crate, file):
    name, folder = crate["name"], Path(crate["manifest_path"]).parent
    with tarfile.open(file) as archive:
        inside = {member.name.partition("/")[2]: member for member in archive}
        sources = {
            path: archive.extractfile(member).read().decode()
            for path, member in inside.items()
            if path.endswith(".rs") and member.isfile()
        }
    for path, member in inside.items():
        if not member.isfile():
            amiss.append(f"{name}: {path} is packaged as a link, not as a file")
    held.update(inside)
    for source, text in sources.items():
        for pattern in included(text, posixpath.dirname(source)):
            if not fnmatch.filter(inside, pattern):
                amiss.append(f"{name}: {source} includes {pattern}, which is not in the package")
            elif "*" in pattern:
                files = {pattern.replace("*", word) for word in re.findall(r"\"([\w.+-]+)\"", text)}
                named.extend((name, source, file) for file in files if (folder / file).is_file())
    size = file.stat().st_size
    if size > LIMIT:
        amiss.append(f"{name}: {size} bytes packaged; crates.io takes {LIMIT}")
    print(f"{name:18} {len(inside):4} files  {size / 1024:8.0f} KiB")


def check_versions():
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]
    version = workspace["package"]["version"]
    for name, dependency in workspace["dependencies"].items():
        if isinstance(dependency, dict) and "path" in dependency and dependency.get("version") != f"={version}":
            amiss.append(f"Cargo.toml: {name} has not the version of the workspace, \"={version}\"")
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)
    if headings[:1] != ["Unreleased"]:
        amiss.append("CHANGELOG.md: the first section is not `## Unreleased`")
    return version


version = check_versions()
metadata = json.loads(cargo("metadata", "--no-deps", "--format-version", "1", "--offline").stdout)
crates = [crate for crate in metadata["packages"] if crate["publish"] != []]
package([crate["name"] for crate in crates], sys.argv[1])
for crate in crates:
    check_manifest(crate)
    check_contents(crate, Path(sys.argv[1]) / "package" / f"{crate['name']}-{version}.crate")
for name, source, file in named:
    # A macro may take the files of one name from another crate's package.
    if file not in held:
        amiss.append(f"{name}: {source} includes {file}, which is in no package")
for line in amiss:
    print(f"amiss: {line}")
print(f"{len(crates)} crates, {len(amiss)} amiss")
sys.exit(1 if amiss else 0)
