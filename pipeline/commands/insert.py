"""The text of params.yaml and new entries -> the text with them put in, all else left as it was."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from pipeline.core.errors import UserError
from pipeline.core.params import parse_params

WIDTH = 110
SHORT = 100
"""Characters up to which a mapping or list stands on one line."""


def insert(text: str, sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Put entries at the ends of top-level sections.

    Lines are only added, so comments, order and line ends stay as a person wrote them; only where a
    section is written in a form that takes no more lines (``models: {}``) is the file written anew,
    which keeps its comments too. Raises UserError for an entry that is there already.
    """
    present = read(text)
    wanted = dict(present)
    for section, entries in sections.items():
        before = present.get(section) or {}
        if not isinstance(before, Mapping):
            raise UserError(f"params.yaml: {section} needs a mapping of names, got {before!r}")
        for key in entries:
            if key in before:
                raise UserError(f"add: params.yaml has '{section}.{key}' already; take it out first")
        wanted[section] = {**before, **entries}
    for attempt in (_lines_added, _written_anew):
        added = attempt(text, sections)
        if added is not None and _reads_as(added, wanted):
            return added
    raise UserError(
        "add: params.yaml is written in a way that cannot be added to; write competitions and models plainly"
    )


def read(text: str) -> dict[str, Any]:
    """What params.yaml says; a file of blanks and comments says nothing."""
    said = any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())
    return parse_params(text) if said else {}


def _reads_as(text: str, wanted: Mapping[str, Any]) -> bool:
    try:
        return parse_params(text) == _plain(wanted)
    except UserError:
        return False


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _lines_added(text: str, sections: Mapping[str, Mapping[str, Any]]) -> str | None:
    """None where a section takes no more lines."""
    import yaml

    newline, lines = _newline(text), text.splitlines()
    root = _composed(text) if text.strip() else None
    nodes = {key.value: (key, value) for key, value in root.value} if root is not None else {}
    if root is not None and root.flow_style:
        return None
    # From the last section up, so that line numbers stay true.
    order = sorted(sections, key=lambda name: nodes[name][0].start_mark.line if name in nodes else -1, reverse=True)
    missing: list[str] = []
    for name in order:
        if name not in nodes:
            missing.insert(0, name)
            continue
        key, value = nodes[name]
        if isinstance(value, yaml.MappingNode) and value.value and not value.flow_style:
            indent, last = value.start_mark.column, _last_line(value)
        elif isinstance(value, yaml.ScalarNode) and value.value == "":
            indent, last = 2, key.end_mark.line
        else:
            return None
        while last + 1 < len(lines) and lines[last + 1].strip().startswith("#") and lines[last + 1][0] in " \t":
            last += 1  # a comment indented like the section belongs to it
        lines[last + 1 : last + 1] = _block(sections[name], indent)
    for name in [name for name in sections if name in missing]:
        lines += [f"{name}:", *_block(sections[name], 2)]
    return newline.join(lines) + newline


def _composed(text: str) -> Any:
    """The file's nodes, an alias being one of its own where it stands: to PyYAML it is the node that it stands for."""
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if not self.check_event(yaml.AliasEvent):
                return super().compose_node(parent, index)
            event = self.get_event()
            return yaml.ScalarNode("alias", "*", event.start_mark, event.end_mark)

    return yaml.compose(text, Loader=Loader)


def _last_line(node: Any) -> int:
    """The line on which a node's last value ends (a block's own end mark lies behind the comments)."""
    import yaml

    if isinstance(node, (yaml.MappingNode, yaml.SequenceNode)) and node.value and not node.flow_style:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    end = node.end_mark
    return end.line - 1 if end.column == 0 and end.line > node.start_mark.line else end.line


def _block(entries: Mapping[str, Any], indent: int) -> list[str]:
    stream = io.StringIO()
    _yaml().dump({key: _flow_leaves(body) for key, body in entries.items()}, stream)
    return [" " * indent + line if line else line for line in stream.getvalue().splitlines()]


def _written_anew(text: str, sections: Mapping[str, Mapping[str, Any]]) -> str:
    yaml = _yaml()
    yaml.preserve_quotes = True
    document = yaml.load(text.replace("\r\n", "\n")) if text.strip() else {}
    for section, entries in sections.items():
        if not document.get(section):
            document[section] = {}
        for key, body in entries.items():
            document[section][key] = _flow_leaves(body)
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue().replace("\n", _newline(text))


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    return yaml


def _flow_leaves(value: Any, depth: int = 0) -> Any:
    """Small mappings and lists on one line, as a person would write them."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(value, Mapping):
        node: Any = CommentedMap({key: _flow_leaves(item, depth + 1) for key, item in value.items()})
        if depth > 0 and len(str(dict(value))) < SHORT:
            node.fa.set_flow_style()
        return node
    if isinstance(value, (list, tuple)):
        node = CommentedSeq([_flow_leaves(item, depth + 1) for item in value])
        node.fa.set_flow_style()
        return node
    return value
