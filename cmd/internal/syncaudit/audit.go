package syncaudit

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Report is what an audit found.
type Report struct {
	// Acks is the number of markers whose 200 was found and proven.
	Acks int
	// Writes and Syncs are the numbers of file writes and syncs seen in the directories.
	Writes, Syncs int
}

// Audit checks a trace. Each marker is unique and stands unbroken in the
// request and on disk. It returns every violation.
func Audit(trace io.Reader, dirs, markers []string) (Report, error) {
	calls, err := parse(trace)
	if err != nil {
		return Report{}, err
	}
	var rep Report
	var errs []error
	writes, syncs := map[string][]call{}, map[string][]call{}
	for _, c := range calls {
		dir := dirOf(c.target, dirs)
		switch {
		case dir == "" || !c.ok:
		case isWrite(c.name):
			writes[dir] = append(writes[dir], c)
			rep.Writes++
		case c.name == "fdatasync" || c.name == "fsync":
			syncs[c.target] = append(syncs[c.target], c)
			rep.Syncs++
		}
	}
	for _, m := range markers {
		ack, err := answer(calls, m)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if err := proven(m, ack, dirs, writes, syncs); err != nil {
			errs = append(errs, err)
			continue
		}
		rep.Acks++
	}
	return rep, errors.Join(errs...)
}

// answer finds where the 200 to the request that carried the marker begins.
func answer(calls []call, marker string) (int, error) {
	socket, asked := "", 0
	for _, c := range calls {
		if socket == "" {
			if isRead(c.name) && strings.Contains(c.text, marker) {
				socket, asked = c.target, c.leave
			}
			continue
		}
		if c.target != socket || c.enter < asked || !isWrite(c.name) && c.name != "sendto" {
			continue
		}
		if strings.Contains(c.text, `"HTTP/1.1 200`) {
			return c.enter, nil
		}
		if !strings.Contains(c.text, `"HTTP/1.1 100`) {
			return 0, fmt.Errorf("syncaudit: %s was answered with %.60s", marker, c.text)
		}
	}
	return 0, fmt.Errorf("syncaudit: no answer to %s in the trace", marker)
}

// proven checks that in each directory a write of the marker and a sync of
// the same file, begun after the write returned, returned before the answer.
func proven(marker string, ack int, dirs []string, writes, syncs map[string][]call) error {
	for _, dir := range dirs {
		found, good := false, false
		for _, w := range writes[dir] {
			if !strings.Contains(w.text, marker) {
				continue
			}
			found = true
			for _, s := range syncs[w.target] {
				if s.enter > w.leave && s.leave < ack {
					good = true
				}
			}
		}
		if !found {
			return fmt.Errorf("syncaudit: %s was answered, but no write of it is seen in %s", marker, dir)
		}
		if !good {
			return fmt.Errorf("syncaudit: %s was answered (line %d) before a sync of its file in %s returned", marker, ack, dir)
		}
	}
	return nil
}

func dirOf(target string, dirs []string) string {
	for _, d := range dirs {
		if strings.HasPrefix(target, d+"/") {
			return d
		}
	}
	return ""
}

func isWrite(name string) bool {
	return name == "write" || name == "pwrite64" || name == "writev" || name == "pwritev" || name == "pwritev2"
}

func isRead(name string) bool {
	return name == "read" || name == "recvfrom" || name == "readv" || name == "recvmsg"
}
