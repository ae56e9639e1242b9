//go:build go1.23

package main

import "iter"

var pulled []func() (int, bool)

//go:noinline
func parkCoroutine(yield func(int) bool) {
	for yield(1) {
	}
}

// A goroutine that another one resumes; nobody does any more.
func startCoroutine() {
	next, _ := iter.Pull(parkCoroutine)
	next()
	pulled = append(pulled, next)
	count("parkCoroutine", "coroutine", 1)
}
