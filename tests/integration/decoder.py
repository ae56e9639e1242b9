"""The tests' own decoder refuses what google/pprof's CheckValid refuses: else the other tests prove little."""
import gzip

from lib import case, pprof


def field(number, value):
    if isinstance(value, int):
        out, value = bytes(), value & 0xFFFFFFFFFFFFFFFF
        key = number << 3
        for v in (key, value):
            while v > 0x7F:
                out, v = out + bytes([v & 0x7F | 0x80]), v >> 7
            out += bytes([v])
        return out
    if isinstance(value, str):
        value = value.encode()
    head = field(number, len(value))
    return bytes([head[0] | 2]) + head[1:] + value


STRINGS = ["", "samples", "count", "cpu", "nanoseconds", "leaf", "/bin/x", "x.c"]


def profile(**other):
    """A small valid profile, of which a test replaces parts: name → bytes."""
    parts = {
        "types": field(1, field(1, 1) + field(2, 2)) + field(1, field(1, 3) + field(2, 4)),
        "sample": field(2, field(1, b"\1") + field(2, b"\2\x80\xda\xc4\x09")),
        "mapping": field(3, field(1, 1) + field(2, 0x1000) + field(3, 0x2000) + field(5, 6) + field(7, 1)),
        "location": field(4, field(1, 1) + field(2, 1) + field(3, 0x1234) + field(4, field(1, 1) + field(2, 9))),
        "function": field(5, field(1, 1) + field(2, 5) + field(3, 5) + field(4, 7)),
        "strings": b"".join(field(6, s) for s in STRINGS),
        "times": field(9, 10 ** 18) + field(10, 10 ** 9),
        "period": field(11, field(1, 3) + field(2, 4)) + field(12, 10_000_000),
        "more": b"",
    }
    parts.update(other)
    return gzip.compress(b"".join(parts.values()))


class Decoder(case.Case):
    def refuse(self, body, why, check=False):
        with self.assertRaisesRegex(pprof.Invalid, why):
            p = pprof.decode(body)
            if check:
                pprof.check(p)

    def test_a_small_valid_profile_is_read(self):
        p = pprof.check(pprof.decode(profile()))
        self.assertEqual(p.total(), 2)
        self.assertEqual(p.total(1), 20_000_000)
        (f,) = p.frames(p.samples[0])
        self.assertEqual((f.name, f.file, f.line, f.address), ("leaf", "x.c", 9, 0x1234))

    def test_what_checkvalid_refuses(self):
        for parts, why in (
            ({"sample": field(2, field(1, b"\1") + field(2, b"\1"))}, "1 values for 2 types"),
            ({"sample": field(2, field(1, b"\7") + field(2, b"\1\1"))}, "location 7 is not in the table"),
            ({"types": b""}, "values for 0 types"),
            ({"mapping": field(3, field(1, 0))}, "mapping with id 0"),
            ({"function": b""}, "function 1 is not in the table"),
            ({"mapping": b""}, "mapping 1 is not in the table"),
            ({"more": field(5, field(1, 1) + field(2, 5))}, "function 1 twice"),
            ({"more": field(4, field(1, 0))}, "location with id 0"),
            ({"more": field(4, field(1, 1))}, "location 1 twice"),
            ({"strings": field(6, "x")}, r"string_table\[0\]"),
            ({"strings": b"".join(field(6, s) for s in STRINGS[:5])}, "string [567] of 5"),
            ({"strings": b"".join(field(6, s) for s in STRINGS[:7]) + field(6, b"\xff\xfe")}, "not UTF-8"),
            ({"more": field(77, 1)}, "unknown field"),
            ({"sample": field(2, field(1, b"\1") + field(2, b"\1\1") + field(3, field(1, 1) + field(2, 2) + field(3, 4)))}, "both"),
        ):
            with self.subTest(why):
                self.refuse(profile(**parts), why)

    def test_what_we_promise_beyond(self):
        for parts, why in (
            ({"times": b""}, "time_nanos"),
            ({"location": field(4, field(1, 1) + field(2, 1) + field(3, 0x1234))}, "no line"),
            ({"location": field(4, field(1, 1) + field(3, 0x1234) + field(4, field(1, 1)))}, "no mapping"),
            ({"location": field(4, field(1, 1) + field(2, 1) + field(3, 0x9999) + field(4, field(1, 1)))}, "outside"),
            ({"sample": field(2, field(2, b"\1\1"))}, "no stack"),
            ({"sample": field(2, field(1, b"\1") + field(2, b"\2\5"))}, "is not 2 samples"),
            ({"more": field(6, "leaf")}, "duplicates"),
            ({"more": field(2, field(1, b"\1") + field(2, b"\2\x80\xda\xc4\x09"))}, "twice"),
        ):
            with self.subTest(why):
                self.refuse(profile(**parts), why, check=True)

    def test_the_gzip_member_is_whole_and_alone(self):
        body = profile()
        self.refuse(body[:-9], "cut short")
        self.refuse(body + body, "after the gzip member")
        self.refuse(b"<html>", "no gzip header")
        self.refuse(b"", "no gzip header")


if __name__ == "__main__":
    case.main()
