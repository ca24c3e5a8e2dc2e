package s3api

import (
	"strconv"

	"catena/s3api/body"
	"catena/s3api/checksum"
	"catena/s3api/objects"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// upload is the verifying body of a request in the form that a Backend reads. It
// stores a checksum of the algorithm wanted, also when the client sent (and
// had verified) another.
type upload struct {
	r     *body.Reader
	extra *checksum.Hasher // nil when the client's own is stored
	sent  body.Digests     // after Finish
}

// newUpload reads r. want is the algorithm that must be stored; None for the
// client's own, or the default.
func newUpload(r *body.Reader, want checksum.Algorithm) *upload {
	u := &upload{r: r}
	switch sent := r.Announced(); {
	case sent == checksum.None && want == checksum.None:
		r.WantChecksum(defaultAlgorithm)
	case sent == checksum.None:
		r.WantChecksum(want)
	case want != checksum.None && want != sent:
		u.extra = checksum.NewHasher(want)
	}
	return u
}

// Read implements objects.Body.
func (u *upload) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	if u.extra != nil {
		u.extra.Write(p[:n])
	}
	return n, err
}

// Size implements objects.Body.
func (u *upload) Size() int64 { return u.r.Length() }

// Finish implements objects.Body.
func (u *upload) Finish() (objects.Digests, error) {
	d, err := u.r.Finish()
	if err != nil {
		return objects.Digests{}, err
	}
	u.sent = d
	sum := d.Checksum
	if u.extra != nil {
		sum = u.extra.Value()
	}
	return objects.Digests{Size: d.Length, MD5: d.MD5, Checksum: stored(sum)}, nil
}
