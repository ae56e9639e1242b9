#!/usr/bin/env python3
"""DWARF of many compilers and forms, named by us and by llvm-symbolizer: depths and lines must agree.

    names_dwarf.py [--only WORD] [--addresses N] [--seed N] [--spoil N] [--large] [--keep DIR]

Builds small programs into a temporary directory in every form of DWARF that the reader claims to know,
asks both for the same random addresses of .text, and prints for each how many chains have the same
depth and the same lines in all their frames (and CPU and memory of both). A form that a tool here
cannot make is skipped and said; where none can be made the test is skipped (77).

Then --spoil N (default 10) copies of each program are spoiled at random, in their headers and debug
sections, and named again: that may lose names but must end well and soon.

--large adds a C++ program of about 100 MB of DWARF, for the bench. NAME_PLACES names the program
tests/targets/name_places where it is not found beside the current directory.
"""
import argparse
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
ENOUGH = 0.999  # of the chains; what is left is where llvm-symbolizer itself errs

# ---------------------------------------------------------------- sources

C_UNIT = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define ROUNDS 16
static inline uint32_t rotate@(uint32_t v, int by)
{
	return v << by | v >> (32 - by);
}
static inline uint32_t mix@(uint32_t a, uint32_t b)
{
	uint32_t r = rotate@(a, 5) ^ b;

	for (int i = 0; i < 3; i++)
		r = rotate@(r + i, 7) * 2654435761u;
	return r;
}
static int compare@(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}
static __attribute__((noinline)) uint32_t fold@(const uint32_t *v, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		if (v[i] & 1)
			sum = mix@(sum, v[i]);
		else
			sum += mix@(v[i], (uint32_t)i) ^ mix@(sum, 3);
	}
	return sum;
}
uint32_t work@(uint32_t seed)
{
	uint32_t v[64];
	char text[64];

	for (int r = 0; r < ROUNDS; r++) {
		for (size_t i = 0; i < 64; i++)
			v[i] = seed = mix@(seed, (uint32_t)i);
		qsort(v, 64, sizeof(*v), compare@);
		seed ^= fold@(v, 64);
		if (__builtin_expect(seed == 12345, 0)) {
			fprintf(stderr, "unlikely %u\n", seed);
			abort();
		}
	}
	snprintf(text, sizeof(text), "%08x", seed);
	return seed + (uint32_t)strlen(text);
}
"""

CXX_UNIT = r"""
#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>
namespace space@ {
template <int N> struct step {
	template <typename T> static inline T apply(T v) { return step<N - 1>::apply(v * 31 + N) ^ (v >> 3); }
};
template <> struct step<0> {
	template <typename T> static inline T apply(T v) { return v + 1; }
};
struct shape {
	virtual ~shape() = default;
	virtual double area(int) const = 0;
};
template <typename T> struct box : shape {
	std::vector<T> side;
	explicit box(T v) { for (int i = 0; i < 8; i++) side.push_back(v + T(i)); }
	double area(int scale) const override
	{
		auto each = [scale](double sum, T v) { return sum + double(v) * scale; };
		return std::accumulate(side.begin(), side.end(), 0.0, each);
	}
};
namespace {
struct counter {
	std::map<std::string, uint64_t> by_name;
	std::unordered_map<uint64_t, std::string> by_number;
	uint64_t add(const std::string &name, uint64_t n)
	{
		auto it = by_name.find(name);
		if (it == by_name.end())
			it = by_name.emplace(name, 0).first;
		it->second += step<6>::apply(n);
		by_number[it->second] = name;
		if (it->second == 77777)
			throw std::runtime_error("unlikely " + name);
		return it->second;
	}
};
}
template <typename T> __attribute__((noinline)) uint64_t run(uint64_t seed)
{
	counter c;
	std::vector<std::unique_ptr<shape>> shapes;
	std::vector<T> values(32);
	std::generate(values.begin(), values.end(), [&seed]() { return T(seed = step<4>::apply(seed)); });
	std::sort(values.begin(), values.end(), [](T a, T b) { return step<2>::apply(a) < step<2>::apply(b); });
	for (T v : values)
		shapes.push_back(std::make_unique<box<T>>(v));
	for (auto &s : shapes) {
		try {
			seed ^= c.add(std::to_string(seed % 17), uint64_t(s->area(3)));
		} catch (const std::exception &e) {
			seed += std::string(e.what()).size();
		}
	}
	std::function<uint64_t(uint64_t)> deep = [&](uint64_t n) { return n ? deep(n - 1) + step<3>::apply(n) : seed; };
	struct inner {
		static uint64_t of(uint64_t v) { return step<5>::apply(v) % 1001; }
	};
	return deep(5) + inner::of(seed);
}
}
template <int N> struct number {
	uint64_t v;
	number(uint64_t n = N) : v(n) {}
	operator uint64_t() const { return v; }
};
uint64_t work@(uint64_t seed)
{
	return space@::run<uint64_t>(seed) + space@::run<uint32_t>(seed)@MORE;
}
"""

RUST = r"""
use std::collections::{BTreeMap, HashMap};
use std::fmt;
#[derive(Debug, Clone, PartialEq)]
enum Kind { Leaf(u64), Pair(Box<Kind>, Box<Kind>), Text(String) }
impl Kind {
    fn weight(&self) -> u64 {
        match self { Kind::Leaf(v) => mix(*v, 3), Kind::Pair(a, b) => a.weight() ^ b.weight().rotate_left(7),
                     Kind::Text(s) => s.bytes().map(|b| mix(b as u64, 5)).sum() }
    }
}
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result { write!(f, "<{}>", self.weight()) }
}
#[inline]
fn mix(a: u64, b: u64) -> u64 { a.wrapping_mul(0x9e3779b97f4a7c15).rotate_left((b & 31) as u32) ^ b }
trait Work { fn work(&mut self, n: u64) -> u64; }
struct Map(HashMap<u64, Vec<u64>>);
struct Tree(BTreeMap<String, Kind>);
impl Work for Map {
    fn work(&mut self, n: u64) -> u64 {
        self.0.entry(n % 97).or_default().push(mix(n, 1));
        self.0.values().flat_map(|v| v.iter()).filter(|x| **x & 1 == 1).fold(0, |a, x| mix(a, *x))
    }
}
impl Work for Tree {
    fn work(&mut self, n: u64) -> u64 {
        let k = Kind::Pair(Box::new(Kind::Leaf(n)), Box::new(Kind::Text(format!("t{}", n))));
        self.0.insert(k.to_string(), k);
        let mut v: Vec<&Kind> = self.0.values().collect();
        v.sort_by_key(|k| k.weight());
        v.iter().take(10).map(|k| k.weight()).max().unwrap_or(0)
    }
}
fn main() {
    let n: u64 = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(200);
    let mut all: Vec<Box<dyn Work>> = vec![Box::new(Map(HashMap::new())), Box::new(Tree(BTreeMap::new()))];
    let sum = (0..n).map(|i| all.iter_mut().map(|w| w.work(i)).fold(i, mix)).fold(0, mix);
    println!("{}", sum);
}
"""


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def units(build, lang, n, more=0):
    """n units of one language and a main that calls them; returns the sources' base names."""
    text, ext, number = (C_UNIT, "c", "uint32_t") if lang == "c" else (CXX_UNIT, "cc", "uint64_t")
    names = []
    for i in range(n):
        extra = "".join(" + space%d::run<number<%d>>(seed)" % (i, k) for k in range(more))
        names.append("%s%d.%s" % (lang, i, ext))
        write(os.path.join(build, names[-1]), text.replace("@MORE", extra).replace("@", str(i)))
    decls = "".join("%s work%d(%s);\n" % (number, i, number) for i in range(n))
    calls = "".join("\tsum += work%d(sum + argc);\n" % i for i in range(n))
    names.append("%s_main.%s" % (lang, ext))
    write(os.path.join(build, names[-1]),
          "#include <stdint.h>\n#include <stdio.h>\n%sint main(int argc, char **argv)\n{\n\t%s sum = 1;\n"
          "\t(void)argv;\n%s\tprintf(\"%%llu\\n\", (unsigned long long)sum);\n\treturn 0;\n}\n"
          % (decls, number, calls))
    return names


