// The smallest Go program: its runtime starts threads, a kqueue and signal handlers before main.
package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	fmt.Printf("hello from %s/%s, %d arguments\n", runtime.GOOS, runtime.GOARCH, len(os.Args)-1)
}
