package main

// Allocations whose stacks and sizes are many.

var kept [][]byte

// Three bits of `path` choose each call: 8^depth stacks.

//go:noinline
func way0(path, depth, size int) []byte { return next(path, depth, size) }

//go:noinline
func way1(path, depth, size int) []byte { return next(path, depth, size) }

//go:noinline
func way2(path, depth, size int) []byte { return next(path, depth, size) }

//go:noinline
func way3(path, depth, size int) []byte { return next(path, depth, size) }

//go:noinline
func way4(path, depth, size int) []byte { return next(path, depth, size) }

//go:noinline
func way5(path, depth, size int) []byte { return next(path, depth, size) }

//go:noinline
func way6(path, depth, size int) []byte { return next(path, depth, size) }

//go:noinline
func way7(path, depth, size int) []byte { return next(path, depth, size) }

func next(path, depth, size int) []byte {
	if depth == 0 {
		return make([]byte, size)
	}
	path, depth, way := path>>3, depth-1, path&7
	switch way {
	case 0:
		return way0(path, depth, size)
	case 1:
		return way1(path, depth, size)
	case 2:
		return way2(path, depth, size)
	case 3:
		return way3(path, depth, size)
	case 4:
		return way4(path, depth, size)
	case 5:
		return way5(path, depth, size)
	case 6:
		return way6(path, depth, size)
	default:
		return way7(path, depth, size)
	}
}

//go:noinline
func fillStack(path, depth int) {
	for i := 0; i < 4; i++ {
		b := way0(path, depth, 8+path%2040)
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
	for 1<<uint(3*depth) < stacks {
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
