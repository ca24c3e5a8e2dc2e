package bubbletest

import (
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
)

// Run is synctest.Test, with one leniency: what Pebble leaves running of a store
// that failed does not fail the test, because such a store is never closed (see
// objectd/store). Any other goroutine that f leaves does.
func Run(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	var name string // of the bubble, in goroutines' headers
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		if s, ok := r.(error); !ok || !strings.Contains(s.Error(), "main bubble goroutine has exited") {
			panic(r)
		}
		buf := make([]byte, 16<<20)
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, name+"]:") && !strings.Contains(g, "created by github.com/cockroachdb/pebble/") {
				t.Fatalf("a goroutine is left:\n%s", g)
			}
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		buf := make([]byte, 1<<10)
		name = regexp.MustCompile(`synctest bubble \d+`).FindString(string(buf[:runtime.Stack(buf, false)]))
		if name == "" {
			t.Fatal("this goroutine's header names no bubble")
		}
		f(t)
	})
}
