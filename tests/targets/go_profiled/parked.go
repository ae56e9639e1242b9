package main

import (
	"context"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Goroutines that are parked for ever, a function for each kind.

var (
	parked  = map[string]int{}
	states  = map[string]string{}
	arrived sync.WaitGroup

	never      = make(chan int)
	neverTo    = make(chan int)
	neverMutex sync.Mutex
	neverRead  sync.RWMutex
	neverWrite sync.RWMutex
	neverGroup sync.WaitGroup
	neverOnce  sync.Once
	neverCond  = sync.NewCond(&sync.Mutex{})
	nowhere    *[4]int
)

// here is called by each goroutine just before it parks.
func here() { arrived.Done() }

//go:noinline
func parkReceive() { here(); <-never }

//go:noinline
func parkReceiveNil() { here(); <-(chan int)(nil) }

//go:noinline
func parkSend() { here(); neverTo <- 1 }

//go:noinline
func parkSendNil() { here(); (chan int)(nil) <- 1 }

//go:noinline
func parkSelect() {
	here()
	select {
	case <-never:
	case neverTo <- 1:
	case <-time.After(1000 * time.Hour):
	}
}

//go:noinline
func parkSelectNone() { here(); select {} }

//go:noinline
func parkRange() {
	here()
	for range never {
	}
}

//go:noinline
func parkMutex() { here(); neverMutex.Lock() }

//go:noinline
func parkRWMutexRead() { here(); neverRead.RLock() }

//go:noinline
func parkRWMutexWrite() { here(); neverWrite.Lock() }

//go:noinline
func parkCond() { neverCond.L.Lock(); here(); neverCond.Wait() }

//go:noinline
func parkGroup() { here(); neverGroup.Wait() }

//go:noinline
func parkOnce() { here(); neverOnce.Do(func() {}) }

//go:noinline
func parkSleep() { here(); time.Sleep(1000 * time.Hour) }

//go:noinline
func parkTicker() {
	t := time.NewTicker(1000 * time.Hour)
	here()
	for range t.C {
	}
}

//go:noinline
func parkIO() {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	here()
	r.Read(make([]byte, 1))
	w.Close()
}

//go:noinline
func parkAccept() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	here()
	l.Accept()
}

// In a system call: each holds a thread.
//
//go:noinline
func parkSyscall() {
	var p [2]int
	if err := syscall.Pipe(p[:]); err != nil {
		panic(err)
	}
	here()
	syscall.Read(p[0], make([]byte, 1))
}

//go:noinline
func parkLocked() {
	runtime.LockOSThread()
	here()
	<-never
}

// ---- more in the stack than calls

type box[T any] struct{ c chan T }

//go:noinline
func (b *box[T]) receive(n int) T {
	if n == 0 {
		here()
		return <-b.c
	}
	return b.receive(n - 1)
}

//go:noinline
func parkGeneric() { (&box[[2]string]{make(chan [2]string)}).receive(3) }

//go:noinline
func parkGenericPointer() { (&box[*int]{make(chan *int)}).receive(1) }

func through(f func()) { inner(f) }

func inner(f func()) { f() }

// The calls of through, inner and the closure are inlined.
//
//go:noinline
func parkInlined() {
	here()
	through(func() { waitFor(never) })
}

func waitFor(c chan int) int { return <-c }

type waiter interface{ wait(c chan int) }

type byValue struct{ n [3]int }

func (v byValue) wait(c chan int) { v.n[1] = <-c }

type embedded struct{ byValue }

// By a pointer to a method by value, of an embedded type: wrappers that stacks do not show.
//
//go:noinline
func parkWrapped() {
	var w waiter = &embedded{}
	here()
	w.wait(never)
}

//go:noinline
func parkMethodValue() {
	f := waiter(&embedded{}).wait
	here()
	f(never)
}

//go:noinline
func parkDeferred() {
	defer func() { here(); <-never }()
}

//go:noinline
func parkPanicking() {
	defer func() { recover() }()
	defer func() { here(); <-never }()
	panic("one that never gets through")
}

//go:noinline
func parkFaulting() {
	defer func() { recover() }()
	defer func() { here(); <-never }()
	nowhere[2] = 1
}

//go:noinline
func parkLabelled(n int) {
	pprof.Do(context.Background(), pprof.Labels("kind", "label\"led\"", "shard", strconv.Itoa(n%2), "empty", ""), func(context.Context) {
		here()
		<-never
	})
}

//go:noinline
func parkManyLabels() {
	var set []string
	for i := 0; i < 20; i++ {
		set = append(set, "key"+strconv.Itoa(i), "value "+strconv.Itoa(i*i))
	}
	pprof.Do(context.Background(), pprof.Labels(set...), func(context.Context) { here(); <-never })
}

