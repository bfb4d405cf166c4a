// An HTTP server on loopback: says who it is, on the port that it is given, or at HOST:PORT.
package main

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s answers %s\n", runtime.GOOS, r.URL.Path)
	})
	address := os.Args[1]
	if !strings.Contains(address, ":") {
		address = "127.0.0.1:" + address
	}
	if err := http.ListenAndServe(address, nil); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
