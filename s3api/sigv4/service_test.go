package sigv4

import (
	"testing"
	"time"

	"catena/s3api/route"

	"github.com/stretchr/testify/require"
)

type anyKey struct{}

func (anyKey) Lookup(access string) (Credential, bool) {
	return Credential{SecretKey: "a-secret-of-tests"}, access == "KEY"
}

// A signature commands only the service that its scope names.
func TestASignatureForAnotherServiceIsRefused(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for verifies, want := range map[string]string{"": "s3", "catena": "catena"} {
		v, err := New(Config{Store: anyKey{}, Now: func() time.Time { return now }, Service: verifies})
		require.NoError(t, err)
		for _, signed := range []string{"s3", "catena", "iam"} {
			s := Signer{AccessKey: "KEY", SecretKey: "a-secret-of-tests", Service: signed, Time: now}
			fields, _ := s.Header(Unsigned{Method: "GET", Target: "/v1/status", Host: "h"}, emptySHA256)
			res, err := v.Verify(&Request{Route: &route.Request{Method: "GET", RawPath: "/v1/status", Path: "/v1/status"}, Headers: fields, Host: "h"})
			if signed == want {
				require.NoError(t, err)
				require.Equal(t, "KEY", res.Principal.AccessKey)
				continue
			}
			require.ErrorContains(t, err, `This endpoint belongs to "`+want+`"`, signed)
		}
	}
}
