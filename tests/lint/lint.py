#!/usr/bin/env python3
"""Rules of the tree that no compiler checks.

  lint.py layers ROOT BUILD   folders include, and targets link, only what stands below them
  lint.py shape ROOT          lengths of files and functions, #pragma once, banned words and calls
  lint.py headers ROOT        every header compiles by itself
  lint.py events ROOT         every event of the log stands in the operator's table
  lint.py format ROOT         everything is as .clang-format says
  lint.py figures ROOT        tables of figures are of commits that this history has; 77 where there is no history
"""

import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Longest prefix wins. What a folder may include beside itself.
MAY_INCLUDE = {
    "core/base": [],
    "core/cmake": ["core/base"],
    "core/io": ["core/base"],
    "core/proto/wire": ["core/base"],
    "core/proto/pop3": ["core/base", "core/proto/wire"],
    "core/proto/lmtp": ["core/base", "core/proto/wire"],
    "core/net": ["core/base", "core/io"],
    "core/tenant": ["core/base"],
    "core/sandbox": ["core/base"],
    "storage": ["core/base", "core/io", "storage"],
    "auth": ["core/base", "core/io", "auth"],
    "core/server": ["core/base", "core/io", "core/proto", "core/net", "core/tenant", "storage/api", "auth/api"],
    "core/ops": ["core/base", "core/io", "core/proto", "core/net", "core/tenant", "core/server", "storage/api", "auth/api"],
    "core/setup": ["core/base", "core/tenant", "core/server", "core/ops"],
    "core/app": ["core", "storage", "auth"],
    "bench": ["core", "storage", "auth", "bench"],
    "tests": ["core", "storage", "auth", "bench", "tests"],
}

FILE_LINES_MAX = 400
TEST_FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
SOURCES = (".cc", ".h", ".c")

BANNED = [
    (r"\b(strcpy|strcat|sprintf|gets|strtok|rand|atoi|gmtime|localtime)\s*\(", "use a bounded or reentrant call"),
    (r"\bthrow\b", "no exceptions across module borders: return a Status"),
    (r"\b(TODO|FIXME|XXX)\b", "finish it, or say in the README why not"),
    (r"^\s*using namespace\b", "name what is used"),
    (r"\babsl::string_view\b", "std::string_view in interfaces; core/base/status.h bridges"),
]
# g++ 12 miscompiles some awaits inside a larger expression: it loses the continuation (seen: `if (co_await Receive()) ...`), or
# destroys a temporary argument twice (seen: `co_await Open({tenant, account})`). So what an await needs and gives has a name.
NESTED_AWAIT = re.compile(r"\b(if|while|switch)\s*\([^)]*\bco_await\b|\bco_return\b.*\bco_await\b|[!?&|(]\s*co_await\b")
TEMPORARY_AWAITED = re.compile(r"\bco_await\s+[\w.:>-]+\([^)]*[({]")


def awaits_unsafely(code):
    moved = re.sub(r"\bstd::move\(([^()]*)\)", r"\1", code)
    return NESTED_AWAIT.search(code) or TEMPORARY_AWAITED.search(moved)


# A C header that others compile, with whatever compiler they have: it has a guard of the old kind.
FOR_STRANGERS = {"auth/plugin.h"}
BANNED_EXCEPTIONS = {"core/base/status.h"}
# Tests cut the power at storage/env: what goes past it they do not see.
PAST_THE_DOOR = re.compile(
    r"(?<![\w.>])::(read|write|readv|writev)\(|(?<![\w.>])(?:::)?(p(read|write)v?|open|openat|creat|fsync|fdatasync|sync_file_range|unlink|unlinkat|rename|"
    r"renameat2?|link|linkat|fallocate|posix_fallocate|posix_fadvise|readahead|f?truncate|mkdir|rmdir|opendir|stat|fstat|statvfs|"
    r"mmap|fopen)\(|std::(filesystem|[io]?fstream)\b"
)
# LMDB has its own way to the disk, and what stands beside it looks at LMDB's file only.
DOOR_EXCEPTIONS = {"storage/index/lmdb.cc", "storage/index/lmdb_readahead.cc"}


