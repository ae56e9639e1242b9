// go_profiled is the Go node of the tests: it does what its flags say, then prints one line of
// JSON and answers until its seconds are over.
//
//	go_profiled [FLAGS] SECONDS
//
// With net/http/pprof (the oracle) on 127.0.0.1:PORT, and beside it the requests of asked.go. Built
// with the tag `silent` it links nothing that reads profiles, so that its linker switches the heap
// profile off; then it answers the requests of asked.go only.
//
// Goroutines whose first function is called main.park... never move once the line is printed; those
// of main.busy... are always at work. Builds with Go 1.18 and every later one.
package main

import (
	"encoding/json"
	"flag"
	"os"
	"runtime"
	"strconv"
	"time"
)

var (
	each     = flag.Int("each", 0, "goroutines of each kind of waiting")
	many     = flag.Int("many", 0, "goroutines more, parked in few places")
	deep     = flag.Int("deep", 0, "goroutines that park 1000 calls deep")
	spin     = flag.Int("spin", 0, "goroutines that compute without a call")
	churn    = flag.Int("churn", 0, "goroutines that start short-lived ones, on and on")
	alloc    = flag.Int("alloc", 0, "goroutines that allocate, on and on")
	fight    = flag.Int("fight", 0, "pairs of goroutines that wait for each other, on and on")
	buckets  = flag.Int("buckets", 0, "stacks that allocate, each another one")
	sizes    = flag.Bool("sizes", false, "allocate blocks of every size class, half of them freed again")
	contend  = flag.Int("contend", 0, "rounds of waiting for channels and mutexes, done before the line is printed")
	memRate  = flag.Int("memrate", -1, "runtime.MemProfileRate; -1: as it is")
	block    = flag.Int("blockrate", 0, "runtime.SetBlockProfileRate; 0: off")
	fraction = flag.Int("mutexfraction", 0, "runtime.SetMutexProfileFraction; 0: off")
	noRate   = flag.Bool("norate", false, "no profile at all: the three rates are 0")
	collect  = flag.Bool("collect", true, "collect garbage twice before the line is printed: all allocations are published")
	gcEvery  = flag.Duration("gc", 0, "collect garbage so often; 0: only when it is time")
	stalls   = flag.Bool("stalls", false, "watch for how long nothing runs (the request /stall)")
	port     = flag.Int("port", 0, "where to listen; 0: anywhere")
)

// What a test may rely on, as one line.
type said struct {
	Port    int               `json:"port"`
	Go      string            `json:"go"`
	Parked  map[string]int    `json:"parked"` // first function of a goroutine: how many of them
	States  map[string]string `json:"states"` // the same: what the runtime says that they wait for
	Spin    int               `json:"spin"`
	Buckets int               `json:"buckets"`
}

func setRates() {
	if *memRate >= 0 {
		runtime.MemProfileRate = *memRate
	}
	if *noRate {
		runtime.MemProfileRate = 0
		return
	}
	if *block > 0 {
		runtime.SetBlockProfileRate(*block)
	}
	if *fraction > 0 {
		runtime.SetMutexProfileFraction(*fraction)
	}
}

func main() {
	flag.Parse()
	setRates()
	seconds, err := strconv.ParseFloat(flag.Arg(0), 64)
	if err != nil {
		seconds = 60
	}
	listening := listen(*port)

	startContention(*contend)
	fillHeap(*buckets, *sizes)
	startParked(*each)
	startDeep(*deep)
	startMany(*many)
	waitParked()
	if *collect {
		// Twice: what was allocated before the first is published by the second.
		runtime.GC()
		runtime.GC()
	}
	startBusy()

	line, err := json.Marshal(said{listening.Port, runtime.Version(), parked, states, *spin, *buckets})
	if err != nil {
		panic(err)
	}
	go serve(listening.Listener)
	os.Stdout.Write(append(line, '\n'))
	time.Sleep(time.Duration(seconds * float64(time.Second)))
}
