import msgspec

from harness.store.lines import LineReader


class Line(msgspec.Struct):
    number: int


def test_each_line_is_read_once_and_a_torn_one_waits_for_its_end(tmp_path):
    path = tmp_path / "lines.jsonl"
    reader = LineReader(path, Line)
    assert reader.read() == []
    seen = []
    for piece in ('{"number": 1}\n{"num', 'ber": 2}', "\n", "", '{"number": 3}\n{"number": 4}\n'):
        with path.open("a") as stream:
            stream.write(piece)
        seen.append([line.number for line in reader.read()])
    assert seen == [[1], [], [2], [], [3, 4]]
