"""The house: what holds between the files of the whole tree."""

from __future__ import annotations

import graphlib

import grimp


def test_no_circle_between_any_two_files():
    """Imports inside functions and for types count, and so does an `__init__`, which imports what it shows."""
    graph = grimp.build_graph("doldrum", cache_dir=None)
    imports = {file: graph.find_modules_directly_imported_by(file) for file in graph.modules}
    graphlib.TopologicalSorter(imports).prepare()  # its CycleError names the files
