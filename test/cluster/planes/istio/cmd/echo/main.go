// echo: the application behind the gateways. Every answer names the version and the pod that gave it. On SIGTERM
// it goes on for a moment, as endpoints are taken away only then, and finishes what it has begun.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	version := flag.String("version", "v1", "answered as x-version")
	listen := flag.String("listen", "0.0.0.0:8000", "host:port")
	delay := flag.Duration("delay", 0, "wait before each answer")
	fail := flag.Float64("fail", 0, "share of answers that are 503")
	linger := flag.Duration("linger", 3*time.Second, "time to go on after SIGTERM")
	flag.Parse()

	pod, _ := os.Hostname()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(*delay)
		w.Header().Set("x-version", *version)
		w.Header().Set("x-pod", pod)
		if *fail > 0 && rand.Float64() < *fail {
			http.Error(w, "made to fail", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, "%s %s\n", *version, r.URL.Path)
	})
	server := &http.Server{Addr: *listen, Handler: handler, IdleTimeout: 10 * time.Minute}

	ended := make(chan struct{})
	go func() {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		<-stop
		time.Sleep(*linger)
		server.Shutdown(context.Background())
		close(ended)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-ended
}
