"""The rules of imports. Each takes a tree of sources and names its violations, one line each."""

import ast
from collections.abc import Collection, Mapping

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from source_tree import NAME, PACKAGES, Import, Tree, face_of, folder_of, imports, parsed, public_names

Rooms = Mapping[str, str]
"""Room → the rooms it may import, with spaces between; "*" for all of its package. A room is a path below the root of
its package: a folder, or a file; "folder/*" makes a room of every folder in it. The longest that fits a file is the
file's room."""

FACE = "__init__.py"


def crossed_packages(tree: Tree) -> list[str]:
    """bounds knows nothing of nets, nets nothing of bounds, neither anything of experiments."""
    return [
        f"{found.file} imports {found.target}"
        for found in imports(tree)
        if found.target
        and _package(found.file) in {"bounds", "nets"}
        and _package(found.target) != _package(found.file)
    ]


def not_absolute(tree: Tree) -> list[str]:
    """Internal imports are absolute, sparsebounds.…: `bounds` alone would be a second copy, or a user's package."""
    return [
        f"{found.file} imports {found.module}"
        for found in imports(tree)
        if found.module.startswith(".") or found.module.partition(".")[0] in {*PACKAGES, "tests"}
    ]


def not_there(tree: Tree) -> list[str]:
    """What is imported from sparsebounds exists in the tree."""
    return [
        f"{found.file} imports {found.module}"
        for found in imports(tree)
        if found.target is None and found.module.partition(".")[0] == NAME
    ]


def faces_from_inside(tree: Tree) -> list[str]:
    """A face, `__init__.py`, is imported from outside its folder only."""
    return [
        f"{found.file} imports the face {found.target}"
        for found in imports(tree)
        if found.target
        and found.target.endswith(f"/{FACE}")
        and found.file != found.target
        and found.file.startswith(f"{folder_of(found.target)}/")
    ]


def lazy_imports(tree: Tree, allowed: Mapping[str, str]) -> list[str]:
    """No import inside a function, but for `allowed`: file → its modules, with spaces between, or "*"."""
    return [
        f"{found.file} imports {found.module} inside a function"
        for found in imports(tree)
        if found.lazy and not {"*", found.module} & set(allowed.get(found.file, "").split(", "))
    ]


def circles(tree: Tree) -> list[str]:
    """No circle of modules: the strong components of the graph of imports have one file each."""
    files = sorted(tree)
    number = {file: i for i, file in enumerate(files)}
    edges = {(number[found.file], number[found.target]) for found in imports(tree) if found.target}
    if not edges:
        return []
    rows, columns = np.array(sorted(edges)).T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(files), len(files)))
    count, label = connected_components(graph, directed=True, connection="strong")
    members = [[file for file in files if label[number[file]] == which] for which in range(count)]
    selves = [f"{files[i]} imports itself" for i, j in sorted(edges) if i == j]
    return selves + [f"a circle: {', '.join(each)}" for each in members if len(each) > 1]


def private_names(tree: Tree) -> list[str]:
    """No name with a leading underscore is imported from another file, nor read off an imported module."""
    every = imports(tree)
    named = [f"{found.file} imports {found.name}" for found in every if _private(found.name)]
    read = []
    for file, text in tree.items():
        modules = {found.alias for found in every if found.file == file and found.target and _is_module(found)}
        read += [
            f"{file} reads {node.value.id}.{node.attr}"
            for node in ast.walk(parsed(text))
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in modules
            and _private(node.attr)
        ]
    return named + read


def modules_named_like_public(tree: Tree, allowed: Collection[str] = ()) -> list[str]:
    """No module bears the name of a public function or class of its package: the face would hide one of the two."""
    every = imports(tree)
    broken = []
    for face in sorted(file for file in tree if file.endswith(f"/{FACE}")):
        folder = folder_of(face)
        inside = {file.removeprefix(f"{folder}/").partition("/")[0] for file in tree if file.startswith(f"{folder}/")}
        themselves = {found.alias for found in every if found.file == face and _is_module(found)}
        public = public_names(tree[face]) - themselves
        broken += [f"{folder}/{entry}" for entry in sorted(inside) if entry.removesuffix(".py") in public]
    return [entry for entry in broken if entry not in allowed]


def mere_re_exports(tree: Tree) -> list[str]:
    """No module but a face that does nothing but import names and give them on."""
    broken = []
    for file, text in tree.items():
        body = [node for node in parsed(text).body if not _is_docstring(node)]
        if not file.endswith(FACE) and body and all(_gives_on(node) for node in body):
            broken.append(f"{file} only re-exports")
    return broken


def wrong_rooms(tree: Tree, package: str, rooms: Rooms) -> list[str]:
    """Every file of the package stands in a room of the table, and imports its own room and those listed there."""
    rooms = _with_stars_named(tree, package, rooms)
    broken = [f"{file} stands in no room" for file in tree if _package(file) == package and _room(file, rooms) is None]
    for found in imports(tree):
        if found.target is None or _package(found.file) != package or _package(found.target) != package:
            continue
        here, there = _room(found.file, rooms), _room(found.target, rooms)
        if here is None or there is None or here == there:
            continue
        listed = rooms[here].split()
        if not any(entry == "*" or _below(_inner(found.target), entry) for entry in listed):
            broken.append(f"{found.file} imports {found.target}")
    return broken


def _with_stars_named(tree: Tree, package: str, rooms: Rooms) -> Rooms:
    named = {}
    for folder in {folder_of(file) for file in tree if _package(file) == package}:
        parent = _inner(folder).rpartition("/")[0]
        if f"{parent}/*" in rooms:
            named[_inner(folder)] = rooms[f"{parent}/*"]
    return named | {room: row for room, row in rooms.items() if not room.endswith("/*")}


def _room(file: str, rooms: Rooms) -> str | None:
    return max((room for room in rooms if _below(_inner(file), room)), key=len, default=None)


def _below(path: str, room: str) -> bool:
    return path == room or path.startswith(f"{room}/")


def _inner(file: str) -> str:
    return file.partition("/")[2]


def _package(file: str) -> str:
    return file.partition("/")[0]


def _private(name: str | None) -> bool:
    return name is not None and name.startswith("_") and not name.endswith("__")


def _is_module(found: Import) -> bool:
    """Whether a module is imported, and not a name out of one; outside the tree only `import x` tells."""
    if found.name is None or found.target is None:
        return found.name is None
    return found.target in (f"{_inner_path(found)}.py", face_of(_inner_path(found)))


def _inner_path(found: Import) -> str:
    return f"{found.module}.{found.name}".partition(".")[2].replace(".", "/")


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _gives_on(node: ast.stmt) -> bool:
    renamed = isinstance(node, ast.Assign) and isinstance(node.value, ast.Name | ast.Attribute)
    listed = isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    return isinstance(node, ast.Import | ast.ImportFrom) or renamed or listed