# ---------------------------------------------------------------- the forms of DWARF

# name, compiler, language, flags, what is done to the program afterwards
FORMS = [
    ("gcc C DWARF 5", "gcc", "c", "-O2 -g -gdwarf-5", []),
    ("gcc C DWARF 4", "gcc", "c", "-O2 -g -gdwarf-4", []),
    ("gcc C DWARF 3", "gcc", "c", "-O2 -g -gdwarf-3 -gstrict-dwarf", []),
    ("gcc C DWARF 2", "gcc", "c", "-O2 -g -gdwarf-2 -gstrict-dwarf", []),
    ("gcc C DWARF 5 64-bit", "gcc", "c", "-O2 -g -gdwarf-5 -gdwarf64", []),
    ("gcc C DWARF 4 64-bit", "gcc", "c", "-O2 -g -gdwarf-4 -gdwarf64", []),
    ("gcc C -O0", "gcc", "c", "-O0 -g", []),
    ("gcc C -flto", "gcc", "c", "-O2 -g -flto", []),
    ("gcc C sections collected", "gcc", "c", "-O2 -g -ffunction-sections -Wl,--gc-sections", []),
    ("gcc C++ DWARF 5", "g++", "cc", "-O2 -g -gdwarf-5", []),
    ("gcc C++ DWARF 4", "g++", "cc", "-O2 -g -gdwarf-4", []),
    ("gcc C++ type units", "g++", "cc", "-O2 -g -gdwarf-4 -fdebug-types-section", []),
    ("gcc C++ split 5", "g++", "cc", "-O2 -g -gdwarf-5 -gsplit-dwarf", []),
    ("gcc C++ split 4", "g++", "cc", "-O2 -g -gdwarf-4 -gsplit-dwarf", []),
    ("gcc C++ zlib", "g++", "cc", "-O2 -g", ["objcopy --compress-debug-sections=zlib-gabi {}"]),
    ("gcc C++ zlib, .zdebug", "g++", "cc", "-O2 -g", ["objcopy --compress-debug-sections=zlib-gnu {}"]),
    ("gcc C++ zstd", "g++", "cc", "-O2 -g", ["objcopy --compress-debug-sections=zstd {}"]),
    ("gcc C++ dwz -m", "g++", "cc", "-O2 -g -gdwarf-4", ["cp {} {}.two", "dwz -m {}.alt {} {}.two"]),
    ("gcc C++ dwz, DWARF 5", "g++", "cc", "-O2 -g -gdwarf-5", ["dwz {}"]),
    ("clang C DWARF 5", "clang", "c", "-O2 -g -gdwarf-5", []),
    ("clang C lines only", "clang", "c", "-O2 -gline-tables-only", []),
    ("clang C++ DWARF 5", "clang++", "cc", "-O2 -g -gdwarf-5", []),
    ("clang C++ DWARF 4", "clang++", "cc", "-O2 -g -gdwarf-4", []),
    ("clang C++ DWARF 5 64-bit", "clang++", "cc", "-O2 -g -gdwarf-5 -gdwarf64", []),
    ("clang C++ split 5", "clang++", "cc", "-O2 -g -gdwarf-5 -gsplit-dwarf", []),
    ("clang C++ split 4", "clang++", "cc", "-O2 -g -gdwarf-4 -gsplit-dwarf", []),
    ("clang C++ split in .o", "clang++", "cc", "-O2 -g -gdwarf-5 -gsplit-dwarf=single", []),
    ("clang C++ dwp 5", "clang++", "cc", "-O2 -g -gdwarf-5 -gsplit-dwarf",
     ["llvm-dwp -e {} -o {}.dwp", "rm -f @DWO"]),
    ("clang C++ dwp 4", "clang++", "cc", "-O2 -g -gdwarf-4 -gsplit-dwarf",
     ["llvm-dwp -e {} -o {}.dwp", "rm -f @DWO"]),
    ("clang C++ lld, folded", "clang++", "cc",
     "-O2 -g -ffunction-sections -fuse-ld=%s -Wl,--gc-sections -Wl,--icf=all"
     % ("lld" if shutil.which("ld.lld") else "lld-14"), []),
    ("Rust release", "rustc", "rs", "-O -g", []),
    ("Rust release, DWARF 5", "rustc", "rs", "-O -g -Z dwarf-version=5", []),
    ("Rust, one unit of many", "rustc", "rs", "-O -g -C lto=fat", []),
    ("Rust split", "rustc", "rs", "-O -g -C split-debuginfo=unpacked", []),
    ("Rust packed", "rustc", "rs", "-O -g -C split-debuginfo=packed", []),
]


