"""Read a pprof profile (profile.proto), independently of our encoder and of Go.

decode() is strict where readers in the field are: it refuses what google/pprof's CheckValid
refuses, and unknown fields, text that is not UTF-8, more than one gzip member. check() adds our
own promises: every location has lines and a mapping, no sample is without a stack, times are set.
"""
import collections
import re
import zlib


class Invalid(Exception):
    pass


Mapping = collections.namedtuple("Mapping", "id start limit offset file build_id has_functions has_filenames has_lines has_inlines")
Function = collections.namedtuple("Function", "id name system_name file start_line")
Line = collections.namedtuple("Line", "function line column")
Location = collections.namedtuple("Location", "id mapping address lines folded")
Sample = collections.namedtuple("Sample", "locations values labels")
Frame = collections.namedtuple("Frame", "name system_name file line start_line mapping address inlined")


def _varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data):
            raise Invalid("a varint runs over the end")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift > 63:
            raise Invalid("a varint of more than ten bytes")


def _fields(data):
    """(number, value) of each field: an int, or bytes for length-delimited ones."""
    at, out = 0, []
    while at < len(data):
        key, at = _varint(data, at)
        kind, number = key & 7, key >> 3
        if kind == 0:
            value, at = _varint(data, at)
        elif kind == 2:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise Invalid(f"field {number}: {size} bytes run over the end")
            value, at = bytes(data[at:at + size]), at + size
        else:
            raise Invalid(f"field {number}: wire type {kind}, which profile.proto does not use")
        out.append((number, value))
    return out


def _message(data, what, single=(), repeated=(), strings=()):
    """A message's fields as a dict; `single` numbers to the last value, `repeated` to lists."""
    got = {n: 0 for n in single}
    got.update({n: [] for n in repeated})
    for number, value in _fields(data):
        if number in single:
            if not isinstance(value, int):
                raise Invalid(f"{what}: field {number} is not a number")
            got[number] = value
        elif number in strings:
            got[number].append(value)
        elif number in repeated:
            if isinstance(value, int):
                got[number].append(value)
            else:
                at = 0
                while at < len(value):
                    one, at = _varint(value, at)
                    got[number].append(one)
        else:
            raise Invalid(f"{what}: unknown field {number}")
    return got


def _signed(v):
    return v - (1 << 64) if v >> 63 else v


def gunzip(body):
    """The one gzip member's content. Two after the other ("concatenated profiles") are refused."""
    if body[:2] != b"\x1f\x8b":
        raise Invalid(f"no gzip header: {body[:40]!r}")
    d = zlib.decompressobj(31)
    data = d.decompress(body)
    if not d.eof:
        raise Invalid("the gzip stream is cut short")
    if d.unused_data:
        raise Invalid(f"{len(d.unused_data)} bytes after the gzip member")
    return data


