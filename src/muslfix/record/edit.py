"""Edits of a RECORD: each takes a time that does not depend on how many rows there are.

A project can have hundreds of modules to rename, and a hundred thousand files.
"""

from __future__ import annotations

import csv

from muslfix.errors import InvalidRecord
from muslfix.record.rows import Record, RecordRow, as_csv, line_end, parse_rows


class RecordEdit:
    r"""A RECORD that is being edited. After an :exc:`InvalidRecord` it is what it was before.

    A path may stand in several rows; an edit then goes for all of them, and no edit makes a second row for
    a path that has one.

    >>> edit = RecordEdit(Record.parse("pkg/a.so,sha256=YQ,1\r\npkg-1.dist-info/RECORD,,\r\n"))
    >>> edit.add_after("pkg/a.so", RecordRow.listed("pkg/b,c.so"))
    >>> edit.finish().text
    'pkg/a.so,sha256=YQ,1\r\n"pkg/b,c.so",,\r\npkg-1.dist-info/RECORD,,\r\n'

    :param record: what to begin with; it stays as it is
    """

    def __init__(self, record: Record) -> None:
        # A ring of rows: 0 is no row, but comes before the first and after the last.
        count = len(record.texts)
        self._texts = ["", *record.texts]
        self._paths = [None, *record.paths]
        self._next = [*range(1, count + 1), 0]
        self._previous = [count, *range(count)]
        self._places: dict[str, list[int]] = {}
        for place, path in enumerate(record.paths, 1):
            if path is not None:
                self._places.setdefault(path, []).append(place)

    def finish(self) -> Record:
        """The edited RECORD."""
        places = []
        place = self._next[0]
        while place:
            places.append(place)
            place = self._next[place]
        return Record(
            tuple(map(self._texts.__getitem__, places)), tuple(map(self._paths.__getitem__, places))
        )

    def get(self, path: str) -> RecordRow | None:
        """See :meth:`Record.get`."""
        places = self._places.get(path)
        return None if places is None else RecordRow(*next(csv.reader([self._texts[places[0]]])))

    def change(self, path: str, new_row: RecordRow) -> None:
        """Put another row in place of the one of a path; its line end stays.

        :param path: of the row to change
        :param new_row: may have another path; a row that this path has elsewhere goes
        :raises InvalidRecord: if the path has no row, or the new row cannot be written
        """
        places, fields = self._places_of(path), as_csv(new_row)
        if new_row.path != path and new_row.path in self._places:
            self.remove(new_row.path)
        for place in places:
            self._texts[place] = fields + line_end(self._texts[place])
            self._paths[place] = new_row.path
        self._places[new_row.path] = self._places.pop(path)

    def set_text(self, path: str, text: str) -> None:
        """Put another text in place of the row of a path: what :meth:`Record.text_of` gave before an edit.

        :param path: of the row to change
        :param text: one row, with its line end; where it has none, and is not the last, it gets that of the
            row before the change
        :raises InvalidRecord: if the path has no row, or the text is not one row
        """
        place, *others = self._places_of(path)
        _, paths = parse_rows(text)
        if len(paths) != 1 or paths[0] is None:
            raise InvalidRecord(None, f"cannot hold {text!r:.200} as the row of {path}")
        if not line_end(text) and self._next[place]:
            text += line_end(self._texts[place])
        self._texts[place] = text
        if paths[0] != path:
            self._paths[place] = paths[0]
            self._places.setdefault(paths[0], []).append(place)
            self._places[path] = others
            if not others:
                del self._places[path]

    def add_after(self, path: str, new_row: RecordRow) -> None:
        """Put a new row behind the one of a path; where the new row's path has one already, that is changed.

        :param path: of the row that it is to follow
        :param new_row: gets that row's line end
        :raises InvalidRecord: if the path has no row, or the new row cannot be written
        """
        self._insert(self._places_of(path)[0], new_row)

    def add(self, new_row: RecordRow) -> None:
        """Put a new row at the end, before RECORD's own; where its path has a row already, that is changed.

        :param new_row: gets the line end of the row before it
        :raises InvalidRecord: if the new row cannot be written
        """
        last = self._previous[0]
        while last and self._paths[last] is None:  # blank lines at the end stay there
            last = self._previous[last]
        if (self._paths[last] or "").endswith(".dist-info/RECORD"):
            last = self._previous[last]
        self._insert(last, new_row)

    def remove(self, path: str) -> None:
        """Remove the row of a path.

        :param path: as the row spells it
        :raises InvalidRecord: if the path has no row
        """
        places = self._places_of(path)
        has_end = bool(line_end(self._texts[self._previous[0]]))
        for place in places:
            before, behind = self._previous[place], self._next[place]
            self._next[before], self._previous[behind] = behind, before
        del self._places[path]
        last = self._previous[0]
        if not has_end:
            self._texts[last] = self._texts[last].rstrip("\r\n")  # the last line has no end, as before

    def _places_of(self, path: str) -> list[int]:
        if path not in self._places:
            raise InvalidRecord(None, f"has no row for {path}")
        return self._places[path]

    def _insert(self, before: int, row: RecordRow) -> None:
        """Put a row behind a place, unless its path has one."""
        if row.path in self._places:
            self.change(row.path, row)
            return
        fields, behind, place = as_csv(row), self._next[before], len(self._texts)
        end = line_end(self._texts[before])
        general_end = end or line_end(self._texts[self._next[0]]) or "\n"
        if before and not end:  # a last line without an end: the new one takes its place
            self._texts[before] += general_end
        else:
            fields += general_end
        self._texts.append(fields)
        self._paths.append(row.path)
        self._next.append(behind)
        self._previous.append(before)
        self._next[before] = self._previous[behind] = place
        self._places[row.path] = [place]
