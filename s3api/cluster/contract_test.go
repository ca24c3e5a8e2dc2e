package cluster_test

import (
	"testing"

	"catena/s3api/cluster/clustertest"
	"catena/s3api/s3test"
)

// TestContract runs the whole contract suite, over HTTP, on the backend over
// chains in memory.
func TestContract(t *testing.T) {
	b, mem := clustertest.NewBackend(clustertest.Config{})
	target := s3test.Serve(t, s3test.Options{Backend: b})
	target.Small = testing.Short()
	s3test.Run(t, target)
	if n := mem.Open(); n != 0 {
		t.Errorf("%d chunks are left open", n)
	}
}
