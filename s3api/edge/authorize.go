package edge

import (
	"context"

	"catena/s3api/s3err"
)

// DenyAnonymous is the authorisation of a store without policies: who has a key may do
// everything, nobody else anything. The answer is the same whether the resource exists
// or not.
func DenyAnonymous(_ context.Context, req *Request) error {
	if req.Principal.Anonymous {
		return s3err.New(s3err.AccessDenied)
	}
	return nil
}