def sh(command, cwd):
    r = subprocess.run(command, shell=True, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True, errors="replace")
    return r.returncode, r.stdout.strip()


def build_form(form, top, n_units):
    """Returns (program, why not)."""
    name, compiler, lang, flags, after = form
    for tool in [compiler] + [c.split()[0] for c in after]:
        if not shutil.which(tool):
            return None, "%s is missing" % tool
    build = os.path.join(top, "".join(c if c.isalnum() else "_" for c in name))
    os.mkdir(build)
    program = os.path.join(build, "program")
    if lang == "rs":
        write(os.path.join(build, "main.rs"), RUST)
        code, out = sh("RUSTC_BOOTSTRAP=1 %s %s -o program main.rs" % (compiler, flags), build)
    else:
        code, out = 0, ""
        objects = []
        for source in units(build, lang, n_units):
            objects.append(os.path.splitext(source)[0] + ".o")
            if code == 0:
                code, out = sh("%s %s -c %s -o %s" % (compiler, flags, source, objects[-1]), build)
        if code == 0:
            code, out = sh("%s %s -o program %s" % (compiler, flags, " ".join(objects)), build)
    for command in after:
        if code == 0:
            command = command.replace("@DWO", " ".join(o.replace(".o", ".dwo") for o in objects))
            code, out = sh(command.replace("{}", program), build)
    return (program, "") if code == 0 else (None, out.splitlines()[-1] if out else "exit %d" % code)


