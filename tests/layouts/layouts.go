// Layouts prints symbolize/go_offsets.c from the DWARF of the programs named MINOR.PATCH-ARCH.
// See the script generate, which builds them.
package main

import (
	"debug/dwarf"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
)

const absent = 0xffff

// Fields of struct go_offsets. path: the members from the struct on; "[]" at the end: how many elements
// the array has; an empty path: the struct's own size.
var fields = []struct {
	name, of string
	paths    []string // the first that is there
}{
	{"g_size", "runtime.g", []string{""}},
	{"g_stack_lo", "runtime.g", []string{"stack.lo"}},
	{"g_stack_hi", "runtime.g", []string{"stack.hi"}},
	{"g_m", "runtime.g", []string{"m"}},
	{"g_sched_sp", "runtime.g", []string{"sched.sp"}},
	{"g_sched_pc", "runtime.g", []string{"sched.pc"}},
	{"g_sched_bp", "runtime.g", []string{"sched.bp"}},
	{"g_syscallsp", "runtime.g", []string{"syscallsp"}},
	{"g_syscallpc", "runtime.g", []string{"syscallpc"}},
	{"g_stktopsp", "runtime.g", []string{"stktopsp"}},
	{"g_status", "runtime.g", []string{"atomicstatus"}},
	{"g_goid", "runtime.g", []string{"goid"}},
	{"g_waitsince", "runtime.g", []string{"waitsince"}},
	{"g_waitreason", "runtime.g", []string{"waitreason"}},
	{"g_parent_goid", "runtime.g", []string{"parentGoid"}},
	{"g_gopc", "runtime.g", []string{"gopc"}},
	{"g_startpc", "runtime.g", []string{"startpc"}},
	{"g_labels", "runtime.g", []string{"labels"}},
	{"g_lockedm", "runtime.g", []string{"lockedm"}},
	{"g_ancestors", "runtime.g", []string{"ancestors"}},
	{"g_coroarg", "runtime.g", []string{"coroarg"}},
	{"g_schedlink", "runtime.g", []string{"schedlink"}},
	{"g_running_cleanups", "runtime.g", []string{"runningCleanups"}},
	{"g_tracking_seq", "runtime.g", []string{"trackingSeq"}},
	{"g_bubble", "runtime.g", []string{"bubble", "syncGroup"}},
	{"bubble_id", "runtime.synctestBubble", []string{"id"}},
	{"m_g0", "runtime.m", []string{"g0"}},
	{"m_gsignal", "runtime.m", []string{"gsignal"}},
	{"m_curg", "runtime.m", []string{"curg"}},
	{"m_p", "runtime.m", []string{"p"}},
	{"m_id", "runtime.m", []string{"id"}},
	{"m_procid", "runtime.m", []string{"procid"}},
	{"m_alllink", "runtime.m", []string{"alllink"}},
	{"m_createstack", "runtime.m", []string{"createstack"}},
	{"m_createstack_n", "runtime.m", []string{"createstack[]"}},
	{"m_lockedg", "runtime.m", []string{"lockedg"}},
	{"m_vdso_sp", "runtime.m", []string{"vdsoSP"}},
	{"m_vdso_pc", "runtime.m", []string{"vdsoPC"}},
	{"mem_record_size", "runtime.memRecord", []string{""}},
	{"mem_cycle_size", "runtime.memRecordCycle", []string{""}},
	{"md_text", "runtime.moduledata", []string{"text"}},
	{"md_etext", "runtime.moduledata", []string{"etext"}},
	{"md_noptrdata", "runtime.moduledata", []string{"noptrdata"}},
	{"md_data", "runtime.moduledata", []string{"data"}},
	{"md_bss", "runtime.moduledata", []string{"bss"}},
	{"md_noptrbss", "runtime.moduledata", []string{"noptrbss"}},
	{"md_gofunc", "runtime.moduledata", []string{"gofunc"}},
	{"md_next", "runtime.moduledata", []string{"next"}},
}

// Structs that the C code takes as they are: field, offset.
var fixed = []struct {
	of, path string
	at       int64
}{
	{"runtime.bucket", "allnext", 8},
	{"runtime.bucket", "typ", 16},
	{"runtime.bucket", "hash", 24},
	{"runtime.bucket", "size", 32},
	{"runtime.bucket", "nstk", 40},
	{"runtime.bucket", "", 48},
	{"runtime.blockRecord", "count", 0},
	{"runtime.blockRecord", "cycles", 8},
	{"runtime.memRecord", "active", 0},
	{"runtime.memRecordCycle", "allocs", 0},
	{"runtime.memRecordCycle", "frees", 8},
}

type program struct {
	version, arch string
	minor         int
	file          *elf.File
	types         map[string]*dwarf.StructType
	consts        map[string]int64
}

func wanted(name string) bool {
	for _, f := range fields {
		if f.of == name {
			return true
		}
	}
	for _, f := range fixed {
		if f.of == name {
			return true
		}
	}
	return false
}

func load(path string) *program {
	p := &program{types: map[string]*dwarf.StructType{}, consts: map[string]int64{}}
	p.version, p.arch, _ = strings.Cut(path, "-")
	p.minor, _ = strconv.Atoi(strings.Split(p.version, ".")[1])
	var err error
	if p.file, err = elf.Open(path); err != nil {
		log.Fatal(err)
	}
	d, err := p.file.DWARF()
	if err != nil {
		log.Fatalf("%s: %v", path, err)
	}
	r := d.Reader()
	for {
		e, err := r.Next()
		if err != nil {
			log.Fatalf("%s: %v", path, err)
		}
		if e == nil {
			return p
		}
		name, _ := e.Val(dwarf.AttrName).(string)
		switch e.Tag {
		case dwarf.TagStructType:
			if wanted(name) {
				t, err := d.Type(e.Offset)
				if err != nil {
					log.Fatalf("%s: %s: %v", path, name, err)
				}
				p.types[name] = t.(*dwarf.StructType)
			}
			r.SkipChildren()
		case dwarf.TagConstant:
			if v, ok := e.Val(dwarf.AttrConstValue).(int64); ok {
				p.consts[name] = v
			}
		case dwarf.TagSubprogram:
			r.SkipChildren()
		}
	}
}