class Profile:
    """A decoded profile. Names as in profile.proto; strings resolved."""

    def __init__(self, data):
        top = {n: [] for n in (1, 2, 3, 4, 5, 6, 11, 13)}
        one = {n: 0 for n in (7, 8, 9, 10, 12, 14, 15)}
        for number, value in _fields(data):
            if number in one:
                if not isinstance(value, int):
                    raise Invalid(f"profile: field {number} is not a number")
                one[number] = value
            elif number == 13 and isinstance(value, int):
                top[13].append(value)
            elif number == 13:
                top[13] += _message(b"\x6a" + _length(value) + value, "comment", repeated=(13,))[13]
            elif number in top and not isinstance(value, int):
                top[number].append(value)
            elif number == 11:
                raise Invalid("profile: period_type is not a message")
            else:
                raise Invalid(f"profile: unknown field {number}")
        self.strings = [self._text(s) for s in top[6]]
        if not self.strings or self.strings[0] != "":
            raise Invalid("string_table[0] is not empty")
        self.sample_types = [self._value_type(v) for v in top[1]]
        self.period_type = self._value_type(top[11][-1]) if top[11] else ("", "")
        self.drop_frames, self.keep_frames = self._s(one[7]), self._s(one[8])
        self.time_nanos, self.duration_nanos = _signed(one[9]), _signed(one[10])
        self.period = _signed(one[12])
        self.comments = [self._s(c) for c in top[13]]
        self.default_sample_type = self._s(one[14])
        self.doc_url = self._s(one[15])
        self.mappings = self._table(top[3], self._mapping, "mapping")
        self.functions = self._table(top[5], self._function, "function")
        self.locations = self._table(top[4], self._location, "location")
        self.samples = [self._sample(v) for v in top[2]]
        if self.samples and not self.sample_types:
            raise Invalid("samples without sample types")
        self._frames = {}

    def _text(self, raw):
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as e:
            raise Invalid(f"a string is not UTF-8: {raw[:60]!r}: {e}")

    def _s(self, index):
        if index >= len(self.strings):
            raise Invalid(f"string {index} of {len(self.strings)}")
        return self.strings[index]

    def _value_type(self, data):
        m = _message(data, "value type", (1, 2))
        return self._s(m[1]), self._s(m[2])

    def _table(self, raw, read, what):
        table = {}
        for data in raw:
            entry = read(data)
            if entry.id == 0:
                raise Invalid(f"{what} with id 0")
            if entry.id in table:
                raise Invalid(f"{what} {entry.id} twice")
            table[entry.id] = entry
        return table

    def _mapping(self, data):
        m = _message(data, "mapping", range(1, 11))
        return Mapping(m[1], m[2], m[3], m[4], self._s(m[5]), self._s(m[6]), *(bool(m[n]) for n in (7, 8, 9, 10)))

    def _function(self, data):
        m = _message(data, "function", range(1, 6))
        return Function(m[1], self._s(m[2]), self._s(m[3]), self._s(m[4]), _signed(m[5]))

    def _location(self, data):
        m = _message(data, "location", (1, 2, 3, 5), (4,), strings=(4,))
        lines = []
        for raw in m[4]:
            n = _message(raw, "line", (1, 2, 3))
            if n[1] not in self.functions:
                raise Invalid(f"location {m[1]}: function {n[1]} is not in the table")
            lines.append(Line(self.functions[n[1]], _signed(n[2]), _signed(n[3])))
        if m[2] and m[2] not in self.mappings:
            raise Invalid(f"location {m[1]}: mapping {m[2]} is not in the table")
        return Location(m[1], self.mappings.get(m[2]), m[3], tuple(lines), bool(m[5]))

    def _sample(self, data):
        m = _message(data, "sample", (), (1, 2, 3), strings=(3,))
        if len(m[2]) != len(self.sample_types):
            raise Invalid(f"a sample of {len(m[2])} values for {len(self.sample_types)} types")
        for l in m[1]:
            if l not in self.locations:
                raise Invalid(f"a sample's location {l} is not in the table")
        labels = {}
        for raw in m[3]:
            n = _message(raw, "label", (1, 2, 3, 4))
            if n[2] and n[3]:
                raise Invalid(f"label {self._s(n[1])}: both text and number")
            value = self._s(n[2]) if n[2] else (_signed(n[3]), self._s(n[4]))
            labels.setdefault(self._s(n[1]), []).append(value)
        return Sample(tuple(self.locations[l] for l in m[1]), tuple(_signed(v) for v in m[2]), labels)

    # ---- what tests ask

    def frames(self, sample):
        """Leaf first, inlined calls as frames of their own."""
        key = sample.locations
        if key not in self._frames:
            out = []
            for loc in sample.locations:
                for i, l in enumerate(loc.lines):
                    out.append(Frame(l.function.name, l.function.system_name, l.function.file, l.line,
                                     l.function.start_line, loc.mapping, loc.address, i + 1 < len(loc.lines)))
            self._frames[key] = out
        return self._frames[key]

    def total(self, value=0):
        return sum(s.values[value] for s in self.samples)

    def share(self, wanted, value=0):
        """Of the total, what has a frame for which wanted(frame) holds, anywhere in the stack."""
        hit = sum(s.values[value] for s in self.samples if any(wanted(f) for f in self.frames(s)))
        return hit / self.total(value) if self.total(value) else 0.0

    def flat(self, value=0):
        """Name of the leaf frame to its value."""
        out = collections.Counter()
        for s in self.samples:
            frames = self.frames(s)
            out[frames[0].name if frames else ""] += s.values[value]
        return out

    def cumulative(self, value=0):
        out = collections.Counter()
        for s in self.samples:
            for name in {f.name for f in self.frames(s)}:
                out[name] += s.values[value]
        return out

    def names(self):
        return {f.name for f in self.functions.values()}

    def comment(self, pattern):
        """The first comment that matches, as a match object, or None."""
        for c in self.comments:
            m = re.search(pattern, c)
            if m:
                return m
        return None


def _length(data):
    out, n = b"", len(data)
    while n > 0x7F:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def decode(body):
    return Profile(gunzip(body))


def check(p, clock=True):
    """Our own promises about a window's profile. Raises Invalid with all that is broken."""
    bad = []

    def say(ok, text):
        if not ok:
            bad.append(text)

    say(p.time_nanos > 0, "time_nanos is not set")
    say(p.duration_nanos > 0, "duration_nanos is not set")
    say(len(p.strings) == len(set(p.strings)), "the string table has duplicates")
    say(p.period > 0, "no period")
    if clock:
        say(p.sample_types == [("samples", "count"), ("cpu", "nanoseconds")], f"sample types {p.sample_types}")
        say(p.period_type == ("cpu", "nanoseconds"), f"period type {p.period_type}")
    for l in p.locations.values():
        where = f"location {l.id} (0x{l.address:x})"
        say(l.mapping is not None, f"{where} has no mapping")
        say(l.lines, f"{where} has no line: it would be shown as [file]")
        for line in l.lines:
            say(line.function.name, f"{where} has a function without a name")
            say(line.function.system_name, f"{where} has a function without a system name")
            say(line.line >= 0 and line.function.start_line >= 0, f"{where} has a negative line")
        if l.mapping:
            m = l.mapping
            form_y = m.start == m.limit == m.offset == 0
            say(form_y or m.start <= l.address < m.limit, f"{where} is outside of its mapping {m.file}")
    for m in p.mappings.values():
        say(m.file, f"mapping {m.id} has no file name")
        say(m.has_functions, f"mapping {m.file} does not claim functions: pprof would symbolize it itself")
        say(not m.file.endswith(" (deleted)"), f"mapping {m.file}")
    for s in p.samples:
        say(s.locations, "a sample has no stack")
        say(any(s.values), "a sample is all zero")
        say(all(v >= 0 for v in s.values), "a sample has a negative value")
        if clock and s.values[0] and not any(f.name.startswith("[unsampled") for f in p.frames(s)):
            say(s.values[1] == s.values[0] * p.period, f"cpu {s.values[1]} is not {s.values[0]} samples × {p.period}")
        if bad and len(bad) > 20:
            break
    keys = collections.Counter((tuple(l.id for l in s.locations), repr(sorted(s.labels.items()))) for s in p.samples)
    say(all(n == 1 for n in keys.values()), "the same stack with the same labels stands twice")
    if bad:
        raise Invalid("; ".join(bad[:20]))
    return p
