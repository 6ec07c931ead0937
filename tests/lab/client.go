// A nats.go client that the lab drives: same lines in and out as client.py. Built by the lab with Debian's Go and nats.go.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// dialer remembers the last connection's local port, and can abort it.
type dialer struct{ conn atomic.Value }

func (d *dialer) Dial(network, address string) (net.Conn, error) {
	conn, err := net.DialTimeout(network, address, 2*time.Second)
	if err == nil {
		d.conn.Store(conn)
	}
	return conn, err
}

func (d *dialer) port() int {
	if conn, ok := d.conn.Load().(net.Conn); ok {
		return conn.LocalAddr().(*net.TCPAddr).Port
	}
	return 0
}

func seconds(text string) time.Duration {
	value, _ := strconv.ParseFloat(text, 64)
	return time.Duration(value * float64(time.Second))
}

func main() {
	say := func(words ...interface{}) { fmt.Println(words...) }
	d := &dialer{}
	url, reconnect, subjects := "", false, []string{}
	options := []nats.Option{nats.SetCustomDialer(d)}
	user := ""
	for args := os.Args[1:]; len(args) > 0; {
		if args[0] == "--reconnect" {
			reconnect, args = true, args[1:]
			continue
		}
		value := args[1]
		switch args[0] {
		case "--url":
			url = value
		case "--name":
			options = append(options, nats.Name(value))
		case "--sub":
			subjects = append(subjects, value)
		case "--ping":
			options = append(options, nats.PingInterval(seconds(value)))
		case "--tries":
			tries, _ := strconv.Atoi(value)
			options = append(options, nats.MaxReconnects(tries))
		case "--wait":
			options = append(options, nats.ReconnectWait(seconds(value)))
		case "--user":
			user = value
		case "--password":
			options = append(options, nats.UserInfo(user, value))
		}
		args = args[2:]
	}
	if !reconnect {
		options = append(options, nats.NoReconnect())
	}
	options = append(options,
		nats.ClosedHandler(func(*nats.Conn) { say("CLOSED") }),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { say("DISCONNECTED") }),
		nats.ReconnectHandler(func(*nats.Conn) { say("RECONNECTED", d.port()) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { say("ERROR", err) }))
	nc, err := nats.Connect(url, options...)
	if err != nil {
		say("FAILED", err)
		return
	}
	for _, subject := range subjects {
		_, _ = nc.Subscribe(subject, func(*nats.Msg) {})
	}
	_ = nc.Flush()
	say("READY", d.port())

	stop := make(chan struct{})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		number := func(at int) int { n, _ := strconv.Atoi(words[at]); return n }
		switch words[0] {
		case "pub":
			_ = nc.Publish(words[1], make([]byte, number(2)))
		case "start":
			subject, gap, payload := words[1], time.Second/time.Duration(number(2)), make([]byte, number(3))
			go func() {
				for ticks := time.NewTicker(gap); ; {
					select {
					case <-stop:
						return
					case <-ticks.C:
						_ = nc.Publish(subject, payload)
					}
				}
			}()
		case "stop":
			stop <- struct{}{}
		case "flush":
			_ = nc.Flush()
			say("FLUSHED")
		case "drain":
			_ = nc.Drain()
			for !nc.IsClosed() {
				time.Sleep(10 * time.Millisecond)
			}
			return
		case "close":
			nc.Close()
			return
		case "exit":
			os.Exit(0)
		}
	}
	select {}
}
