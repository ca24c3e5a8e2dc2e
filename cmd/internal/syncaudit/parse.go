package syncaudit

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// call is one finished system call.
type call struct {
	name string
	// target is the file or socket behind the first argument, as -y prints it.
	target string
	// text is the arguments as printed, with what a resumed line added.
	text string
	// enter and leave are line numbers.
	enter, leave int
	ok           bool
}

var (
	lineRE    = regexp.MustCompile(`^(?:\[pid +)?(\d+)\]? +(?:[\d.:]+ +)?(.*)$`)
	startRE   = regexp.MustCompile(`^([a-z_0-9]+)\((?:\d+<([^>]*(?:->[^>]*)?)>)?(.*)$`)
	resultRE  = regexp.MustCompile(`\) +=\s*(\d+)[^()]*$`)
	resumedRE = regexp.MustCompile(`^<\.\.\. ([a-z_0-9]+) resumed>(.*)$`)
)

// parse reads a trace in which each line begins with the thread's id.
func parse(r io.Reader) ([]call, error) {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 1<<20), 64<<20)
	var calls []call
	open := map[string]call{}
	for n := 1; sc.Scan(); n++ {
		m := lineRE.FindStringSubmatch(sc.Text())
		if m == nil {
			continue
		}
		thread, rest := m[1], m[2]
		if res := resumedRE.FindStringSubmatch(rest); res != nil {
			c, ok := open[thread]
			if !ok || c.name != res[1] {
				return nil, fmt.Errorf("syncaudit: line %d resumes %s that did not start", n, res[1])
			}
			delete(open, thread)
			c.text += res[2]
			c.leave = n
			c.ok = succeeded(res[2])
			calls = append(calls, c)
			continue
		}
		st := startRE.FindStringSubmatch(rest)
		if st == nil {
			continue // a signal, an exit
		}
		c := call{name: st[1], target: st[2], text: st[3], enter: n, leave: n}
		if text, cut := strings.CutSuffix(c.text, "<unfinished ...>"); cut {
			c.text = text
			open[thread] = c
			continue
		}
		c.ok = succeeded(c.text)
		calls = append(calls, c)
	}
	return calls, sc.Err()
}

// succeeded reports whether the result is a number that is not negative. strace
// sets results in a column: there may be many blanks before them.
func succeeded(text string) bool {
	return resultRE.MatchString(text)
}
