//go:build go1.20
// +build go1.20

package main

import (
	"runtime"
	_ "unsafe"
)

//go:linkname frameStartLine runtime/pprof.runtime_FrameStartLine
func frameStartLine(f *runtime.Frame) int

func startLine(f *runtime.Frame) int { return frameStartLine(f) }
