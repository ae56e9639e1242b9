package main

import (
	"sync"
	"time"
)

// Waits that end: what the block and mutex profiles count.

const hold = time.Millisecond

//go:noinline
func waitReceive(c chan int) { <-c }

//go:noinline
func waitSend(c chan int) { c <- 1 }

//go:noinline
func waitSelect(c, d chan int) {
	select {
	case <-c:
	case <-d:
	}
}

//go:noinline
func waitMutex(m *sync.Mutex) {
	m.Lock()
	releaseMutex(m)
}

func releaseMutex(m *sync.Mutex) { unlockInlined(m) }

func unlockInlined(m *sync.Mutex) { m.Unlock() }

//go:noinline
func waitWrite(m *sync.RWMutex) {
	m.Lock()
	m.Unlock()
}

//go:noinline
func waitGroup(g *sync.WaitGroup) { g.Wait() }

//go:noinline
func waitCond(c *sync.Cond) {
	c.L.Lock()
	c.Wait()
	c.L.Unlock()
}

func alongside(f func()) *sync.WaitGroup {
	var g sync.WaitGroup
	g.Add(1)
	go func() {
		defer g.Done()
		f()
	}()
	time.Sleep(hold)
	return &g
}

// contention makes each kind of wait once; as a rule (the scheduler decides) each takes `hold`.
func contention() {
	c, d := make(chan int), make(chan int)
	g := alongside(func() { waitReceive(c) })
	c <- 1
	g.Wait()

	g = alongside(func() { waitSend(c) })
	<-c
	g.Wait()

	g = alongside(func() { waitSelect(c, d) })
	d <- 1
	g.Wait()

	var m sync.Mutex
	m.Lock()
	g = alongside(func() { waitMutex(&m) })
	releaseMutex(&m)
	g.Wait()

	var rw sync.RWMutex
	rw.RLock()
	g = alongside(func() { waitWrite(&rw) })
	rw.RUnlock()
	g.Wait()

	var group sync.WaitGroup
	group.Add(1)
	g = alongside(func() { waitGroup(&group) })
	group.Done()
	g.Wait()

	cond, woken := sync.NewCond(&m), make(chan int)
	g = alongside(func() { waitCond(cond) })
	go func() { g.Wait(); close(woken) }()
	for { // it may not have begun to wait yet
		cond.Broadcast()
		select {
		case <-woken:
			return
		case <-time.After(10 * hold):
		}
	}
}

func startContention(rounds int) {
	for i := 0; i < rounds; i++ {
		contention()
	}
}
