// What ordinary Go programs do: files, sorting, sleeping, the time, goroutines, timers, signals, a child process.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func require(what string, ok bool) {
	if !ok {
		fmt.Fprintln(os.Stderr, "failed:", what)
		os.Exit(1)
	}
}

func files() {
	dir, err := os.MkdirTemp("", "work")
	check(err)
	defer os.RemoveAll(dir)
	for i := 0; i < 200; i++ {
		check(os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d", 199-i)), []byte(strings.Repeat("x", i)), 0o644))
	}
	entries, err := os.ReadDir(dir)
	check(err)
	require("200 entries", len(entries) == 200)
	total := int64(0)
	check(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		total += info.Size()
		return err
	}))
	require("sizes", total == 199*200/2)
	_, err = os.Open(filepath.Join(dir, "missing"))
	require("ENOENT", errors.Is(err, fs.ErrNotExist))
	check(os.Rename(filepath.Join(dir, "000"), filepath.Join(dir, "renamed")))
	check(os.Symlink("renamed", filepath.Join(dir, "link")))
	target, err := os.Readlink(filepath.Join(dir, "link"))
	check(err)
	require("link", target == "renamed")
	data, err := os.ReadFile(filepath.Join(dir, "link"))
	check(err)
	require("data", len(data) == 199)
	fmt.Println("files ok")
}

func lines() {
	file, err := os.Open(os.Args[1])
	check(err)
	defer file.Close()
	var all []string
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		all = append(all, scanner.Text())
	}
	check(scanner.Err())
	sort.Strings(all)
	fmt.Printf("sorted %d lines: %s ... %s\n", len(all), all[0], all[len(all)-1])
}

func clock() {
	start := time.Now()
	time.Sleep(50 * time.Millisecond)
	passed := time.Since(start)
	require("sleep", passed >= 50*time.Millisecond && passed < 2*time.Second)
	fmt.Println("time", start.UTC().Format("2006-01-02"))
}

func goroutines() {
	var wait sync.WaitGroup
	var mutex sync.Mutex
	sum := 0
	results := make(chan [32]byte, 100)
	for i := 0; i < 100; i++ {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			for k := 0; k < 100; k++ {
				mutex.Lock()
				sum += i
				mutex.Unlock()
				if k%10 == 0 {
					runtime.Gosched()
				}
			}
			time.Sleep(time.Millisecond)
			results <- sha256.Sum256([]byte(fmt.Sprint(i)))
		}(i)
	}
	wait.Wait()
	require("sum", sum == 100*99*100/2)
	require("results", len(results) == 100)
	// A goroutine that never yields is preempted by SIGURG.
	spin := make(chan bool)
	go func() {
		for n := 0; ; n++ {
		}
	}()
	go func() { time.Sleep(20 * time.Millisecond); spin <- true }()
	<-spin
	runtime.GC()
	// Timers and select.
	ticker := time.NewTicker(5 * time.Millisecond)
	ticks := 0
	timeout := time.After(200 * time.Millisecond)
loop:
	for {
		select {
		case <-ticker.C:
			ticks++
		case <-timeout:
			break loop
		}
	}
	require(fmt.Sprint("ticks ", ticks), ticks > 5 && ticks <= 41)
	fmt.Println("goroutines ok")
}

func pipes() {
	r, w, err := os.Pipe()
	check(err)
	go func() {
		for i := 0; i < 1000; i++ {
			fmt.Fprintln(w, "line", i)
		}
		w.Close()
	}()
	n := 0
	for scanner := bufio.NewScanner(r); scanner.Scan(); n++ {
	}
	require("lines through a pipe", n == 1000)
	// Deadlines need the poller (kqueue).
	r, w, err = os.Pipe()
	check(err)
	check(r.SetReadDeadline(time.Now().Add(30 * time.Millisecond)))
	_, err = r.Read(make([]byte, 1))
	require("deadline", errors.Is(err, os.ErrDeadlineExceeded))
	w.Close()
	fmt.Println("pipes ok")
}

func signals() {
	got := make(chan os.Signal, 10)
	signal.Notify(got, syscall.SIGUSR1, syscall.SIGINFO)
	for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGINFO} {
		check(syscall.Kill(os.Getpid(), s))
		select {
		case received := <-got:
			require("the same signal", received == s)
		case <-time.After(5 * time.Second):
			require("signal arrives", false)
		}
	}
	// A fault is a panic that can be recovered.
	recovered := func() (what any) {
		defer func() { what = recover() }()
		var p *int
		*p = 1
		return nil
	}()
	require("nil pointer", strings.Contains(fmt.Sprint(recovered), "nil pointer"))
	fmt.Println("signals ok")
}

func children() {
	self, err := os.Executable()
	check(err)
	command := exec.Command(self, "child", "an argument")
	command.Stdin = strings.NewReader("through the pipe")
	command.Env = append(os.Environ(), "WORK=yes")
	var out bytes.Buffer
	command.Stdout = &out
	command.Stderr = os.Stderr
	err = command.Run()
	var exit *exec.ExitError
	require("exit error", errors.As(err, &exit))
	require("exit code", exit.ExitCode() == 7)
	require("output: "+out.String(), out.String() == "child: an argument, yes, through the pipe\n")
	command = exec.Command(self, "sleep")
	check(command.Start())
	check(command.Process.Kill())
	err = command.Wait()
	require("killed", errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL)
	_, err = exec.Command(filepath.Join(os.TempDir(), "no such program")).Output()
	require("missing program", errors.Is(err, fs.ErrNotExist))
	fmt.Println("children ok")
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		input := new(bytes.Buffer)
		_, err := input.ReadFrom(os.Stdin)
		check(err)
		fmt.Printf("child: %s, %s, %s\n", os.Args[2], os.Getenv("WORK"), input)
		os.Exit(7)
	}
	if len(os.Args) > 1 && os.Args[1] == "sleep" {
		time.Sleep(time.Minute)
		return
	}
	files()
	lines()
	clock()
	goroutines()
	pipes()
	signals()
	children()
	name, err := os.Hostname()
	check(err)
	require("host name", name != "")
	fmt.Println("done")
}
