//go:build !cgo
// +build !cgo

package c

func Plus(a, b int) int { return a + b }

func Back(n int) int { return n + 1 }
