//go:build silent

package main

import (
	"bufio"
	"net"
	"strconv"
	"strings"
)

// HTTP enough for a test's client, without net/http: that would link runtime/pprof's reader of profiles.

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
	answers["/stack"] = allStacks
	for {
		c, err := l.Accept()
		if err != nil {
			panic(err)
		}
		go answerOne(c)
	}
}

func answerOne(c net.Conn) {
	defer c.Close()
	request, err := bufio.NewReader(c).ReadString('\n')
	words := strings.Fields(request)
	if err != nil || len(words) < 2 {
		return
	}
	status, body := "404 Not Found", "there are: "+known()
	if answer := answers[words[1]]; answer != nil {
		status, body = "200 OK", answer()
	}
	c.Write([]byte("HTTP/1.0 " + status + "\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body))
}
