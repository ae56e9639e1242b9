package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// What a test may ask the program to do or say, with the HTTP server and without it.

var longest int64 // ns

// busyWatch keeps the longest time between two of its turns, beyond the millisecond that it sleeps.
//
//go:noinline
func busyWatch() {
	for last := time.Now(); ; {
		time.Sleep(time.Millisecond)
		now := time.Now()
		late := int64(now.Sub(last) - time.Millisecond)
		last = now
		for {
			old := atomic.LoadInt64(&longest)
			if late <= old || atomic.CompareAndSwapInt64(&longest, old, late) {
				break
			}
		}
	}
}

func allStacks() string {
	b := make([]byte, 64<<20)
	return string(b[:runtime.Stack(b, true)])
}

// exhaust leaves no descriptor free.
func exhaust() string {
	limit := syscall.Rlimit{Cur: 256, Max: 256}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err.Error()
	}
	for n := 0; ; n++ {
		if _, err := syscall.Dup(0); err != nil {
			return fmt.Sprint(n, " more: ", err)
		}
	}
}

var answers = map[string]func() string{
	"/gc":       func() string { runtime.GC(); runtime.GC(); return "collected twice" },
	"/stall":    func() string { return fmt.Sprint(atomic.SwapInt64(&longest, 0)) },
	"/contend":  func() string { startContention(5); return "waited" },
	"/fraction": func() string { return fmt.Sprint(runtime.SetMutexProfileFraction(-1)) },
	"/exhaust":  exhaust,
	"/exit":     func() string { os.Exit(0); return "" },
}

func known() string {
	var names []string
	for name := range answers {
		names = append(names, name)
	}
	sort.Strings(names)
	return strings.Join(names, " ")
}
