// A program that has all of the runtime in it that a profile reads, for its DWARF (tests/layouts/generate).
package main

import (
	"os"
	"runtime"
	"runtime/pprof"
)

func main() {
	runtime.SetBlockProfileRate(1)
	runtime.SetMutexProfileFraction(1)
	pprof.Do(nil, pprof.Labels("a", "b"), nil)
	for _, p := range pprof.Profiles() {
		p.WriteTo(os.Stdout, 1)
	}
}
