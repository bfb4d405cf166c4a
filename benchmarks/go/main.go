// What Go programs do all day, each as a loop: `loops NAME COUNT` prints the nanoseconds of CPU time that COUNT rounds took.
package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func cpuTime() int64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func now(count int) {
	for i := 0; i < count; i++ {
		time.Now()
	}
}

func read(count int) {
	file, err := os.Open("/dev/zero")
	check(err)
	defer file.Close()
	one := make([]byte, 1)
	for i := 0; i < count; i++ {
		_, err = file.Read(one)
		check(err)
	}
}

func stat(count int) {
	for i := 0; i < count; i++ {
		_, err := os.Stat("/dev/null")
		check(err)
	}
}

// No call at all, but for what the scheduler does.
func channel(count int) {
	there, back := make(chan int), make(chan int)
	go func() {
		for value := range there {
			back <- value
		}
	}()
	for i := 0; i < count; i++ {
		there <- i
		<-back
	}
	close(there)
}

func request(client *http.Client, url string) {
	answer, err := client.Get(url)
	check(err)
	_, err = io.Copy(io.Discard, answer.Body)
	check(err)
	answer.Body.Close()
}

func serve(count int, client *http.Client) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello\n") }))
	defer server.Close()
	for i := 0; i < count; i++ {
		request(client, server.URL)
	}
}

func keepAlive(count int) { serve(count, http.DefaultClient) }

func newConnections(count int) {
	serve(count, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}})
}

func timers(count int) {
	var all sync.WaitGroup
	for i := 0; i < 100; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for n := 0; n < count/100; n++ {
				time.Sleep(10 * time.Microsecond)
			}
		}()
	}
	all.Wait()
}

func files(count int) {
	folder, err := os.MkdirTemp("", "loops")
	check(err)
	defer os.RemoveAll(folder)
	for i := 0; i < count; i++ {
		name := filepath.Join(folder, strconv.Itoa(i%16))
		check(os.WriteFile(name, []byte("some text\n"), 0o600))
		_, err = os.ReadFile(name)
		check(err)
	}
}

var loops = map[string]func(int){
	"time.Now": now, "read": read, "os.Stat": stat, "channel": channel, "http-keep-alive": keepAlive,
	"http-new-connections": newConnections, "timers": timers, "files": files,
}

func main() {
	if len(os.Args) != 3 || loops[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: loops NAME COUNT")
		os.Exit(2)
	}
	count, err := strconv.Atoi(os.Args[2])
	check(err)
	loops[os.Args[1]](count/10 + 100) // the runtime's start and the first calls are another matter
	begin := cpuTime()
	loops[os.Args[1]](count)
	fmt.Println(cpuTime() - begin)
}
