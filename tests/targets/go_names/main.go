// go_names answers, for addresses of its own text, what Go's own symbolization
// says: the oracle of tests/integration/names_go.py.
//
//	go_names < addresses   one link-time address a line, hexadecimal
//	go_names SECONDS       only work, for somebody who looks at its stacks
//
// For each: "@ADDRESS", then a line a frame, innermost first:
// "NAME<tab>FILE<tab>LINE<tab>START". The expansion is the one that
// runtime/pprof does for a CPU profile. A function's last byte has no answer.
package main

import (
	"bufio"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "unsafe"

	"go_names/c"
)

//go:linkname expand runtime/pprof.runtime_expandFinalInlineFrame
func expand(stk []uintptr) []uintptr

// bias is by how much the kernel moved the program.
func bias() uint64 {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	exe, err := elf.Open(path)
	if err != nil {
		panic(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		panic(err)
	}
	for _, line := range strings.Split(string(maps), "\n") {
		if !strings.HasSuffix(line, path) {
			continue
		}
		start, err := strconv.ParseUint(strings.SplitN(line, "-", 2)[0], 16, 64)
		if err != nil {
			panic(err)
		}
		for _, p := range exe.Progs {
			if p.Type == elf.PT_LOAD {
				return start - p.Vaddr&^4095
			}
		}
	}
	panic("where am I?")
}

func answer(w *bufio.Writer, vaddr, moved uint64) {
	ret := uintptr(vaddr+moved) + 1
	f := runtime.FuncForPC(ret)
	if f != nil && f.Entry() == ret || f == nil && runtime.FuncForPC(ret-1) != nil {
		return // would be taken for the next function's first instruction
	}
	fmt.Fprintf(w, "@%x\n", vaddr)
	frames := runtime.CallersFrames(expand([]uintptr{ret}))
	for {
		f, more := frames.Next()
		if f.PC != 0 {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\n", f.Function, f.File, f.Line, startLine(&f))
		}
		if !more {
			return
		}
	}
}

// ---- code of many shapes, so that its tables have something to say

type shape interface{ Area() float64 }
type square struct{ side float64 }
type named struct {
	shape
	*square
	name string
}

func (s square) Area() float64 { return twice(s.side) * s.side / 2 }
func (n named) String() string { return n.name + strconv.Itoa(int(add(3, 4))) }
func twice(x float64) float64  { return half(x) * 4 }
func half(x float64) float64   { return x / 2 }
func add(a, b int) int         { return sub(a, -b) }
func sub(a, b int) int         { return a - b }
func deep(n int) int           { return add(n, sub(n, add(n, 1))) }
func guarded(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("caught %v", r)
		}
	}()
	f()
	return nil
}

func exercise() string {
	all := []shape{square{2}, &square{3}, named{shape: square{1}, name: "n"}.shape}
	sort.Slice(all, func(i, j int) bool { return all[i].Area() < all[j].Area() })
	text, _ := json.Marshal(map[string]interface{}{"n": deep(c.Plus(1, len(all))), "g": generic()})
	err := guarded(func() {
		var none []int
		_ = none[deep(1)]
	})
	var s fmt.Stringer = &named{name: "x"}
	f := s.String
	return string(text) + fmt.Sprint(err) + f()
}

func grow(n int) int {
	var frame [64]int
	if n > 0 {
		frame[n%64] = grow(n - 1)
	}
	return frame[n%64] + n
}

// work keeps the runtime busy too: new stacks, garbage, timers, locks, C.
func work(seconds int) {
	var mu sync.Mutex
	texts := map[string]int{}
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	for round := 0; time.Now().Before(end); round++ {
		done := make(chan string)
		for i := 0; i < 4; i++ {
			go func(n int) {
				mu.Lock()
				texts[strconv.Itoa(grow(n%300))] = c.Plus(n, c.Back(n))
				mu.Unlock()
				done <- exercise()
			}(4*round + i)
		}
		for i := 0; i < 4; i++ {
			select {
			case s := <-done:
				mu.Lock()
				texts[s] = len(s)
				mu.Unlock()
			case <-time.After(time.Minute):
			}
		}
		time.Sleep(time.Microsecond)
		if round%100 == 0 {
			texts = map[string]int{}
			runtime.GC()
		}
	}
}

func main() {
	if len(os.Args) > 1 {
		seconds, _ := strconv.Atoi(os.Args[1])
		work(seconds)
		return
	}
	if pprof.Lookup("heap") == nil || exercise() == "" {
		os.Exit(1)
	}
	moved := bias()
	in := bufio.NewScanner(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		vaddr, err := strconv.ParseUint(in.Text(), 16, 64)
		if err != nil {
			panic(err)
		}
		answer(out, vaddr, moved)
	}
}
