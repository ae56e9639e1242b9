//go:build cgo
// +build cgo

package c

// int call_back(int n);
import "C"

// Back is Go called by C called by Go.
func Back(n int) int { return int(C.call_back(C.int(n))) }

//export goBack
func goBack(n C.int) C.int { return n + C.int(len(make([]byte, n%2000))) }
