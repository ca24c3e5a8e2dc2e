package clustersim

import (
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// bubble runs f where time costs nothing. What f leaves running fails the test,
// except for what Pebble leaves of a store that failed: that is never closed.
func bubble(t *testing.T, f func(t *testing.T)) {
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
				require.Fail(t, "a goroutine is left", g)
			}
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		buf := make([]byte, 1<<10)
		name = regexp.MustCompile(`synctest bubble \d+`).FindString(string(buf[:runtime.Stack(buf, false)]))
		require.NotEmpty(t, name)
		f(t)
	})
}
