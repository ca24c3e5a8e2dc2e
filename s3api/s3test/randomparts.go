package s3test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/s3api/objects"
	"catena/s3api/s3test/model"
)

func (w *walk) start(t testing.TB) {
	key, user := w.key(), itoa(w.rng.IntN(100))
	up, err := w.m.CreateUpload(context.Background(), objects.CreateUpload{Bucket: modelBucket, Key: key, Meta: objects.Meta{User: map[string]string{"n": user}}})
	require.NoError(t, err)
	w.note("start %q", key)
	w.uploads = append(w.uploads, &walkUpload{key: key, here: up.ID, there: w.s.initiate(t, w.bucket, key, "x-amz-meta-n", user)})
}

// upload draws one that was started, perhaps one that ended since.
func (w *walk) upload() *walkUpload {
	if len(w.uploads) == 0 {
		return nil
	}
	return w.uploads[max(0, len(w.uploads)-1-w.rng.IntN(4))]
}

func (w *walk) part(t testing.TB) {
	u := w.upload()
	if u == nil {
		return
	}
	n, data := 1+w.rng.IntN(3), w.data()
	if w.rng.IntN(12) == 0 {
		data = pattern(partSize, byte(n))
	}
	part, err := w.m.PutPart(context.Background(), objects.PutPart{Bucket: modelBucket, Key: u.key, UploadID: u.here, Number: n}, bodyOf(data))
	a := w.s.send(t, partCall(w.bucket, u.key, u.there, n, data))
	if w.expect(t, fmt.Sprintf("part %d of %s %q, %d bytes", n, u.here, u.key, len(data)), err, a) {
		require.Equal(t, part.ETag, a.etag(), w.history())
	}
}

func (w *walk) partCopy(t testing.TB) {
	u := w.upload()
	if u == nil {
		return
	}
	from, n, off, size := w.key(), 1+w.rng.IntN(3), w.rng.Int64N(200), 1+w.rng.Int64N(5000)
	c := objects.CopyPart{PutPart: objects.PutPart{Bucket: modelBucket, Key: u.key, UploadID: u.here, Number: n},
		SourceBucket: modelBucket, SourceKey: from, Offset: off, Length: size}
	part, err := w.m.CopyPart(context.Background(), c)
	req := copyCall(w.bucket, u.key, w.bucket+"/"+escape(from), "x-amz-copy-source-range", "bytes="+itoa(off)+"-"+itoa(off+size-1))
	req.query = "partNumber=" + itoa(n) + "&uploadId=" + escape(u.there)
	a := w.s.send(t, req)
	if _, gone := w.m.Head(context.Background(), modelBucket, from); gone != nil && objects.KindOf(err) == objects.KindNoSuchUpload && a.status == 404 {
		// Both the upload and the source are missing: which is named is not promised.
		w.note("part copy of nothing -> 404")
		return
	}
	if w.expect(t, fmt.Sprintf("part %d of %s %q from %q %d+%d", n, u.here, u.key, from, off, size), err, a) {
		require.Equal(t, `"`+part.ETag+`"`, parse[copyDoc](t, a).ETag, w.history())
	}
}

func (w *walk) finish(t testing.TB) {
	u := w.upload()
	if u == nil {
		return
	}
	cond, header := w.condition()
	list, _ := w.m.ListParts(context.Background(), objects.ListParts{Bucket: modelBucket, Key: u.key, UploadID: u.here, Max: 1000})
	parts := list.Parts
	if len(parts) > 1 && w.rng.IntN(3) > 0 { // one part is never too small
		parts = parts[len(parts)-1:]
	}
	c := objects.Complete{Bucket: modelBucket, Key: u.key, UploadID: u.here, If: cond, Size: -1}
	var body strings.Builder
	body.WriteString("<CompleteMultipartUpload>")
	for _, p := range parts {
		c.Parts = append(c.Parts, objects.CompletePart{Number: p.Number, ETag: p.ETag})
	}
	switch {
	case u.completed != nil && w.rng.IntN(2) == 0: // a repeat
		c.Parts = slices.Clone(u.completed)
	case len(parts) == 0 || w.rng.IntN(8) == 0:
		c.Parts = append(c.Parts, objects.CompletePart{Number: 9, ETag: md5Hex(nil)})
	}
	for _, p := range c.Parts {
		fmt.Fprintf(&body, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", p.Number, p.ETag)
	}
	body.WriteString("</CompleteMultipartUpload>")
	if bothWrong(w.m, c) { // a bad part and a failed condition: which is named is not promised
		c.If, header = objects.Condition{}, nil
	}
	info, err := w.m.Complete(context.Background(), c)
	a := w.s.send(t, completeCall(w.bucket, u.key, u.there, []byte(body.String()), header...))
	if w.expect(t, fmt.Sprintf("complete %s %q %d parts %v", u.here, u.key, len(c.Parts), c.If), err, a) {
		require.Equal(t, `"`+info.ETag+`"`, parse[completeDoc](t, a).ETag, w.history())
		w.etags = append(w.etags, info.ETag)
		u.completed = c.Parts
	}
}

// bothWrong says whether a completion has a condition and would fail without it.
func bothWrong(m *model.Model, c objects.Complete) bool {
	if c.If == (objects.Condition{}) {
		return false
	}
	list, err := m.ListParts(context.Background(), objects.ListParts{Bucket: c.Bucket, Key: c.Key, UploadID: c.UploadID, Max: 1000})
	if err != nil {
		return true
	}
	for i, p := range c.Parts {
		at := slices.IndexFunc(list.Parts, func(q objects.Part) bool { return q.Number == p.Number && q.ETag == p.ETag })
		if at < 0 || i < len(c.Parts)-1 && list.Parts[at].Size < partSize {
			return true
		}
	}
	return false
}

func (w *walk) abort(t testing.TB) {
	u := w.upload()
	if u == nil {
		return
	}
	err := w.m.Abort(context.Background(), modelBucket, u.key, u.here)
	a := w.s.send(t, call{method: "DELETE", bucket: w.bucket, key: u.key, query: "uploadId=" + escape(u.there)})
	w.expect(t, fmt.Sprintf("abort %s %q", u.here, u.key), err, a)
}

func (w *walk) parts(t testing.TB) {
	u := w.upload()
	if u == nil {
		return
	}
	after, limit := w.rng.IntN(3), 1+w.rng.IntN(3)
	page, err := w.m.ListParts(context.Background(), objects.ListParts{Bucket: modelBucket, Key: u.key, UploadID: u.here, After: after, Max: limit})
	a := w.s.send(t, call{method: "GET", bucket: w.bucket, key: u.key,
		query: "uploadId=" + escape(u.there) + "&part-number-marker=" + itoa(after) + "&max-parts=" + itoa(limit)})
	if !w.expect(t, fmt.Sprintf("parts of %s %q after %d", u.here, u.key, after), err, a) {
		return
	}
	doc := parse[partsDoc](t, a)
	require.Len(t, doc.Part, len(page.Parts), w.history())
	require.Equal(t, page.Next != 0, doc.IsTruncated, w.history())
	for i, p := range page.Parts {
		require.Equal(t, p.Number, doc.Part[i].PartNumber, w.history())
		require.Equal(t, `"`+p.ETag+`"`, doc.Part[i].ETag, w.history())
		require.Equal(t, p.Size, doc.Part[i].Size, w.history())
	}
}