LARGE_TEMPLATES = 90
LARGE_COPIES = 12

# ---------------------------------------------------------------- asking both

def sections(data):
    """[(name, address, offset, size)] of an ELF file."""
    shoff, = struct.unpack_from("<Q", data, 0x28)
    entsize, count, names = struct.unpack_from("<HHH", data, 0x3a)
    headers = [struct.unpack_from("<IIQQQQ", data, shoff + i * entsize) for i in range(count)]
    result = []
    for name, _, _, addr, offset, size in headers:
        at = headers[names][4] + name
        result.append((data[at:data.index(b"\0", at)].decode("latin-1"), addr, offset, size))
    return result


def text_section(path):
    """Address and size of .text."""
    with open(path, "rb") as f:
        for name, addr, _, size in sections(f.read()):
            if name == ".text":
                return addr, size
    raise SystemExit("%s: no .text" % path)


def measure(command, stdin):
    """Returns (output, CPU seconds, peak RSS in MB). By time(1): a child of ours would be billed our memory."""
    cost = stdin + ".cost"
    timed = ["/usr/bin/time", "-o", cost, "-f", "%U %S %M"] if os.access("/usr/bin/time", os.X_OK) else []
    with open(stdin) as f:
        p = subprocess.run(timed + command, stdin=f, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                           errors="replace")
    if p.returncode:
        raise SystemExit("%s: status %d\n%s" % (" ".join(command), p.returncode, p.stderr))
    if not timed:
        return p.stdout, 0, 0
    with open(cost) as f:
        user, system, rss = f.read().split()
    return p.stdout, float(user) + float(system), int(rss) / 1024


def chains_of_llvm(text):
    """{address: [(function, file, line)]}, innermost first."""
    chains = {}
    for line in text.splitlines():
        one = json.loads(line)
        chains[int(one["Address"], 16)] = [
            (s["FunctionName"], os.path.normpath(s["FileName"]) if s["FileName"] else "", s["Line"])
            for s in one["Symbol"]]
    return chains


def chains_of_ours(text):
    chains = {}
    for line in text.splitlines():
        if not line.startswith(" "):
            at = int(line.split()[0], 16)
            chains[at] = []
            continue
        place, _ = line.strip().rsplit(" ", 1)
        place, number = place.rsplit(":", 1)
        name, path = place.split(" /", 1) if " /" in place else place.rsplit(" ", 1)
        path = "/" + path if " /" in place else path
        chains[at].append(("" if name == "??" else name, "" if path == "??" else os.path.normpath(path), int(number)))
    for at in chains:
        chains[at] = chains[at] or [("", "", 0)]
    return chains


class Score:
    def __init__(self):
        self.n = self.depth = self.lines = self.files = self.names = self.inlined = 0
        self.frames = 0
        self.differ = []

    def add(self, at, ours, theirs):
        same_depth = len(ours) == len(theirs)
        same_lines = same_depth and [f[2] for f in ours] == [f[2] for f in theirs]
        self.n += 1
        self.depth += same_depth
        self.lines += same_lines
        # without a line, llvm takes a file's name from the symbol table
        self.files += same_lines and all(o[1] == t[1] for o, t in zip(ours, theirs) if o[2])
        self.frames += len(ours)
        if same_depth:  # llvm takes the function's own name from the symbol table
            self.inlined += len(ours) - 1
            self.names += sum(o[0] == t[0] for o, t in zip(ours[:-1], theirs[:-1]))
        if not same_lines:
            self.differ.append((at, ours, theirs))

    def row(self):
        part = lambda x, of: "%7.2f" % (100.0 * x / of if of else 100.0)
        return "%6d %5.2f %s %s %s %s" % (self.n, self.frames / self.n, part(self.depth, self.n),
                                       part(self.lines, self.n), part(self.files, self.n),
                                       part(self.names, self.inlined))


