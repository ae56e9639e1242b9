//go:build cgo
// +build cgo

// Package c is a call to C, so that the program is linked by the C compiler.
package c

/*
static int plus(int a, int b) { return a + b; }
*/
import "C"

func Plus(a, b int) int { return int(C.plus(C.int(a), C.int(b))) }