// Created by one that is still there, which was created by one that is gone.
//
//go:noinline
func parkChain(n int) {
	if n > 0 {
		arrived.Add(1)
		go parkChain(n - 1)
	}
	here()
	if n != 1 {
		<-never
	}
}

//go:noinline
func parkDeep(n int) int {
	if n == 0 {
		here()
		return <-never
	}
	return parkDeep(n-1) + 1
}

//go:noinline
func parkMany(n int) {
	here()
	switch n % 4 {
	case 0:
		<-never
	case 1:
		neverTo <- n
	case 2:
		select {
		case <-never:
		case neverTo <- n:
		}
	default:
		neverGroup.Wait()
	}
}

// A finalizer that does not return: the runtime's goroutine is the user's for so long.
func parkFinalizer() {
	arrived.Add(1)
	runtime.SetFinalizer(&struct{ b [64]byte }{}, func(*struct{ b [64]byte }) { here(); <-never })
	runtime.GC()
}

// ---- starting them

// count says that n goroutines begin in a function; state "" where Go's versions differ.
func count(name, state string, n int) {
	if n > 0 {
		parked["main."+name] += n
		states["main."+name] = state
	}
}

// start makes one goroutine; its first function is the one that is parked.
func start(name, state string, f func()) {
	count(name, state, 1)
	arrived.Add(1)
	go f()
}

func startParked(n int) {
	if n == 0 {
		return
	}
	neverMutex.Lock()
	neverRead.Lock()
	neverWrite.RLock()
	neverGroup.Add(1)
	// os/signal's goroutine waits in what looks like a system call.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGUSR2)
	onceTaken := make(chan bool)
	go func() { neverOnce.Do(func() { close(onceTaken); <-never }) }()
	<-onceTaken
	parkFinalizer()
	for i := 0; i < n; i++ {
		start("parkReceive", "chan receive", parkReceive)
		start("parkReceiveNil", "chan receive (nil chan)", parkReceiveNil)
		start("parkSend", "chan send", parkSend)
		start("parkSendNil", "chan send (nil chan)", parkSendNil)
		start("parkSelect", "select", parkSelect)
		start("parkSelectNone", "select (no cases)", parkSelectNone)
		start("parkRange", "chan receive", parkRange)
		start("parkMutex", "", parkMutex) // semacquire, later sync.Mutex.Lock
		start("parkRWMutexRead", "", parkRWMutexRead)
		start("parkRWMutexWrite", "", parkRWMutexWrite)
		start("parkCond", "sync.Cond.Wait", parkCond)
		start("parkGroup", "", parkGroup)
		start("parkOnce", "", parkOnce)
		start("parkSleep", "sleep", parkSleep)
		start("parkTicker", "chan receive", parkTicker)
		start("parkIO", "IO wait", parkIO)
		start("parkAccept", "IO wait", parkAccept)
		start("parkGeneric", "chan receive", parkGeneric)
		start("parkGenericPointer", "chan receive", parkGenericPointer)
		start("parkInlined", "chan receive", parkInlined)
		start("parkWrapped", "chan receive", parkWrapped)
		start("parkMethodValue", "chan receive", parkMethodValue)
		start("parkDeferred", "chan receive", parkDeferred)
		start("parkPanicking", "chan receive", parkPanicking)
		start("parkFaulting", "chan receive", parkFaulting)
		arrived.Add(1)
		go parkLabelled(i)
		start("parkManyLabels", "chan receive", parkManyLabels)
	}
	// Threads are dear: two of each.
	for i := 0; i < n && i < 2; i++ {
		start("parkSyscall", "syscall", parkSyscall)
		start("parkLocked", "chan receive", parkLocked)
		startC()
		startCoroutine()
	}
	count("parkLabelled", "chan receive", n)
	arrived.Add(1)
	go parkChain(3)
	count("parkChain", "chan receive", 3) // the one that made the last is gone
}

func startDeep(n int) {
	for i := 0; i < n; i++ {
		arrived.Add(1)
		go parkDeep(1000)
	}
	count("parkDeep", "chan receive", n)
}

func startMany(n int) {
	if n > 0 && *each == 0 {
		neverGroup.Add(1)
	}
	for i := 0; i < n; i++ {
		arrived.Add(1)
		go parkMany(i)
	}
	count("parkMany", "", n)
}

// waitParked returns when all have come to the call that parks them. The scheduler runs each until
// it has: nobody is runnable for long afterwards, but a test must look at states, not at a time.
func waitParked() { arrived.Wait() }
