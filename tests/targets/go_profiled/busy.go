package main

import (
	"math/rand"
	"runtime"
	"sync"
	"time"
)

// Goroutines that are at work for ever; all begin in a function main.busy...

//go:noinline
func busySpin() {
	n := 0
	for {
		n++
	}
}

//go:noinline
func short(n int) int {
	if n == 0 {
		runtime.Gosched()
		return 0
	}
	return short(n-1) + 1
}

//go:noinline
func busyChurn(seed int) {
	r := rand.New(rand.NewSource(int64(seed)))
	for {
		var g sync.WaitGroup
		for i := r.Intn(8); i >= 0; i-- {
			g.Add(1)
			go func(n int) {
				defer g.Done()
				short(n)
			}(r.Intn(30))
		}
		g.Wait()
		time.Sleep(time.Duration(r.Intn(1000)) * time.Microsecond)
	}
}

//go:noinline
func busyAlloc(seed int) {
	r := rand.New(rand.NewSource(int64(seed)))
	var ring [256][]byte
	for i := 0; ; i++ {
		ring[i%len(ring)] = way0(r.Intn(1<<7), 3, 3<<uint(r.Intn(14)))
	}
}

//go:noinline
func busyFight(m *sync.Mutex, c chan int, n int) {
	for {
		m.Lock()
		time.Sleep(hold / 4)
		m.Unlock()
		if n == 0 {
			c <- 1
		} else {
			<-c
		}
	}
}

//go:noinline
func busyCollect(every time.Duration) {
	for {
		time.Sleep(every)
		runtime.GC()
	}
}

func startBusy() {
	for i := 0; i < *spin; i++ {
		go busySpin()
	}
	for i := 0; i < *churn; i++ {
		go busyChurn(i)
	}
	for i := 0; i < *alloc; i++ {
		go busyAlloc(i)
	}
	for i := 0; i < *fight; i++ {
		m, c := new(sync.Mutex), make(chan int)
		go busyFight(m, c, 0)
		go busyFight(m, c, 1)
	}
	if *gcEvery > 0 {
		go busyCollect(*gcEvery)
	}
	if *stalls {
		go busyWatch()
	}
}
