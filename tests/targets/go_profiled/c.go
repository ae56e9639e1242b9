//go:build cgo

package main

/*
#include <pthread.h>
#include <unistd.h>

extern void calledFromC(int);

static void
park_in_c(void)
{
	for (;;)
		pause();
}

static void
call_go(int n)
{
	calledFromC(n);
}

static void *
thread(void *arg)
{
	(void)arg;
	calledFromC(1);
	return NULL;
}

static int
start_thread(void)
{
	pthread_t t;

	return pthread_create(&t, NULL, thread, NULL);
}
*/
import "C"

//go:noinline
func parkC() { here(); C.park_in_c() }

//go:noinline
func parkCallback() { C.call_go(0) }

//export calledFromC
func calledFromC(n C.int) { here(); <-never }

// One in C, one in Go called by C called by Go, one in Go called by a thread of C's.
func startC() {
	start("parkC", "syscall", parkC)
	start("parkCallback", "chan receive", parkCallback)
	arrived.Add(1)
	if C.start_thread() != 0 {
		panic("pthread_create")
	}
}
