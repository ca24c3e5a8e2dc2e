package s3api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"catena/s3api/checksum"
	"catena/s3api/edge"
	"catena/s3api/objects"
)

// putObject hands headers and body to the backend, which reads and verifies the
// body; nothing is visible before the one command is committed (cluster/put.go).
func (a *API) putObject(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	meta, err := metaOf(req)
	if err != nil {
		return nil, err
	}
	cond, err := writeCondition(req)
	if err != nil {
		return nil, err
	}
	if err := checkSDKAlgorithm(req); err != nil {
		return nil, err
	}
	info, err := a.backend.Put(ctx, objects.Put{
		Bucket: req.Bucket, Key: req.Key, Meta: meta, If: cond, Token: retryToken(req),
	}, newUpload(req.Body, checksum.None))
	if err != nil {
		return nil, a.fail(req, err)
	}
	r := (&edge.Response{}).Set("ETag", quoted(info.ETag))
	sum := shown(info.Checksum, info.Parts)
	setChecksum(r, sum, sum.Type.String())
	return r, nil
}

// retryToken names the one client request that an SDK repeats: the SDKs of Amazon send the
// same amz-sdk-invocation-id with every attempt. It is bound to who asks for what, so that
// nobody can be answered with the success of another.
func retryToken(req *edge.Request) string {
	id := req.Header.Get("amz-sdk-invocation-id")
	if id == "" || len(id) > 128 {
		return ""
	}
	h := sha256.New()
	for _, s := range []string{req.Principal.AccessKey, id, req.Op.String(), req.Bucket, req.Key} {
		h.Write([]byte(itoa(int64(len(s)))))
		h.Write([]byte{':'})
		h.Write([]byte(s))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
