package cluster

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"hash"

	"catena/chain"
	"catena/chain/tablet"
	"catena/s3api/objects"
)

// completedBefore answers a completion whose upload is gone: with the object, if
// it is the one that this completion made.
func (r *request) completedBefore(ctx context.Context, id chain.ID128, q objects.Complete, otherwise error) (objects.Info, error) {
	row, _, err := r.object(ctx, false)
	switch {
	case err != nil && objects.KindOf(err) != objects.KindNoSuchKey:
		return objects.Info{}, err
	case err != nil || row.Object.Layout.Kind != tablet.LayoutUpload || row.Object.Layout.Upload != id:
		return objects.Info{}, otherwise
	}
	if err := r.sameCompletion(&row.Object, row.Parts, q); err != nil {
		return objects.Info{}, err
	}
	return infoOfRow(r.bucket, r.key, &row.Object, row.Parts), nil
}

// sameCompletion compares a completion with the object that its upload became.
// The part rows are no longer asked: the ETag, which is made of the parts', and
// the parts' numbers tell the list; of the checksums what the object keeps.
func (r *request) sameCompletion(o *tablet.Object, parts []tablet.PartSize, q objects.Complete) error {
	if len(q.Parts) != len(parts) {
		return r.fail(objects.KindInvalidPart, fmt.Sprintf("completed with %d parts", len(parts)), nil)
	}
	md5s := md5.New()
	for i, n := range q.Parts {
		sum, err := hex.DecodeString(n.ETag)
		if err != nil || len(sum) != md5.Size || uint32(n.Number) != parts[i].Number || !samePart(o, parts[i].Sum, n.Checksum) {
			return r.fail(objects.KindInvalidPart, fmt.Sprintf("part %d", n.Number), nil)
		}
		md5s.Write(sum)
	}
	switch {
	case multipartETag(md5s, len(parts)) != o.ETag:
		return r.fail(objects.KindInvalidPart, "completed with other parts", nil)
	case q.Size >= 0 && q.Size != o.Size:
		return r.fail(objects.KindBadSize, "", nil)
	}
	if want := checksumToRow(q.Checksum); want.Algorithm != 0 && len(o.Checksums) > 0 {
		if !sameSum(want, o.Checksums[0]) {
			return r.fail(objects.KindBadChecksum, "", nil)
		}
	}
	return nil
}

// samePart compares a part's checksum, where the object keeps it and the client sent one.
func samePart(o *tablet.Object, kept []byte, sent objects.Checksum) bool {
	if len(kept) == 0 || len(o.Checksums) == 0 || sent.Value == "" {
		return true
	}
	return sameSum(checksumToRow(sent), tablet.Checksum{Algorithm: o.Checksums[0].Algorithm, Sum: kept})
}

func sameSum(a, b tablet.Checksum) bool {
	return a.Algorithm == b.Algorithm && bytes.Equal(a.Sum, b.Sum)
}

// multipartETag is S3's for an object of n parts, of the sum over their MD5s.
func multipartETag(md5s hash.Hash, n int) string { return fmt.Sprintf("%x-%d", md5s.Sum(nil), n) }
