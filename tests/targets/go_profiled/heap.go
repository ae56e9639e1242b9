package main

// Allocations whose stacks and sizes are many.

var kept [][]byte

// Each bit of `path` is a call of zero or of one: 2^depth stacks.
//
//go:noinline
func zero(path, depth, size int) []byte { return next(path, depth, size) }

//go:noinline
func one(path, depth, size int) []byte { return next(path, depth, size) }

func next(path, depth, size int) []byte {
	if depth == 0 {
		return make([]byte, size)
	}
	if path&1 == 0 {
		return zero(path>>1, depth-1, size)
	}
	return one(path>>1, depth-1, size)
}

//go:noinline
func fillStack(path, depth int) {
	for i := 0; i < 4; i++ {
		b := zero(path, depth, 8+path%2040)
		if i%2 == path%2 {
			kept = append(kept, b)
		}
	}
}

// Of the tiny allocator, of each class, large ones; with pointers and without.
//
//go:noinline
func fillSizes() {
	var pointers [][]*byte
	for size := 1; size <= 1<<20; size += 1 + size/5 {
		for i := 0; i < 4; i++ {
			b, p := make([]byte, size), make([]*byte, size/8+1)
			if i%2 == 0 {
				kept = append(kept, b)
				pointers = append(pointers, p)
			}
		}
	}
	keptPointers = pointers
}

var keptPointers [][]*byte

func fillHeap(stacks int, sizes bool) {
	depth := 1
	for 1<<depth < stacks {
		depth++
	}
	for i := 0; i < stacks; i++ {
		fillStack(i, depth)
	}
	if sizes {
		fillSizes()
		deepAllocation(200)
	}
}

// Deeper than the runtime records.
//
//go:noinline
func deepAllocation(n int) {
	if n == 0 {
		kept = append(kept, make([]byte, 4096))
		return
	}
	deepAllocation(n - 1)
}
