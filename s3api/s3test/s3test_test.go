package s3test

import (
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/s3api/s3test/model"
)

// TestContract runs the suite against the handlers over the model.
func TestContract(t *testing.T) {
	target := Serve(t, Options{Backend: model.New(model.Config{})})
	target.Small = testing.Short()
	Run(t, target)
}

// TestContractShortPages runs the listings over a store that ends its pages early.
func TestContractShortPages(t *testing.T) {
	s := newSuite(t, Serve(t, Options{Backend: model.New(model.Config{MaxSteps: 3})}))
	t.Run("ListV1", func(t *testing.T) { testListV1(t, s) })
	t.Run("ListV2", func(t *testing.T) { testListV2(t, s) })
	t.Run("ListVersions", func(t *testing.T) { testListVersions(t, s) })
}

// TestOtherRegion: outside us-east-1 a bucket cannot be made twice.
func TestOtherRegion(t *testing.T) {
	target := Serve(t, Options{Backend: model.New(model.Config{}), Region: "eu-north-7"})
	testBuckets(t, newSuite(t, target))
}

// TestRandomIsDeterministic: one seed is one sequence.
func TestRandomIsDeterministic(t *testing.T) {
	var traces [2][]string
	for i := range traces {
		s := newSuite(t, Serve(t, Options{Backend: model.New(model.Config{})}))
		traces[i] = s.randomRun(t, 7, 150)
	}
	require.Equal(t, traces[0], traces[1])
	s := newSuite(t, Serve(t, Options{Backend: model.New(model.Config{})}))
	require.NotEqual(t, traces[0], s.randomRun(t, 8, 150))
}

// TestEndpoint runs the suite against a server that runs already:
//
//	S3TEST_ENDPOINT=http://127.0.0.1:9000 S3TEST_ACCESS_KEY=... S3TEST_SECRET_KEY=... go test ./s3api/s3test -run TestEndpoint
func TestEndpoint(t *testing.T) {
	target := Target{Endpoint: os.Getenv("S3TEST_ENDPOINT"), AccessKey: os.Getenv("S3TEST_ACCESS_KEY"), SecretKey: os.Getenv("S3TEST_SECRET_KEY")}
	if target.Endpoint == "" {
		t.Skip("S3TEST_ENDPOINT is not set")
	}
	target.Seed, _ = strconv.ParseUint(os.Getenv("S3TEST_SEED"), 10, 64)
	target.Ops, _ = strconv.Atoi(os.Getenv("S3TEST_OPS"))
	Run(t, target)
}
