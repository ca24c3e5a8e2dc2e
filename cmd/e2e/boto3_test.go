package e2e

import (
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
