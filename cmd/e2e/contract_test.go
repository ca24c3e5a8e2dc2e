package e2e

import (
	"context"
	"crypto/tls"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"catena/s3api/s3test"
	"catena/s3api/s3test/badinput"

	"github.com/stretchr/testify/require"
)

// These tests need no installed client: they run the suites of s3api/s3test, which the
// handlers pass over a store in memory, against a whole server, and so are part of
// `go test ./...`.

// stall is the --body-timeout of these servers, for row 18 of the catalogue.
const stall = 700 * time.Millisecond

// loopback accepts the self-signed certificate.
func loopback() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

func TestContractOnServer(t *testing.T) {
	srv := serve(t, false)
	s3test.Run(t, s3test.Target{
		Endpoint: srv.Endpoint(), AccessKey: srv.AccessKey, SecretKey: srv.SecretKey,
		Small: testing.Short(),
	})
	// A client has its answer a moment before the server has counted it.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, srv.WaitIdle(ctx), "every request ends")
	_, metrics, err := srv.AdminGet(t.Context(), "/metrics")
	require.NoError(t, err)
	for _, line := range []string{
		`catena_s3_requests_total\{code="",operation="PutObject",status="200"\} [1-9]`,
		`catena_s3_requests_total\{code="NoSuchKey",operation="GetObject",status="404"\} [1-9]`,
		`catena_s3_request_seconds_count\{operation="PutObject"\} [1-9]`,
		`catena_s3_first_byte_seconds_count\{operation="GetObject"\} [1-9]`,
		`catena_s3_received_bytes_total [1-9]`, `catena_s3_sent_bytes_total [1-9]`,
		`catena_s3_active_requests 0`, `catena_s3_connections [0-9]`,
	} {
		require.Regexp(t, regexp.MustCompile("(?m)^"+line), metrics)
	}
	noErrors(t, srv.Log.(*tail))
}

// TestRandomOnServer compares seeded sequences of operations with the model in memory, several
// at once.
func TestRandomOnServer(t *testing.T) {
	srv := serve(t, false)
	t.Run("all", func(t *testing.T) {
		s3test.RunRandom(t, s3test.Target{Endpoint: srv.Endpoint(), AccessKey: srv.AccessKey, SecretKey: srv.SecretKey, Ops: 700}, randomSeeds()...)
	})
	noErrors(t, srv.Log.(*tail))
}

// randomSeeds are 1 to 4, or 1 to CATENA_RANDOM_SEEDS.
func randomSeeds() (seeds []uint64) {
	n, err := strconv.Atoi(os.Getenv("CATENA_RANDOM_SEEDS"))
	if err != nil {
		n = 4
	}
	for i := range n {
		seeds = append(seeds, uint64(i+1))
	}
	return seeds
}

// TestBadInputOnServer is the catalogue of bad input on raw sockets, over HTTP and TLS.
func TestBadInputOnServer(t *testing.T) {
	for name, config := range map[string]*tls.Config{"http": nil, "tls": loopback()} {
		t.Run(name, func(t *testing.T) {
			srv := serve(t, config != nil, "--domain", "s3.test", "--body-timeout", stall.String())
			badinput.Run(t, badinput.Target{
				Addr: srv.S3, TLS: config, AccessKey: srv.AccessKey, SecretKey: srv.SecretKey,
				Domain: "s3.test", BodyTimeout: stall,
			})
			noErrors(t, srv.Log.(*tail))
		})
	}
}

// noErrors: nothing that a client does, well or badly, is an error in the server's log.
func noErrors(t *testing.T, log *tail) {
	t.Helper()
	for line := range strings.SplitSeq(log.String(), "\n") {
		require.NotContains(t, line, `"level":"ERROR"`)
	}
}
