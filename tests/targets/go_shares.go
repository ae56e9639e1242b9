// Go: 70 % in hot, 30 % in cold, an inlined function and a goroutine of its own for each.
// It serves Go's own /debug/pprof for comparison, on a free port that its line of JSON names.
package main

import (
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
	"strconv"
	"time"
)

const piece = 8000

var sink uint64

func churn(x uint64) uint64 {
	x ^= x << 13
	x ^= x >> 7
	x ^= x << 17
	return x
}

//go:noinline
func hot(x uint64) uint64 {
	for i := 0; i < piece; i++ {
		x = churn(x)
	}
	return x + 1
}

//go:noinline
func cold(x uint64) uint64 {
	for i := 0; i < piece; i++ {
		x = churn(x)
	}
	return x + 2
}

type worker struct{ seed uint64 }

func (w *worker) serve(x uint64) uint64 {
	w.seed = churn(w.seed)
	if (w.seed>>32)%100 < 70 {
		return hot(x)
	}
	return cold(x)
}

func (w *worker) run(end time.Time, done chan<- uint64) {
	x := w.seed
	for time.Now().Before(end) {
		for i := 0; i < 64; i++ {
			x = w.serve(x | 1)
		}
	}
	done <- x
}

func main() {
	seconds := 60
	if len(os.Args) > 1 {
		if n, err := strconv.Atoi(os.Args[1]); err == nil && n >= 1 && n <= 300 {
			seconds = n
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "go_shares:", err)
		os.Exit(1)
	}
	go http.Serve(listener, nil)
	fmt.Printf("{\"pid\": %d, \"port\": %d, \"go\": %q, \"shares\": {\"main.hot\": 0.70, \"main.cold\": 0.30}, "+
		"\"stacks\": [[\"main.churn\", \"main.hot\", \"main.(*worker).serve\", \"main.(*worker).run\"]], \"inlined\": [\"main.churn\"]}\n",
		os.Getpid(), listener.Addr().(*net.TCPAddr).Port, runtime.Version())

	end := time.Now().Add(time.Duration(seconds) * time.Second)
	done := make(chan uint64)
	w := &worker{seed: 0x9e3779b97f4a7c15}
	go w.run(end, done)
	sink = <-done
}
