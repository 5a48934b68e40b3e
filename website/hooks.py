"""mkdocs hooks: pages that are generated, and links that leave docs/.

A page of docs/ is read on GitHub, too, so its links are those of the repository. Here a link to a page from
elsewhere (`benchmarks/README.md`) leads to its copy in the site, and one to any other file to a copy of it.
"""

import re
import sys
from pathlib import Path
from posixpath import normpath, relpath

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from website import api, commands, gallery, notebooks

# Page of the site -> file of the repository.
COPIES = {
    "changelog.md": "CHANGELOG.md",
    "how_to/contribute.md": "CONTRIBUTING.md",
    "reports/speed.md": "benchmarks/README.md",
}
ASSETS = ("site.css", "viewer.js")
LINK = re.compile(r"(?P<text>!?\[[^\]]*\])\((?!\w+:)(?P<target>[^)#\s]+)(?P<heading>#[^)\s]+)?\)")


def on_config(config):
    """The parts of the navigation that are generated."""
    generated = {"Models": gallery.navigation(), "API": api.navigation()}
    for part in config.nav:
        for title in part.keys() & generated.keys():
            part[title] = generated[title]
    return config


def on_files(files, config):
    """Add generated pages, outputs of tutorials, copies of pages and of files that pages link to, assets."""
    pages = {uri: (ROOT / source).read_text() for uri, source in COPIES.items()}
    pages |= api.pages() | gallery.pages() | {"reference/commands.md": commands.page()}
    for uri, text in pages.items():
        files.append(File.generated(config, uri, content=text))
    for uri, content in gallery.trajectories().items():
        files.append(File.generated(config, uri, content=content))
    for name in ASSETS:
        files.append(File.generated(config, f"assets/{name}", abs_src_path=str(ROOT / "website" / name)))
    own = {
        uri: (ROOT / source_of(uri)).read_text()
        for uri in files.src_uris
        if uri.endswith(".md") and uri not in pages
    }
    tutorials, outputs = notebooks.pages(own)
    for uri, text in tutorials.items():
        files.get_file_from_path(uri).content_string = text
    for uri, content in outputs.items():
        files.append(File.generated(config, uri, content=content))
    for path in sorted(set(linked_files(pages | own))):
        files.append(File.generated(config, copy_of(path), abs_src_path=str(ROOT / path)))
    return files


def linked_files(pages):
    """Files of the repository outside docs/ that pages link to and that are no pages themselves."""
    for uri, text in pages.items():
        for found in LINK.finditer(text):
            path = linked(uri, found)
            if copy_of(path).startswith("files/") and (ROOT / path).is_file():
                yield path


def on_page_markdown(markdown, page, config, files):
    """Links of the repository become links of the site."""
    uri = page.file.src_uri

    def moved(found):
        path = linked(uri, found)
        if (ROOT / path).is_dir():  # a folder has no page: its name stays
            return found["text"][1:-1]
        target = relpath(copy_of(path), str(Path(uri).parent))
        return f"{found['text']}({target}{found['heading'] or ''})"

    return LINK.sub(moved, markdown)


def linked(uri: str, found: re.Match) -> str:
    """The path in the repository that a link of a page of the site leads to."""
    return normpath(f"{Path(source_of(uri)).parent}/{found['target']}")


def source_of(uri: str) -> str:
    """The file of the repository that a page of the site is made from."""
    if uri.startswith("files/"):
        return uri.removeprefix("files/")
    return COPIES.get(uri, f"docs/{uri}")


def copy_of(path: str) -> str:
    """What stands in the site for a file of the repository."""
    if path == "README.md":
        return path
    for uri, source in COPIES.items():
        if path == source:
            return uri
    return path.removeprefix("docs/") if path.startswith("docs/") else f"files/{path}"