def sources(root):
    for top in ("core", "storage", "auth", "bench", "tests"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix in SOURCES and path.is_file() and "node_modules" not in path.parts:
                yield path


def folder_of(name):
    """The row of MAY_INCLUDE that a path belongs to."""
    matches = [folder for folder in MAY_INCLUDE if name == folder or name.startswith(folder + "/")]
    return max(matches, key=len, default=None)


def allowed(folder, target_path):
    return target_path.startswith(folder + "/") or any(
        target_path == other or target_path.startswith(other + "/") for other in MAY_INCLUDE[folder]
    )


def check_includes(root):
    for path in sources(root):
        name = str(path.relative_to(root))
        folder = folder_of(name)
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            match = re.match(r'\s*#include "([^"]+)"', line)
            if not match or match[1].startswith("absl/"):
                continue
            if not (root / match[1]).exists():
                yield f"{name}:{number}: {match[1]} is not a path from the root"
            elif not allowed(folder, match[1]):
                yield f"{name}:{number}: {folder} must not include {match[1]}"


def check_links(root, build):
    """Targets are named after their folders: poplar_proto_pop3 is core/proto/pop3, poplar_storage_api is storage/api."""
    with tempfile.TemporaryDirectory() as scratch:
        dot = Path(scratch) / "links.dot"
        subprocess.run(["cmake", f"--graphviz={dot}", str(build)], check=True, capture_output=True, timeout=120)
        text = dot.read_text()
    names = dict(re.findall(r'"(node\d+)" \[ label = "(\w+)', text))

    def folder(target):
        path = target.removeprefix("poplar_").replace("_", "/", 1) if target.startswith("poplar_") else None
        if not path:
            return None
        for candidate in ("core/" + path, path, "core/" + path.split("/")[0], path.split("/")[0]):
            if (root / candidate).is_dir():
                return candidate
        return None

    edges = re.findall(r'"(node\d+)" -> "(node\d+)"', text)
    if not edges:
        yield "the link graph is empty"
    for source, target in edges:
        source_name, target_name = names.get(source, ""), names.get(target, "")
        source_folder, target_folder = folder(source_name), folder(target_name)
        if source_folder and target_folder and source_folder.split("/")[0] not in ("tests", "bench"):
            row = folder_of(source_folder)
            if row and not (target_folder == row or allowed(row, target_folder)):
                yield f"target {source_name} must not link {target_name}"


NO_FUNCTION = re.compile(r"(template\s*<[^>]*>\s*)?(namespace|struct|class|enum|union|extern|if|for|while|switch|else|do|case|try|#)\b")
LAMBDA_OR_LIST = re.compile(r"\[[^\]]*\]\s*(\(|\{|mutable|->)|=\s*\{$|\breturn\b")


def statement_start(lines, number):
    """The line on which the statement begins that line `number` (from 1) ends with a brace."""
    first = number
    while first > 1:
        above = lines[first - 2].strip()
        if not above or above.startswith(("//", "#")) or above.endswith((";", "{", "}", ":", ">")) and "(" not in above:
            break
        if above.endswith((";", "{", "}")):
            break
        first -= 1
    return first


def function_lengths(lines):
    """(first line, length) of each function with a body of several lines, in classes too; not of lambdas."""
    end = 0
    for number, line in enumerate(lines, 1):
        if number <= end or not line.endswith("{") or line.lstrip().startswith("//"):
            continue
        first = statement_start(lines, number)
        head = " ".join(part.strip() for part in lines[first - 1 : number])
        if "(" not in head or NO_FUNCTION.match(head) or LAMBDA_OR_LIST.search(head):
            continue
        indent = re.match(" *", lines[first - 1])[0]
        end = next((n for n in range(number + 1, len(lines) + 1) if lines[n - 1].startswith(indent + "}")), number)
        yield first, end - first


def check_shape(root):
    for path in sources(root):
        name = str(path.relative_to(root))
        lines = path.read_text(errors="replace").splitlines()
        lines_max = TEST_FILE_LINES_MAX if name.startswith("tests/") else FILE_LINES_MAX
        if len(lines) > lines_max:
            yield f"{name}: {len(lines)} lines; {lines_max} are the limit"
        if path.suffix == ".h" and name not in FOR_STRANGERS and "#pragma once" not in lines:
            yield f"{name}: no #pragma once"
        for start, length in function_lengths(lines):
            if length > FUNCTION_LINES_MAX:
                yield f"{name}:{start}: a function of {length} lines; {FUNCTION_LINES_MAX} are the limit"
        if name in BANNED_EXCEPTIONS:
            continue
        for number, line in enumerate(lines, 1):
            code = re.sub(r'"(?:[^"\\]|\\.)*"', '""', line)
            if name.startswith("core/") and awaits_unsafely(re.sub(r"//.*", "", code)):
                yield f"{name}:{number}: name what an await takes and gives (see awaits_unsafely)"
            if name.startswith("storage/") and not name.startswith("storage/env/") and name not in DOOR_EXCEPTIONS:
                if PAST_THE_DOOR.search(re.sub(r"//.*", "", code)):
                    yield f"{name}:{number}: {line.strip()[:60]} (the disk is reached through storage/env)"
            for pattern, advice in BANNED:
                if "throw" in pattern and name.startswith("tests/"):
                    continue  # A test may play a library that does.
                if re.search(pattern, code if "TODO" in pattern else re.sub(r"//.*", "", code)):
                    yield f"{name}:{number}: {line.strip()[:60]} ({advice})"


def check_headers(root):
    def compile_alone(path):
        result = subprocess.run(
            [os.environ.get("CXX", "c++"), "-std=c++20", "-fsyntax-only", "-I", str(root), "-x", "c++", "-include", str(path), "/dev/null"],
            capture_output=True, timeout=300,
        )
        return None if result.returncode == 0 else f"{path.relative_to(root)}: not self-contained: {result.stderr.decode()[:300]}"

    def proven_by_build(path):
        """Its own .cc includes it first."""
        own = path.with_suffix(".cc")
        if not own.exists():
            return False
        first = re.search(r'^#include "(.*)"', own.read_text(), re.M)
        return first is not None and first[1] == str(path.relative_to(root))

    headers = [path for path in sources(root) if path.suffix == ".h" and not proven_by_build(path)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from filter(None, pool.map(compile_alone, headers))


def check_format(root):
    result = subprocess.run(
        ["clang-format-19", "--dry-run", *map(str, sources(root))], capture_output=True, timeout=300, cwd=root
    )
    told = [line for line in result.stderr.decode().splitlines() if "code should be clang-formatted" in line]
    yield from told
    if result.returncode != 0 and not told:
        yield f"clang-format-19 failed ({result.returncode}): {result.stderr.decode()[:300]}"


def check_events(root):
    """Whoever greps for an event of the log finds it in the operator's table."""
    page = (root / "core/ops/README.md").read_text()
    told = set(re.findall(r"`([a-z_]+)`", page))
    for path in sources(root):
        if path.suffix != ".cc" or path.relative_to(root).parts[0] not in ("core", "auth", "storage"):
            continue
        for event in re.findall(r'Log\(\s*(?:base::)?LogLevel::k\w+,\s*"([a-z_]+)"', path.read_text()):
            if event not in told:
                yield f"{path.relative_to(root)}: core/ops/README.md does not tell of the event {event}"


FIGURES = ("README.md", "bench/README.md", "bench/RESULTS.md")
MEASURED = re.compile(r"\bcommit (unknown|[0-9a-f]{7,40})( with changes)?")
SKIPPED = 77


def git(root, *arguments):
    """Its exit code and output; where there is no git at all, as where it fails."""
    try:
        result = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        return 127, ""
    return result.returncode, result.stdout.strip()


def has_history(root):
    """Neither a shallow clone nor a tarball, which may lie within a repository of something else."""
    code, said = git(root, "rev-parse", "--is-shallow-repository", "--show-cdup")
    return code == 0 and said == "false"


def check_figures(root):
    """Whoever doubts a figure can build what was measured."""
    for page in FIGURES:
        for number, line in enumerate((root / page).read_text().splitlines(), 1):
            for commit, changes in MEASURED.findall(line):
                if git(root, "merge-base", "--is-ancestor", commit, "HEAD")[0] != 0:
                    yield f"{page}:{number}: commit {commit} is not in this history: measure again"
                elif changes:
                    yield f"{page}:{number}: nobody has what was changed on commit {commit}: measure again"


def main():
    what, root = sys.argv[1], Path(sys.argv[2]).resolve()
    if what == "layers":
        faults = [*check_includes(root), *check_links(root, Path(sys.argv[3]))]
    elif what == "shape":
        faults = list(check_shape(root))
    elif what == "headers":
        faults = list(check_headers(root))
    elif what == "events":
        faults = list(check_events(root))
    elif what == "format":
        faults = list(check_format(root))
    elif what == "figures":
        if not has_history(root):
            print("no history of this tree here")
            raise SystemExit(SKIPPED)
        faults = list(check_figures(root))
    else:
        raise SystemExit(__doc__)
    for fault in faults:
        print(fault)
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
