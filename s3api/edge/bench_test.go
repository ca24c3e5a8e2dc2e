package edge

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkFront measures a whole signed request on a kept connection with a handler that
// does next to nothing, so what is left is the front.
func BenchmarkFront(b *testing.B) {
	for _, size := range []int{0, 4 << 10, 1 << 20} {
		for _, method := range []string{"GET", "PUT"} {
			b.Run(fmt.Sprintf("%s/size=%d", method, size), func(b *testing.B) {
				addr, _ := start(b, Config{})
				c := dial(b, addr)
				c.SetDeadline(time.Time{})
				body := strings.Repeat("x", size)
				c.do(b, "PUT", signed("PUT", addr, "/bkt", ""))
				c.do(b, "PUT", signed("PUT", addr, "/bkt/k", body))
				if method == "GET" {
					body = ""
				}
				raw := signed(method, addr, "/bkt/k", body)
				r := bufio.NewReaderSize(c, 64<<10)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					_, err := io.WriteString(c, raw)
					require.NoError(b, err)
					resp, err := http.ReadResponse(r, nil)
					require.NoError(b, err)
					io.Copy(io.Discard, resp.Body)
				}
			})
		}
	}
}