// Where a member is, or how many elements it has; false: there is no such member.
func (p *program) find(of, path string) (int64, bool) {
	s := p.types[of]
	if s == nil {
		return 0, false
	}
	if path == "" {
		return s.ByteSize, true
	}
	count := strings.HasSuffix(path, "[]")
	at := int64(0)
	names := strings.Split(strings.TrimSuffix(path, "[]"), ".")
	for i, name := range names {
		var m *dwarf.StructField
		for _, f := range s.Field {
			if f.Name == name {
				m = f
			}
		}
		if m == nil {
			return 0, false
		}
		at += m.ByteOffset
		t := m.Type
		for {
			td, ok := t.(*dwarf.TypedefType)
			if !ok {
				break
			}
			t = td.Type
		}
		if i == len(names)-1 && count {
			return t.(*dwarf.ArrayType).Count, true
		}
		if i < len(names)-1 {
			s = t.(*dwarf.StructType)
		}
	}
	return at, true
}

func (p *program) offset(of string, paths []string) int64 {
	for _, path := range paths {
		if at, ok := p.find(of, path); ok {
			return at
		}
	}
	return absent
}

func (p *program) bytes(addr, n uint64) []byte {
	for _, s := range p.file.Progs {
		if s.Type == elf.PT_LOAD && addr >= s.Vaddr && addr+n <= s.Vaddr+s.Filesz {
			b := make([]byte, n)
			if _, err := s.ReadAt(b, int64(addr-s.Vaddr)); err == nil {
				return b
			}
		}
	}
	log.Fatalf("%s: no %d bytes at %#x", p.version, n, addr)
	return nil
}

// The runtime's own array of strings, out of the program's data.
func (p *program) waitReasons() []string {
	syms, err := p.file.Symbols()
	if err != nil {
		log.Fatal(err)
	}
	var out []string
	for _, s := range syms {
		if s.Name != "runtime.waitReasonStrings" {
			continue
		}
		b := p.bytes(s.Value, s.Size)
		for ; len(b) >= 16; b = b[16:] {
			at, n := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
			if n == 0 {
				out = append(out, "")
				continue
			}
			out = append(out, string(p.bytes(at, n)))
		}
	}
	if len(out) < 20 {
		log.Fatalf("%s: no wait reasons", p.version)
	}
	return out
}

func (p *program) constant(names ...string) int64 {
	for _, n := range names {
		if v, ok := p.consts[n]; ok {
			return v
		}
	}
	log.Fatalf("%s: none of %v", p.version, names)
	return 0
}

func (p *program) check() {
	for _, f := range fixed {
		if at, ok := p.find(f.of, f.path); !ok || at != f.at {
			log.Fatalf("%s-%s: %s.%s is at %d, and is taken to be at %d", p.version, p.arch, f.of, f.path, at, f.at)
		}
	}
}

func (p *program) column() map[string]int64 {
	c := map[string]int64{}
	for _, f := range fields {
		c[f.name] = p.offset(f.of, f.paths)
	}
	return c
}

const head = `/* Written by tests/layouts/generate: do not edit, but add a version there. */
#include "config.h"

#include "symbolize/go_offsets.h"

#include <stddef.h>
`

func main() {
	log.SetFlags(0)
	var programs []*program
	for _, path := range os.Args[1:] {
		p := load(path)
		p.check()
		if p.arch == "amd64" {
			programs = append(programs, p)
			continue
		}
		mine, first := p.column(), programs[len(programs)-1]
		for name, at := range first.column() {
			if mine[name] != at {
				log.Fatalf("%s: %s is %d on %s, %d on %s", p.version, name, mine[name], p.arch, at, first.arch)
			}
		}
	}
	fmt.Print(head)
	for _, p := range programs {
		fmt.Printf("\nstatic const char *const reasons_%d[] = {\n", p.minor)
		for _, s := range p.waitReasons() {
			fmt.Printf("\t%q,\n", s)
		}
		fmt.Printf("\tNULL\n};\n")
	}
	fmt.Printf("\nstatic const struct go_offsets columns[] = {\n")
	for _, p := range programs {
		c := p.column()
		fmt.Printf("\t{ /* go%s */\n\t\t.minor = %d,\n", p.version, p.minor)
		for _, f := range fields {
			if c[f.name] == absent {
				fmt.Printf("\t\t.%s = GO_ABSENT,\n", f.name)
			} else {
				fmt.Printf("\t\t.%s = %d,\n", f.name, c[f.name])
			}
		}
		fmt.Printf("\t\t.wrapper_func_id = %d,\n", p.constant("internal/abi.FuncIDWrapper", "runtime.funcID_wrapper"))
		if p.minor >= 24 {
			fmt.Printf("\t\t.labels_slice = 1,\n")
		}
		fmt.Printf("\t\t.wait_reasons = reasons_%d,\n\t},\n", p.minor)
	}
	fmt.Print(tail)
}

const tail = `};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

const struct go_offsets *
go_offsets_find(uint32_t minor)
{
	for (size_t i = 0; i < COLUMNS; i++)
		if (columns[i].minor == minor)
			return &columns[i];
	return NULL;
}

const struct go_offsets *
go_offsets_newest(void)
{
	return &columns[COLUMNS - 1];
}
`