def ask_both(program, reader, ours_of, llvm, addresses):
    """llvm-symbolizer cannot read some forms: it is asked of a program that is the same but for that."""
    path = program + ".addresses"
    write(path, "".join("0x%x\n" % a for a in addresses))
    theirs, their_cpu, their_rss = measure(
        [llvm, "--obj=" + program, "-i", "-f", "--no-demangle", "--output-style=JSON"], path)
    ours, cpu, rss = measure([reader, ours_of], path)
    score = Score()
    theirs, ours = chains_of_llvm(theirs), chains_of_ours(ours)
    for at in addresses:
        score.add(at, ours[at], theirs[at])
    return score, (cpu, rss, their_cpu, their_rss)


# ---------------------------------------------------------------- spoiled copies

SPOILED_SECONDS = 20  # for a small program; a hang, not a slow machine


def spoil(data, rng):
    """A copy with a few places overwritten: anywhere in the debug sections, in the ELF header, in the
    section headers; or cut short."""
    data = bytearray(data)
    places = [(offset, size) for name, _, offset, size in sections(data)
              if size and offset + size <= len(data) and ("debug" in name)]
    shoff, = struct.unpack_from("<Q", data, 0x28)
    for _ in range(rng.choice([1, 2, 5, 20, 100])):
        offset, size = rng.choice(places) if rng.random() < 0.97 else rng.choice([(0, 64), (shoff, 64 * 40)])
        at = offset + (rng.randrange(size) if rng.random() < 0.7 else rng.randrange(min(size, 64)))
        new = rng.choice([b"\0", b"\xff", b"\x80", b"\x7f", b"\xff" * 8, b"\0" * 8, rng.randbytes(1), rng.randbytes(4)])
        new = new if rng.random() < 0.9 else bytes(data[offset + rng.randrange(size):][:rng.randrange(64)])
        at = min(at, len(data) - len(new))
        data[at:at + len(new)] = new
    return bytes(data[:rng.randrange(len(data))] if rng.random() < 0.02 else data)


def name_spoiled(program, reader, addresses, times, rng):
    """Returns (runs that ended badly, longest seconds). Half of the time it is a file beside the program
    that is spoiled: its split units, or what dwz has put elsewhere."""
    path, bad, longest = program + ".spoiled", [], 0
    build = os.path.dirname(program)
    if os.path.exists(program + ".dwp"):
        shutil.copy(program + ".dwp", path + ".dwp")
    sound = {}
    shutil.copy(program, path)
    for name in os.listdir(build):
        if name.endswith((".dwo", ".alt", ".spoiled", ".spoiled.dwp")):
            with open(os.path.join(build, name), "rb") as f:
                sound[os.path.join(build, name)] = f.read()
    beside = [name for name in sound if name != path]
    for i in range(times):
        victim = rng.choice(beside) if beside and rng.random() < 0.5 else path
        with open(victim, "wb") as f:
            f.write(spoil(sound[victim], rng))
        before = time.monotonic()
        try:
            r = subprocess.run([reader, "-q", path, build], stdout=subprocess.DEVNULL,
                               input="".join("0x%x\n" % a for a in addresses), stderr=subprocess.PIPE,
                               text=True, errors="replace", timeout=SPOILED_SECONDS)
            # 1: refused, with a sentence. A sanitizer says 1 too, and more.
            why = "" if r.returncode in (0, 1) and "Sanitizer" not in r.stderr and "runtime error" not in r.stderr \
                else "status %d %s" % (r.returncode, r.stderr[:3000])
        except subprocess.TimeoutExpired:
            why = "did not end within %d s" % SPOILED_SECONDS
        longest = max(longest, time.monotonic() - before)
        if why:
            kept = os.path.join(tempfile.gettempdir(), "spoiled.%d.%d" % (os.getpid(), i))
            shutil.copy(victim, kept)
            bad.append("%s: %s" % (kept, why))
        with open(victim, "wb") as f:
            f.write(sound[victim])
    return bad, longest


