//go:build go1.18
// +build go1.18

package main

import "sort"

type pair[K comparable, V any] struct {
	key   K
	value V
}

func sorted[K comparable, V any](m map[K]V, less func(a, b K) bool) []pair[K, V] {
	var all []pair[K, V]
	for k, v := range m {
		all = append(all, pair[K, V]{k, v})
	}
	sort.Slice(all, func(i, j int) bool { return less(all[i].key, all[j].key) })
	return all
}

func (p pair[K, V]) both() (K, V) { return p.key, p.value }

func generic() int {
	a := sorted(map[string]int{"a": 1, "b": 2}, func(a, b string) bool { return a < b })
	b := sorted(map[int][]byte{1: nil}, func(a, b int) bool { return a < b })
	_, v := a[0].both()
	_, w := b[0].both()
	return v + len(w)
}
