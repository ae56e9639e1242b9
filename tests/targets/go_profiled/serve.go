//go:build !silent

package main

import (
	"net"
	"net/http"
	_ "net/http/pprof"
	"strconv"
)

type listening struct {
	net.Listener
	Port int
}

func listen(port int) listening {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		panic(err)
	}
	return listening{l, l.Addr().(*net.TCPAddr).Port}
}

func serve(l net.Listener) {
	for path, answer := range answers {
		answer := answer
		http.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(answer())) })
	}
	panic(http.Serve(l, nil))
}