def find_reader():
    built = "tests/targets/name_places"
    for at in [os.environ.get("NAME_PLACES", ""), os.path.join(os.environ.get("PPD_BUILD", "."), built),
               os.path.join(TOP, built)]:
        if at and os.access(at, os.X_OK):
            return os.path.abspath(at)
    return None


def large_program(top):
    """About 100 MB of DWARF: one C++ unit of many templates, compiled once, and copies of the object
    in which the symbols that it defines have other names."""
    build = os.path.join(top, "large")
    os.mkdir(build)
    units(build, "cc", 1, more=LARGE_TEMPLATES)
    commands = ["g++ -O2 -g -c cc0.cc -o cc0.o"]
    for i in range(1, LARGE_COPIES):
        commands.append("nm --defined-only -j cc0.o | sort -u | sed 's/.*/& &.copy%d/' > names" % i)
        commands.append("objcopy --redefine-syms=names cc0.o copy%d.o" % i)
    commands.append("g++ -O2 -g cc_main.cc *.o -Wl,--no-gc-sections -o program")
    for command in commands:
        code, out = sh(command, build)
        if code:
            raise SystemExit("%s: %s" % (command, out))
    return os.path.join(build, "program")


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--only", default="", help="forms whose name has this word")
    args.add_argument("--addresses", type=int, default=2000)
    args.add_argument("--units", type=int, default=1)
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--spoil", type=int, default=10)
    args.add_argument("--large", action="store_true")
    args.add_argument("--keep", help="build here and keep it")
    args.add_argument("-v", action="store_true", help="print what differs")
    args = args.parse_args()

    reader = find_reader()
    llvm = shutil.which("llvm-symbolizer") or shutil.which("llvm-symbolizer-14")
    for what, there in [("tests/targets/name_places (make it, or set NAME_PLACES)", reader),
                        ("llvm-symbolizer (apt-get install llvm-14)", llvm)]:
        if not there:
            print("skipped: no %s" % what)
            return 77
    top = args.keep or tempfile.mkdtemp(prefix="names_dwarf.")
    os.makedirs(top, exist_ok=True)
    rng = random.Random(args.seed)
    bad = done = worst = 0
    print("%-26s %6s %5s %7s %7s %7s %7s   %s" % ("", "chains", "depth", "depth=", "lines=", "files=", "names=",
                                               "CPU s, RSS MB: ours | llvm"))
    try:
        forms = [f for f in FORMS if args.only.lower() in f[0].lower()]
        programs = [(f[0], lambda f=f: build_form(f, top, args.units)) for f in forms]
        if args.large:
            programs.append(("large", lambda: (large_program(top), "")))
        for name, build in programs:
            program, why = build()
            if not program:
                print("%-26s skipped: %s" % (name, why))
                continue
            addr, size = text_section(program)
            count = min(1000 if name.startswith("large") else args.addresses, size)
            for count in [count] + ([10000] if name.startswith("large") else []):
                asked = sorted(rng.sample(range(addr, addr + size), min(count, size)))
                oracle = program
                if "zstd" in name or "dwz -m" in name or "zdebug" in name:
                    # llvm-symbolizer 14 reads neither: the same program before it was packed
                    oracle = program + ".plain"
                    base = os.path.dirname(program)
                    sh("%s %s -o program.plain *.o" % ("g++", "-O2 -g"), base)
                score, cost = ask_both(oracle, reader, program, llvm, asked)
                done += 1
                ok = min(score.lines, score.files) >= ENOUGH * score.n
                bad += not ok
                print("%-26s %s   %.2f %.0f | %.2f %.0f%s" % ((name, score.row()) + cost + ("" if ok else "  FAILED",)))
                for at, ours, theirs in score.differ[:10 if args.v else 0 if ok else 3]:
                    print("    0x%x\n      ours %s\n      llvm %s" % (at, ours, theirs))
            if not name.startswith("large"):
                ends, longest = name_spoiled(program, reader, asked[::10], args.spoil, rng)
                worst, bad = max(worst, longest), bad + len(ends)
                for end in ends:
                    print("    spoiled: %s" % end)
            if not args.keep:
                shutil.rmtree(os.path.dirname(program))
    finally:
        if not args.keep:
            shutil.rmtree(top, ignore_errors=True)
    if not done:
        print("skipped: nothing could be built")
        return 77
    print("%d forms; %d failures; %d spoiled copies of each, the slowest took %.1f s"
          % (done, bad, args.spoil, worst))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
