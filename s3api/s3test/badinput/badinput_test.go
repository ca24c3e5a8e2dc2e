package badinput_test

import (
	"strings"
	"testing"
	"time"

	"catena/s3api/edge"
	"catena/s3api/s3test"
	"catena/s3api/s3test/badinput"
	"catena/s3api/s3test/model"
)

// TestCatalogueOnHandlers runs the catalogue against the handlers of S3 over a store in
// memory. The front alone runs it in package edge, the whole store in cmd,
// where a body also stalls.
func TestCatalogueOnHandlers(t *testing.T) {
	target := s3test.Serve(t, s3test.Options{Backend: model.New(model.Config{}), Region: "us-east-1", Edge: func(c *edge.Config) {
		c.Domains, c.LingerTimeout = []string{"s3.test"}, 200*time.Millisecond
	}})
	badinput.Run(t, badinput.Target{
		Addr: strings.TrimPrefix(target.Endpoint, "http://"), AccessKey: target.AccessKey, SecretKey: target.SecretKey,
		Region: target.Region, Domain: "s3.test",
	})
}
