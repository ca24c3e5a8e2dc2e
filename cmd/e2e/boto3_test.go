package e2e

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBoto3 runs testdata/boto3_suite.py, which asserts by itself and ends
// with a line that counts its checks.
func TestBoto3(t *testing.T) {
	needClients(t, "python-boto3")
	eachFront(t, func(t *testing.T, f front) {
		script, err := filepath.Abs(filepath.Join("testdata", "boto3_suite.py"))
		require.NoError(t, err)
		out := f.command(t, f.env(t), "python-boto3", script, f.endpoint)
		require.Contains(t, out, "all checks passed")
		t.Log(last(out))
	})
}

// TestBoto3URLs runs testdata/boto3_urls.py: presigned URLs of both signature versions, in
// path and virtual-host style.
func TestBoto3URLs(t *testing.T) {
	needClients(t, "python-boto3")
	for _, tls := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%t", tls), func(t *testing.T) {
			srv := serve(t, tls, "--domain", "s3.test")
			f := front{endpoint: srv.Endpoint(), srv: srv, insecure: tls}
			script, err := filepath.Abs(filepath.Join("testdata", "boto3_urls.py"))
			require.NoError(t, err)
			out := f.command(t, f.env(t), "python-boto3", script, f.endpoint, "s3.test")
			require.Contains(t, out, "all checks passed")
			t.Log(last(out))
		})
	}
}
